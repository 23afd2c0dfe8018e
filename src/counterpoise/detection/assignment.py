"""Which object an anchor or proposal belongs to, and which belong to none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterpoise.detection.teaching import Truth

if TYPE_CHECKING:
    from torch import Tensor

IGNORED_IOA = 0.5
"""Share of a box's own area inside an ignored place from which it teaches nothing, unless it is positive."""


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


def check(truth: Sequence[Truth], count: int) -> None:
    """Check the true boxes of a batch, since a box that is not finite ends the process inside torchvision.

    Args:
        truth: Of each image.
        count: Number of classes c.

    Raises:
        ValueError: A box is not finite or has no area, or a label is not in 0..c-1; with image and row.
    """
    import torch

    for image, own in enumerate(truth):
        for kind, boxes in (("boxes", own.boxes), ("ignored", own.ignored)):
            bad = ~(torch.isfinite(boxes).all(dim=1) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1))
            if bad.any():
                row = int(bad.nonzero()[0, 0])
                raise ValueError(
                    f"image {image} of the batch, {kind} row {row}: {boxes[row].tolist()}; "
                    "expected finite x0 < x1 and y0 < y1"
                )
        wrong = (own.labels < 0) | (own.labels >= count)
        if len(own.labels) != len(own.boxes):
            raise ValueError(f"image {image} of the batch: {len(own.labels)} labels of {len(own.boxes)} boxes")
        if wrong.any():
            row = int(wrong.nonzero()[0, 0])
            raise ValueError(
                f"image {image} of the batch, labels row {row}: {int(own.labels[row])}; expected 0..{count - 1}"
            )


def classes(truth: Truth) -> Tensor:
    """Return the labels (k,) of true boxes where 0 is background: 1..c. No other place adds 1 to them."""
    return truth.labels + 1


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
        to an object.

    Source: Ren et al. (2015), Faster R-CNN, section 3.1.2; torchvision's `Matcher`. There an object that no box
        overlaps makes every box its own; here it has none.
    """
    import torch
    from torchvision.models.detection._utils import Matcher
    from torchvision.ops import box_iou

    labels = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    objects, ious = labels, boxes.new_zeros(len(boxes))
    overlaps = box_iou(truth.boxes, boxes)
    reached = (overlaps > 0).any(dim=1)
    if reached.any():
        matcher = Matcher(positive_iou, background_iou, allow_low_quality_matches=low_quality)
        matched = matcher(overlaps[reached])
        ious, objects = overlaps.max(dim=0)
        between = matched == matcher.BETWEEN_THRESHOLDS
        labels = torch.where(matched >= 0, classes(truth)[objects], torch.where(between, -1, 0))
    ignored = (covered_fracs(boxes, truth.ignored) >= IGNORED_IOA) & (labels <= 0)
    return Assigned(torch.where(ignored, -1, labels), objects, ious)
