"""Which object an anchor or proposal belongs to, and which belong to none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterpoise.detection.teaching import Truth

if TYPE_CHECKING:
    from torch import Tensor

IGNORED_SHARE = 0.5
"""Share of an anchor's area inside an ignored place from which it is no background."""
RADIUS = 1.5
"""Distance from the centre of a box within which cells belong to it, in strides."""
LARGEST = 8.0
"""Largest distance to a side that a level predicts, in strides; the coarsest has all that are larger."""


@dataclass(frozen=True)
class Assigned:
    """What each of n boxes of an image is.

    Attributes:
        labels: (n,) int64: 0 background, 1..c the class, -1 ignored.
        objects: (n,) int64, the row of the true box that it overlaps most; 0 in an image without objects.
        ious: (n,) float, the IoU with that box; 0 in an image without objects.
    """

    labels: Tensor
    objects: Tensor
    ious: Tensor


def check(truth: Sequence[Truth], classes: int) -> None:
    """Check the true boxes of a batch, since a box that is not finite ends the process inside torchvision.

    Args:
        truth: Of each image.
        classes: Number of classes c.

    Raises:
        ValueError: A box is not finite or has no area, or a label is not in 0..c-1; with image and row.
    """
    import torch

    for picture, own in enumerate(truth):
        for kind, boxes in (("box", own.boxes), ("ignored place", own.ignored)):
            bad = ~(torch.isfinite(boxes).all(dim=1) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1))
            if bad.any():
                row = int(bad.nonzero()[0, 0])
                raise ValueError(f"picture {picture}, {kind} {row} is {boxes[row].tolist()}; expected a positive area")
        if len(own.labels) != len(own.boxes):
            raise ValueError(f"picture {picture} has {len(own.labels)} labels of {len(own.boxes)} boxes")
        wrong = (own.labels < 0) | (own.labels >= classes)
        if wrong.any():
            row = int(wrong.nonzero()[0, 0])
            raise ValueError(
                f"picture {picture}, box {row} has label {int(own.labels[row])}; expected 0 to {classes - 1}"
            )


def paired_ious(first: Tensor, second: Tensor) -> Tensor:
    """Compute the IoU of the boxes of equal rows, (n,); 0 where they have no area.

    Example:
        >>> import torch
        >>> paired_ious(torch.tensor([[0.0, 0.0, 4.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 4.0]]))
        tensor([0.3333])
    """
    import torch

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp_min(0).prod(dim=1)

    shared = area(torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:]))
    union = area(first[:, :2], first[:, 2:]) + area(second[:, :2], second[:, 2:]) - shared
    return shared / union.clamp_min(torch.finfo(union.dtype).tiny)


def covered_fracs(boxes: Tensor, places: Tensor) -> Tensor:
    """Compute the largest share of the area of each box (n, 4) that lies in one of the places (m, 4).

    Returns:
        (n,) in [0, 1], 0 without places.

    Example:
        >>> import torch
        >>> covered_fracs(torch.tensor([[0.0, 0.0, 4.0, 2.0]]), torch.tensor([[1.0, 0.0, 9.0, 9.0]]))
        tensor([0.7500])
    """
    import torch

    if len(places) == 0:
        return boxes.new_zeros(len(boxes))
    low, high = torch.maximum(boxes[:, None, :2], places[:, :2]), torch.minimum(boxes[:, None, 2:], places[:, 2:])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp_min(torch.finfo(boxes.dtype).tiny)
    return (high - low).clamp_min(0).prod(dim=2).amax(dim=1) / areas


def assign(
    boxes: Tensor, truth: Truth, *, positive_iou: float, background_iou: float, low_quality: bool = False
) -> Assigned:
    """Give each box the object that it overlaps most, if that is enough.

    Args:
        boxes: (n, 4) float32 anchors or proposals of one image.
        truth: What the image shows, checked by `check`.
        positive_iou: IoU from which a box belongs to the object.
        background_iou: IoU below which it is background; between the two it is ignored.
        low_quality: Whether the boxes that overlap an object most belong to it however little that is.

    Returns:
        Labels, objects and IoUs. Boxes of which half the area lies in an ignored place are ignored, unless they belong
        to an object. This is the only place that adds 1 to labels, since 0 is background.

    Source: Ren et al. (2015), Faster R-CNN, section 3.1.2; torchvision's `Matcher`. There an object that no box
        overlaps makes every box its own; here it has none.
    """
    from torchvision.models.detection._utils import Matcher

    return by_overlap(boxes, truth, Matcher(positive_iou, background_iou, allow_low_quality_matches=low_quality))


