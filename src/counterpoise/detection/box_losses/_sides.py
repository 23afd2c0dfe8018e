"""Sides of predicted boxes, kept away from 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LEAST_PX = 1e-3
"""Shortest side: a predicted box may shrink to a point, where ratios of sides have no gradient."""


def widened(boxes: Tensor) -> Tensor:
    """Return boxes (n, 4) in pixels with sides of at least `LEAST_PX`, in float32 or float64."""
    import torch

    boxes = boxes if boxes.dtype == torch.float64 else boxes.float()
    first, last = boxes[:, :2], boxes[:, 2:]
    return torch.cat([first, torch.maximum(last, first + LEAST_PX)], dim=1)
