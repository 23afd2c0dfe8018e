"""Which anchors are objects, which are background, and which teach nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from counterpoise.detection.teaching import Truth

IGNORED_SHARE = 0.5
"""Share of an anchor's area inside an ignored place from which it is no background."""
RADIUS = 1.5
"""Distance from the centre of a box within which cells belong to it, in strides."""
LARGEST = 8.0
"""Largest distance to a side that a level predicts, in strides; the coarsest has all that are larger."""


@dataclass(frozen=True)
class Assigned:
    """What each anchor of one picture is.

    Attributes:
        labels: (n,) int64: 0 background, 1.. the class, -1 ignored.
        objects: (n,) int64: row of the true box of each positive; 0 for others.
        ious: (n,) float32 in [0, 1]: the largest IoU with a true box, 0 where there is none.
    """

    labels: Tensor
    objects: Tensor
    ious: Tensor


def check(truth: Sequence[Truth], classes: int) -> None:
    """Refuse labels that are no class, and boxes that are not finite or have no area: they crash what follows.

    Raises:
        ValueError: There is one; the message names its picture and row.
    """
    for picture, of in enumerate(truth):
        sides = of.boxes[:, 2:] - of.boxes[:, :2]
        wrong = ~of.boxes.isfinite().all(dim=1) | ~(sides > 0).all(dim=1)
        if wrong.any():
            row = int(wrong.nonzero()[0, 0])
            raise ValueError(f"picture {picture}, box {row} is {of.boxes[row].tolist()}; expected a positive area")
        if ((of.labels < 0) | (of.labels >= classes)).any():
            row = int(((of.labels < 0) | (of.labels >= classes)).nonzero()[0, 0])
            raise ValueError(
                f"picture {picture}, box {row} has label {int(of.labels[row])}; expected 0 to {classes - 1}"
            )


def by_overlap(boxes: Tensor, truth: Truth, matcher: Callable[[Tensor], Tensor]) -> Assigned:
    """Assign anchors, or predicted boxes, to true boxes by their IoU.

    Args:
        boxes: (n, 4) float32, x0, y0, x1, y1 in pixels.
        truth: Of the picture.
        matcher: Takes the IoU of true boxes and anchors, (k, n), and gives for each anchor the row of its true box, -1
            for background, -2 for neither; one of torchvision's. Where it takes an anchor that does not touch the box
            (for want of a better one), that anchor is background.
    """
    import torch
    from torchvision.ops import box_iou

    labels = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    objects, ious = torch.zeros_like(labels), boxes.new_zeros(len(boxes))
    if len(truth.boxes):
        overlaps = box_iou(truth.boxes.float(), boxes)
        ious, matches = overlaps.amax(dim=0), matcher(overlaps)
        objects = matches.clamp_min(0)
        positive = (matches >= 0) & (overlaps.gather(0, objects[None])[0] > 0)
        labels = torch.where(positive, truth.labels[objects] + 1, torch.where(matches == -2, -1, 0))
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

    first = torch.maximum(boxes[:, None, :2], places[None, :, :2])
    last = torch.minimum(boxes[:, None, 2:], places[None, :, 2:])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    inside = (last - first).clamp_min(0).prod(dim=2) >= IGNORED_SHARE * areas.clamp_min(1e-6)[:, None]
    return torch.where((labels == 0) & inside.any(dim=1), -1, labels)


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
