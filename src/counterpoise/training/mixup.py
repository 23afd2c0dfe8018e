"""Mixup and CutMix: replace each example by a mixture of two."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NAMES = ("mixup", "cutmix")
"""`mixup` averages two examples pixel by pixel (or feature by feature). `cutmix` pastes a rectangle of one image into
the other."""


@dataclass(frozen=True)
class Mixed:
    """A batch of mixtures.

    Attributes:
        inputs: Mixed inputs, in the shape of the original inputs.
        partner: (n,) int64, the example of the batch with which each example was mixed.
        share: Share of the example itself, in [0, 1]; its partner has the rest. One number for the whole batch.
    """

    inputs: Tensor
    partner: Tensor
    share: float

    def loss(self, of_own: Tensor, of_partner: Tensor) -> Tensor:
        """Average the losses for both labels of each mixture. For cross-entropy this is the loss of the mixed label."""
        return self.share * of_own + (1 - self.share) * of_partner


def mix(name: str, inputs: Tensor, alpha: float) -> Mixed:
    """Mix each example of a batch with another one.

    The share is sampled from Beta(alpha, alpha) with torch's global generator. For `cutmix` it is the share of the area
    that the rectangle does not cover.

    Args:
        name: `mixup` or `cutmix`.
        inputs: (n, 3, h, w) images; for `mixup` also (n, d) features.
        alpha: Parameter of the Beta distribution, above 0. Small values give mixtures close to one of the two examples.

    Returns:
        The mixtures. A batch of one example is unchanged.

    Raises:
        ValueError: The name is unknown, or the inputs of `cutmix` are not images.

    Source: Zhang et al. (2018), mixup: Beyond Empirical Risk Minimization; Yun et al. (2019), CutMix. Both use the
        implementation of torchvision, which pairs neighbours in a (shuffled) batch.
    """
    from torchvision.transforms import v2

    if name not in NAMES:
        raise ValueError(f"mix is {name!r}; expected one of {list(NAMES)}")
    if name == "cutmix" and inputs.ndim != 4:
        raise ValueError(
            f"cutmix needs images of shape (n, 3, h, w); found inputs of shape {tuple(inputs.shape)}; use 'mixup'"
        )
    count = len(inputs)
    transform = (v2.MixUp if name == "mixup" else v2.CutMix)(alpha=alpha, num_classes=count)
    # With a different class for each example, the mixed labels show which examples were mixed.
    pictures, shares = transform(
        inputs if inputs.ndim == 4 else inputs[:, :, None, None], torch.arange(count, device=inputs.device)
    )
    share = float(shares[0, 0])
    partner = shares.fill_diagonal_(0).argmax(dim=1) if count > 1 and share < 1 else torch.arange(count)
    return Mixed(pictures.reshape(inputs.shape), partner.to(inputs.device), share)
