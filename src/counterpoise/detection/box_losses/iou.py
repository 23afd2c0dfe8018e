"""IoU loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

ON: Literal["deltas", "boxes"] = "boxes"
OUTPUTS = 4
LEAST_IOU = 1e-6
"""Boxes that do not overlap count as this IoU; they have no gradient."""


class Params(Section):
    """Block `box_losses.iou`."""


def loss(predicted: Tensor, target: Tensor, params: Params) -> Tensor:
    """Compute -log IoU. Boxes that do not overlap have a large loss and no gradient.

    Args:
        predicted: (n, 4) float, boxes x0, y0, x1, y1 in pixels.
        target: (n, 4) float, the true boxes.
        params: None.

    Returns:
        (n,) one value for each box, in nats; at most -log(1e-6).

    Source: Yu et al. (2016), UnitBox: An Advanced Object Detection Network, equation 3.

    Example:
        >>> import torch
        >>> loss(torch.tensor([[0.0, 0.0, 4.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 4.0]]), Params())  # log 3
        tensor([1.0986])
    """
    import torch

    from counterpoise.detection.box_losses._sides import widened

    boxes = widened(predicted)
    target = target.to(boxes.dtype)
    sides = torch.minimum(boxes[:, 2:], target[:, 2:]) - torch.maximum(boxes[:, :2], target[:, :2])
    shared = sides.clamp_min(0).prod(dim=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) + (target[:, 2:] - target[:, :2]).prod(dim=1)
    return -torch.log((shared / (areas - shared)).clamp_min(LEAST_IOU))