def by_overlap(boxes: Tensor, truth: Truth, matcher: Callable[[Tensor], Tensor]) -> Assigned:
    """Assign anchors, or predicted boxes, to true boxes by their IoU.

    Args:
        boxes: (n, 4) float32, x0, y0, x1, y1 in pixels.
        truth: Of the picture.
        matcher: Takes the IoU of true boxes and anchors, (k, n), and gives for each anchor the row of its true box, -1
            for background, -2 for neither; one of torchvision's. It is not asked for objects that no box touches.
    """
    import torch
    from torchvision.ops import box_iou

    labels = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    objects, ious = torch.zeros_like(labels), boxes.new_zeros(len(boxes))
    overlaps = box_iou(truth.boxes.float(), boxes)
    reached = (overlaps > 0).any(dim=1)  # others would take every box as their best
    if reached.any():
        ious, objects = overlaps.max(dim=0)
        matches = matcher(overlaps[reached])
        objects = torch.where(matches >= 0, reached.nonzero()[:, 0][matches.clamp_min(0)], objects)
        labels = torch.where(matches >= 0, truth.labels[objects] + 1, torch.where(matches == -2, -1, 0))
    return Assigned(without_places(labels, boxes, truth.ignored), objects, ious)


def without_places(labels: Tensor, boxes: Tensor, places: Tensor) -> Tensor:
    """Set labels of background to -1 where at least half of a box's area lies inside an ignored place.

    Args:
        labels: (n,) int64.
        boxes: (n, 4) float32, x0, y0, x1, y1 in pixels.
        places: (m, 4) float32, the same of the ignored places.

    Example:
        >>> import torch
        >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [10, 0, 14, 4]])
        >>> without_places(torch.tensor([0, 1, 0]), boxes, torch.tensor([[2.0, 0, 12, 4]]))
        tensor([-1,  1, -1])
    """
    import torch

    return torch.where((labels == 0) & (covered_fracs(boxes, places) >= IGNORED_SHARE), -1, labels)


def by_centre(cells: Sequence[Tensor], strides: Sequence[int], truth: Truth) -> Assigned:
    """Assign the cells near the centre of each true box to it, on the level of its size.

    A cell belongs to a box if its centre lies inside the box and within 1.5 strides of the box's centre, and if its
    largest distance to a side is within the range of its level: up to 8 strides, and above that of the level before.
    The coarsest level has no end. Of several boxes, the smallest has the cell.

    Args:
        cells: (n_i, 4) float32 of each level, finest first, squares with a side of one stride, in pixels.
        strides: Pixels between the cells of each level.
        truth: Of the picture.

    Source: Tian et al. (2019), FCOS: Fully Convolutional One-Stage Object Detection, section 3.2, and centre sampling
        of its later version. Ranges follow the strides, so that they have no gap where a level is left out.
    """
    import torch

    all_cells = torch.cat(list(cells))
    labels = torch.zeros(len(all_cells), dtype=torch.int64, device=all_cells.device)
    objects, ious = torch.zeros_like(labels), all_cells.new_zeros(len(all_cells))
    if len(truth.boxes):
        counts = torch.tensor([len(of_level) for of_level in cells])
        ends = torch.tensor([LARGEST * stride for stride in strides[:-1]])
        bounds = torch.cat([torch.zeros(1), ends, torch.tensor([torch.inf])]).to(all_cells)
        level = torch.repeat_interleave(torch.arange(len(strides)), counts).to(all_cells.device)
        step = torch.tensor(strides).to(all_cells)[level]
        boxes = truth.boxes.float()
        middle = (all_cells[:, None, :2] + all_cells[:, None, 2:]) / 2
        off = (middle - (boxes[None, :, :2] + boxes[None, :, 2:]) / 2).abs().amax(dim=2)
        sides = torch.cat([middle - boxes[None, :, :2], boxes[None, :, 2:] - middle], dim=2)
        longest = sides.amax(dim=2)
        fits = (sides.amin(dim=2) > 0) & (off < RADIUS * step[:, None])
        fits &= (longest > bounds[level][:, None]) & (longest <= bounds[level + 1][:, None])
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
        smallest, objects = torch.where(fits, areas, torch.inf).min(dim=1)
        labels = torch.where(smallest.isfinite(), truth.labels[objects] + 1, 0)
    return Assigned(without_places(labels, all_cells, truth.ignored), objects, ious)
