"""Generalized IoU loss: boxes that do not overlap have a gradient, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

ON: Literal["deltas", "boxes"] = "boxes"
OUTPUTS = 4


class Params(Section):
    """Block `box_losses.giou`."""


def loss(predicted: Tensor, target: Tensor, params: Params) -> Tensor:
    """Compute 1 - IoU + the share of the smallest enclosing box that neither box covers.

    Args:
        predicted: (n, 4) float, boxes x0, y0, x1, y1 in pixels.
        target: (n, 4) float, the true boxes, of positive area.
        params: None.

    Returns:
        (n,) one value for each box, in [0, 2].

    Source: Rezatofighi et al. (2019), Generalized Intersection over Union, algorithm 1; torchvision computes it.

    Example:
        >>> import torch
        >>> loss(torch.tensor([[0.0, 0.0, 4.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 4.0]]), Params())
        tensor([0.9167])
    """
    from torchvision.ops import generalized_box_iou_loss

    from counterpoise.detection.box_losses._sides import widened

    boxes = widened(predicted)
    values: Tensor = generalized_box_iou_loss(boxes, target.to(boxes.dtype))
    return values
