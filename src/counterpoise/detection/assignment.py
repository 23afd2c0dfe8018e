"""Which box teaches what: an object, background, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterpoise.dataset.box_truth import Truth

if TYPE_CHECKING:
    from torch import Tensor

MOST_IGNORED = 0.5
"""A box with at least this share of its area in an ignored place teaches nothing, unless it is an object."""


@dataclass(frozen=True)
class Assigned:
    """What each of n boxes teaches.

    Attributes:
        labels: (n,) int64: 0 background, 1.. the class, -1 nothing.
        objects: (n,) int64, the row of the true box that each overlaps most; 0 where there is none.
        ious: (n,) float, its overlap with that, 0 where there is none.
    """

    labels: Tensor
    objects: Tensor
    ious: Tensor


def check(truth: Truth, classes: int) -> None:
    """Refuse boxes and labels that would teach nonsense, or end the process in torchvision.

    Raises:
        ValueError: A box is not finite or has no area, or a label is none of the classes.
    """
    import torch

    for kind, boxes in (("box", truth.boxes), ("ignored place", truth.ignored)):
        wrong = ~torch.isfinite(boxes).all(dim=1) | (boxes[:, 2:] <= boxes[:, :2]).any(dim=1)
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise ValueError(f"{kind} {row} is {boxes[row].tolist()}; expected finite x0 < x1 and y0 < y1")
    if len(truth.labels) and not (int(truth.labels.min()) >= 0 and int(truth.labels.max()) < classes):
        raise ValueError(f"labels are {sorted(set(truth.labels.tolist()))}; expected 0 to {classes - 1}")


def assign(boxes: Tensor, truth: Truth, *, positive: float, negative: float, low_quality: bool) -> Assigned:
    """Assign boxes by overlap.

    Args:
        boxes: (n, 4) anchors or proposals.
        truth: Of their picture.
        positive: IoU from which a box is an object, in (0, 1].
        negative: IoU below which it is background, in (0, `positive`]; between them it teaches nothing.
        low_quality: Whether the boxes that overlap an object most are always of that object.
    """
    import torch
    from torchvision.models.detection._utils import Matcher
    from torchvision.ops import box_iou

    count = len(boxes)
    labels = torch.zeros(count, dtype=torch.int64, device=boxes.device)
    objects, ious = torch.zeros_like(labels), torch.zeros(count, device=boxes.device)
    if len(truth.boxes) and count:
        overlaps = box_iou(truth.boxes.float(), boxes.float())
        matched = Matcher(positive, negative, allow_low_quality_matches=low_quality)(overlaps)
        ious, objects = overlaps.max(dim=0)
        own = matched >= 0
        objects = torch.where(own, matched, objects)
        labels = torch.where(own, truth.labels[matched.clamp_min(0)] + 1, torch.where(matched == -2, -1, 0))
    if len(truth.ignored) and count:
        inside = _share_inside(boxes.float(), truth.ignored.float())
        labels = torch.where((labels == 0) & (inside >= MOST_IGNORED), -1, labels)
    return Assigned(labels, objects, ious)


def _share_inside(boxes: Tensor, places: Tensor) -> Tensor:
    """Compute the largest share of each box (n, 4) that lies in one of the places (m, 4)."""
    import torch

    low, high = torch.maximum(boxes[:, None, :2], places[:, :2]), torch.minimum(boxes[:, None, 2:], places[:, 2:])
    shared = (high - low).clamp_min(0).prod(dim=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp_min(1e-6)
    return (shared / areas[:, None]).amax(dim=1)
