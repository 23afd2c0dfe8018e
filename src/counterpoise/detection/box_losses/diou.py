"""Distance IoU loss: also draws the centres together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

ON: Literal["deltas", "boxes"] = "boxes"
OUTPUTS = 4


class Params(Section):
    """Block `box_losses.diou`."""


def loss(predicted: Tensor, target: Tensor, params: Params) -> Tensor:
    """Compute 1 - IoU + the squared distance of the centres over the squared diagonal of the smallest enclosing box.

    Args:
        predicted: (n, 4) float, boxes x0, y0, x1, y1 in pixels.
        target: (n, 4) float, the true boxes, of positive area.
        params: None.

    Returns:
        (n,) one value for each box, in [0, 2].

    Source: Zheng et al. (2020), Distance-IoU Loss, equation 7; torchvision computes it.

    Example:
        >>> import torch
        >>> loss(torch.tensor([[0.0, 0.0, 4.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 4.0]]), Params())
        tensor([0.6979])
    """
    from torchvision.ops import distance_box_iou_loss

    from counterpoise.detection.box_losses._sides import widened

    boxes = widened(predicted)
    values: Tensor = distance_box_iou_loss(boxes, target.to(boxes.dtype))
    return values
