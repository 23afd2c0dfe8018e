"""From scores and boxes of dense heads to what a picture shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from counterpoise.detection.teaching import Found

if TYPE_CHECKING:
    from torch import Tensor

LEAST_SCORE = 0.01
"""Scores that are not above it are left out."""
MOST_PER_LEVEL = 1000
"""Boxes of each level that are compared, those with the highest scores."""
OVERLAP = 0.6
"""IoU above which the box with the lower score of the same class is left out."""
MOST = 300
"""Boxes of a picture."""


def found(
    scores: Sequence[Tensor],
    numbers: Sequence[Tensor],
    anchors: Sequence[Tensor],
    size: tuple[int, int],
    decode: Callable[[Tensor, Tensor], Tensor],
) -> list[Found]:
    """Take the best boxes of each picture, at most 1000 of a level, and at most 300 after suppression within classes.

    Args:
        scores: (n, m_i, c) float32 in [0, 1] of each level.
        numbers: (n, m_i, 4 or more) of the boxes of each level.
        anchors: (m_i, 4) float32 of each level.
        size: Height and width of the pictures in pixels.
        decode: Takes numbers (k, 4) and anchors (k, 4), and gives boxes.
    """
    return [
        _of_picture([level[picture] for level in scores], [level[picture] for level in numbers], anchors, size, decode)
        for picture in range(len(scores[0]))
    ]


def _of_picture(
    scores: Sequence[Tensor],
    numbers: Sequence[Tensor],
    anchors: Sequence[Tensor],
    size: tuple[int, int],
    decode: Callable[[Tensor, Tensor], Tensor],
) -> Found:
    import torch
    from torchvision.ops import batched_nms, clip_boxes_to_image

    parts = []
    for of_level, coded, places in zip(scores, numbers, anchors, strict=True):
        classes = of_level.shape[1]
        best, where = of_level.flatten().topk(min(MOST_PER_LEVEL, of_level.numel()))
        best, where = best[best > LEAST_SCORE], where[best > LEAST_SCORE]
        rows = where // classes
        boxes = clip_boxes_to_image(decode(coded[rows, :4].float(), places[rows]), size)
        whole = boxes.isfinite().all(dim=1) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1)  # a NaN would end the process
        parts.append((boxes[whole], best[whole], (where % classes)[whole]))
    boxes, best, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    kept = batched_nms(boxes, best, labels, OVERLAP)[:MOST]
    return Found(boxes[kept], best[kept].clamp_max(1 - torch.finfo(torch.float32).eps), labels[kept])
