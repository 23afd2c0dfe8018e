"""What keeps box losses finite: sides of predicted boxes away from 0, and at least single precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LEAST_PX = 1e-3
"""Shortest side: a predicted box may shrink to a point, where ratios of sides have no gradient."""


def in_single(values: Tensor) -> Tensor:
    """Return values in float32, unless they are in float64: squares and exponentials overflow in half precision."""
    return values if values.element_size() == 8 else values.float()


def widened(boxes: Tensor) -> Tensor:
    """Return boxes (n, 4) in pixels with sides of at least `LEAST_PX`, in float32 or float64."""
    import torch

    boxes = in_single(boxes)
    first, last = boxes[:, :2], boxes[:, 2:]
    return torch.cat([first, torch.maximum(last, first + LEAST_PX)], dim=1)
