"""Features of dense heads where the box was predicted, so that its class is decided after its regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

FAR = 1e4
"""Samples move by so many cells at most: none lies on a map beyond that, and half precision still holds it."""


def offsets(boxes: Tensor, anchors: Tensor, *, stride: float) -> Tensor:
    """Compute how far the nine samples of a 3 x 3 convolution move with a box.

    The samples lie in the centres of the nine thirds of a box. Their offsets are the difference between those of the
    predicted box and of its anchor, so that a box which stayed on its anchor has none.

    Args:
        boxes: (n, h, w, 4) float, the predicted box of each cell, x0, y0, x1, y1 in pixels.
        anchors: (h, w, 4) float, the anchor of each cell.
        stride: Pixels between cells.

    Returns:
        (n, 18, h, w) in cells, y and x of each sample, row by row, as `torchvision.ops.deform_conv2d` takes them.
    """
    import torch

    def centres_and_thirds(of: Tensor) -> tuple[Tensor, Tensor]:
        return (of[..., :2] + of[..., 2:]) / 2, (of[..., 2:] - of[..., :2]) / 3

    centres, thirds = centres_and_thirds(boxes.float())
    own_centres, own_thirds = centres_and_thirds(anchors.float())
    away, wider = (centres - own_centres) / stride, (thirds - own_thirds) / stride
    steps = torch.tensor([-1.0, 0.0, 1.0], device=boxes.device)
    y = away[..., None, None, 1] + steps[:, None] * wider[..., None, None, 1]  # (n, h, w, 3, 1)
    x = away[..., None, None, 0] + steps * wider[..., None, None, 0]  # (n, h, w, 1, 3)
    pairs = torch.stack([y.expand(*y.shape[:-1], 3), x.expand(*x.shape[:-2], 3, 3)], dim=-1)
    return pairs.flatten(3).permute(0, 3, 1, 2)


def convolve(
    features: Tensor, boxes: Tensor, anchors: Tensor, *, stride: float, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """Apply a 3 x 3 convolution whose samples lie in the predicted boxes.

    Where boxes lie on their anchors it is the plain convolution. Boxes are detached: the class does not move them. The
    label of a cell must then be decided by the IoU of its predicted box, not of its anchor. Early in training these
    boxes are worse than the anchors, so start with the labels of the anchors. A coordinate that is not a number, which
    would end the process inside torchvision, leaves its samples where those of the anchor are.

    Args:
        features: (n, c, h, w) float.
        boxes: (n, h, w, 4) float, the predicted box of each cell, in pixels.
        anchors: (h, w, 4) float, the anchor of each cell.
        stride: Pixels between cells.
        weight: (c', c, 3, 3) of the convolution.
        bias: (c',) of it, or `None`.

    Returns:
        (n, c', h, w).

    Source: the idea of Cao et al. (2019), Hierarchical Shot Detector, section 3.2, with the offsets relative to the
        anchor.
    """
    from torchvision.ops import deform_conv2d

    where = offsets(boxes.detach(), anchors, stride=stride)
    where = where.nan_to_num(nan=0.0, posinf=FAR, neginf=-FAR).clamp(-FAR, FAR).to(features.dtype)
    found: Tensor = deform_conv2d(features, where, weight, bias, padding=1)
    return found
