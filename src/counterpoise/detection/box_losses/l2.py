"""Half the squared difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

ON: Literal["deltas", "boxes"] = "deltas"
OUTPUTS = 4


class Params(Section):
    """Block `box_losses.l2`."""


def loss(predicted: Tensor, target: Tensor, params: Params) -> Tensor:
    """Compute d^2 / 2 of each offset, whose gradient grows with the error, so that outliers weigh most.

    Args:
        predicted: (n, 4) float, offsets that a box coder encodes.
        target: (n, 4) float, the same of the true boxes.
        params: None.

    Returns:
        (n,) summed over the four coordinates.

    Example:
        >>> import torch
        >>> loss(torch.tensor([[0.5, 0.0, 0.0, 2.0]]), torch.zeros(1, 4), Params())
        tensor([2.1250])
    """
    from counterpoise.detection.box_losses._sides import in_single

    return ((in_single(predicted) - target) ** 2 / 2).sum(dim=1)
