"""Gradient harmonizing: what many examples of a batch are wrong by counts less."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor, nn

TASKS = ("multiclass", "multilabel")
KEEPS_ITS_MEAN = True
"""Its mean stays about the same, however easy most examples become, which `conflicts/detection.py` asks for."""
STATEFUL = True
NEEDS_ADAMW = "it keeps averages of gradients from batch to batch"


class Params(Section):
    """Block `losses.gradient_harmonized`."""

    bins: int = Field(ge=1, le=1000)
    """Number of parts into which gradient sizes in [0, 1] are divided, from 1 to 1000; 1 is cross-entropy."""
    momentum: float = Field(ge=0, lt=1)
    """Share of earlier batches in the moving average of how full the parts are, in [0, 1); 0 uses only the batch
    itself."""


def gradient_harmonized(
    logits: Tensor, targets: Tensor, *, bins: int, momentum: float = 0.0, moving: Tensor | None = None
) -> Tensor:
    """Compute cross-entropy divided by how many values have a gradient of about the same size.

    With g the size of the gradient, 1 - p_t (for multilabel, for each of them, |sigmoid(z) - y|), [0, 1] cut into bins
    of equal width, and R_j the share of the values whose g lies in bin j, the value is

        cross-entropy / (m R_j)

    with m the number of bins that this batch has values in. The mean of a batch is so the mean over its bins of the
    mean in each. With a momentum, R is a moving average over batches. The weights carry no gradient.

    Args:
        logits: (n, c) float.
        targets: (n,) int64 in 0..c-1; or, for multilabel, (n, c) in {0, 1}.
        bins: At least 1.
        momentum: In [0, 1).
        moving: (bins,) weighted sum of the shares of earlier batches, none if `None`. It is updated in place.

    Returns:
        (n,) values in nats, or (n, c) for multilabel, in the logits' type.

    Raises:
        ValueError: A parameter is out of range.

    Source: Li, Liu, Wang (2019), Gradient Harmonized Single-stage Detector, GHM-C, for multilabel. Of one
        class per example 1 - p_t is the natural form: the size of the gradient at the true class, and half the sum of
        its sizes, with one value per example; it is theirs for two classes, of which z_1 - z_0 is the logit. Departures
        from the paper: m is the number of bins that are not empty, as in its code (mmdetection, `GHMC`), where the
        paper takes all; the weights of a batch then average 1. From that code: its last edge is 1 + 1e-6, ours belongs
        to the last bin; its moving counts begin at 0 without correction, so that the first batches count up to
        1 / (1 - momentum) times as much; it leaves the counts of a bin alone that is empty in a batch, where the
        paper's formula, and ours, lets them fade; it holds counts, ours shares, so that a smaller batch counts the
        same.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.0, 0.0], [9.0, 0.0], [9.0, 0.0], [9.0, 0.0]])  # one bin has a value, the other three
        >>> gradient_harmonized(z, torch.tensor([0, 0, 0, 0]), bins=2)[0]  # 4 / 2 log 2
        tensor(1.3863)
    """
    import torch
    from torch.nn import functional

    if bins < 1 or not 0 <= momentum < 1:
        raise ValueError(f"bins is {bins}, momentum is {momentum}; expected at least 1, and a number in [0, 1)")
    wide = logits if logits.element_size() >= 4 else logits.float()
    if targets.ndim == 2:
        values = functional.binary_cross_entropy_with_logits(wide, targets.to(wide.dtype), reduction="none")
    else:
        values = functional.cross_entropy(wide, targets, reduction="none")
    with torch.no_grad():
        sizes = -torch.expm1(-values)
        inner = torch.arange(1, bins, device=sizes.device, dtype=sizes.dtype) / bins
        place = torch.bucketize(sizes, inner, right=True)
        now = torch.bincount(place.flatten(), minlength=bins).to(sizes.dtype) / sizes.numel()
        filled = (now > 0).sum()
        shares = now
        if moving is not None:
            moving.mul_(momentum).add_((1 - momentum) * now)
            shares = (moving / moving.sum()).to(sizes.dtype)  # the sum is 1 - momentum^batches
        weights = 1 / (filled * shares[place])
    return (values * weights).to(logits.dtype)


@cache
def module_class() -> type[nn.Module]:
    """Make the class of the loss with its moving average, once: importing this file must not import torch."""
    import torch
    from torch import nn

    class GradientHarmonized(nn.Module):
        """The loss with its moving average, which lives in a buffer.

        While training it is the value above. Otherwise it is plain cross-entropy, and remembers nothing: divided by its
        own bins a batch costs the same whether one example or a hundred are wrong by as much, about 1 as long as no bin
        is empty, which tells nothing about the epoch; and divided by those of the training it cannot be compared, for
        they change.

        Attributes:
            moving: (bins,) weighted sum of the shares of the batches so far.
        """

        moving: Tensor

        def __init__(self, bins: int, momentum: float) -> None:
            super().__init__()
            self.register_buffer("moving", torch.zeros(bins))
            self.momentum = momentum

        def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
            """Compute the values of a batch; where gradients are off, the moving average does not change."""
            if not self.training:
                return gradient_harmonized(logits, targets, bins=1)
            moving = self.moving if torch.is_grad_enabled() else self.moving.clone()
            return gradient_harmonized(logits, targets, bins=len(moving), momentum=self.momentum, moving=moving)

    return GradientHarmonized


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> nn.Module:
    """Return the loss, with nothing in its memory; counts play no part."""
    return module_class()(params.bins, params.momentum)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Leave the prior alone with a single bin; otherwise what counts depends on the model."""
    return (1.0,) * len(class_counts) if params.bins == 1 else None
