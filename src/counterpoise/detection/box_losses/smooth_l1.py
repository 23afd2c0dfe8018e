"""Smooth L1: squared near 0, absolute beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

ON: Literal["deltas", "boxes"] = "deltas"
OUTPUTS = 4


class Params(Section):
    """Block `box_losses.smooth_l1`."""

    beta: float = Field(gt=0, le=10)
    """Where the loss turns from squared to absolute, in (0, 10]."""


def loss(predicted: Tensor, target: Tensor, params: Params) -> Tensor:
    """Compute d^2 / (2 beta) where |d| < beta, and |d| - beta / 2 elsewhere.

    Args:
        predicted: (n, 4) float, offsets that a box coder encodes.
        target: (n, 4) float, the same of the true boxes.
        params: `beta`.

    Returns:
        (n,) summed over the four coordinates.

    Source: Girshick (2015), Fast R-CNN, equation 3, with beta 1; torchvision's detectors take 1/9.

    Example:
        >>> import torch
        >>> loss(torch.tensor([[0.05, 0.0, 0.0, 2.0]]), torch.zeros(1, 4), Params(beta=0.1))
        tensor([1.9625])
    """
    from torch.nn import functional

    from counterpoise.detection.box_losses._sides import in_single

    predicted = in_single(predicted)
    target = target.to(predicted.dtype)
    return functional.smooth_l1_loss(predicted, target, reduction="none", beta=params.beta).sum(dim=1)
