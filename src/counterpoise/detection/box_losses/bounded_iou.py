"""Bounded IoU loss: an upper bound of the IoU, for each coordinate by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

ON: Literal["deltas", "boxes"] = "boxes"
OUTPUTS = 4


class Params(Section):
    """Block `box_losses.bounded_iou`."""

    beta: float = Field(gt=0, le=1)
    """Where the loss turns from squared to absolute, in (0, 1]."""


def loss(predicted: Tensor, target: Tensor, params: Params) -> Tensor:
    """Compute the smooth L1 loss of 1 - the largest IoU that each coordinate allows, were the others right.

    With a true side w, that is (w - 2 |d|) / (w + 2 |d|), at least 0, for a centre that is off by d, and
    min(w / w', w' / w) for a predicted side w'.

    Args:
        predicted: (n, 4) float, boxes x0, y0, x1, y1 in pixels.
        target: (n, 4) float, the true boxes, of positive area.
        params: `beta`.

    Returns:
        (n,) summed over the centre's two coordinates and the two sides, in [0, 4).

    Source: Tychsen-Smith and Petersson (2018), Improving Object Localization with Fitness NMS and Bounded IoU Loss,
        equations 10 to 13.

    Example:
        >>> import torch
        >>> loss(torch.tensor([[0.5, 0.0, 4.5, 2.0]]), torch.tensor([[0.0, 0.0, 4.0, 2.0]]), Params(beta=0.2))
        tensor([0.3000])
    """
    import torch
    from torch.nn import functional

    from counterpoise.detection.box_losses._sides import widened

    boxes, truth = widened(predicted), widened(target)
    sides, true_sides = boxes[:, 2:] - boxes[:, :2], truth[:, 2:] - truth[:, :2]
    off = (boxes[:, 2:] + boxes[:, :2] - truth[:, 2:] - truth[:, :2]).abs()  # twice the distance of the centres
    centre = 1 - ((true_sides - off) / (true_sides + off)).clamp_min(0)
    side = 1 - torch.minimum(true_sides / sides, sides / true_sides)
    errors = torch.cat([centre, side], dim=1)
    return functional.smooth_l1_loss(errors, torch.zeros_like(errors), reduction="none", beta=params.beta).sum(dim=1)
