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
