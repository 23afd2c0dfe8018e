"""Mixtures of two examples, in place of each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NAMES = ("mixup", "cutmix")
"""`mixup` averages two examples pixel by pixel (or feature by feature); `cutmix` pastes a rectangle of one."""


@dataclass(frozen=True)
class Mixed:
    """A batch of mixtures.

    Attributes:
        inputs: As given, mixed.
        partner: (n,) int64, the example of the batch that each was mixed with.
        share: Of the example itself, in [0, 1]; its partner has the rest. One number for the batch.
    """

    inputs: Tensor
    partner: Tensor
    share: float

    def loss(self, of_own: Tensor, of_partner: Tensor) -> Tensor:
        """Average the losses by the two labels of each mixture, which is the cross-entropy of a mixed label."""
        return self.share * of_own + (1 - self.share) * of_partner


def mix(name: str, inputs: Tensor, alpha: float) -> Mixed:
    """Mix each example of a batch with another one.

    The share is drawn from Beta(alpha, alpha), by torch's own generator; of `cutmix` it is the area that is left.

    Args:
        name: `mixup` or `cutmix`.
        inputs: (n, 3, h, w) images; for `mixup` also (n, d) features.
        alpha: Above 0; a small one leaves most mixtures close to one of the two.

    Returns:
        The mixtures; of a batch of one example, itself.

    Raises:
        ValueError: The name is unknown, or `cutmix` is asked for without images.

    Source: Zhang et al. (2018), mixup: Beyond Empirical Risk Minimization; Yun et al. (2019), CutMix. Both as
        torchvision has them, which pairs neighbours in a (shuffled) batch.
    """
    from torchvision.transforms import v2

    if name not in NAMES:
        raise ValueError(f"mix is {name!r}; expected one of {list(NAMES)}")
    if name == "cutmix" and inputs.ndim != 4:
        raise ValueError(
            f"cutmix pastes rectangles of images (n, 3, h, w); found inputs of shape {tuple(inputs.shape)}"
        )
    count = len(inputs)
    transform = (v2.MixUp if name == "mixup" else v2.CutMix)(alpha=alpha, num_classes=count)
    # Where each example is a class of its own, the mixed labels say who was mixed with whom.
    pictures, shares = transform(
        inputs if inputs.ndim == 4 else inputs[:, :, None, None], torch.arange(count, device=inputs.device)
    )
    share = float(shares[0, 0])
    partner = shares.fill_diagonal_(0).argmax(dim=1) if count > 1 and share < 1 else torch.arange(count)
    return Mixed(pictures.reshape(inputs.shape), partner.to(inputs.device), share)
