"""Anchors at every cell of every level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def grid(
    shapes: Sequence[Sequence[tuple[float, float]]], maps: Sequence[Tensor], strides: Sequence[int]
) -> list[Tensor]:
    """Place the anchors of each level at its cells.

    Args:
        shapes: Width and height in pixels of the anchors of each level.
        maps: (n, c, h, w) of each level.
        strides: Pixels between the cells of each level.

    Returns:
        For each level (h * w * a, 4) float32: row by row, and at each cell in the order of the shapes.
    """
    import torch
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    device = maps[0].device
    generator = AnchorGenerator(((1,),) * len(shapes), ((1.0,),) * len(shapes))
    half = [torch.tensor(level, dtype=torch.float32, device=device).reshape(-1, 2) / 2 for level in shapes]
    generator.cell_anchors = [torch.cat([-sides, sides], dim=1) for sides in half]
    sizes = [[int(level.shape[-2]), int(level.shape[-1])] for level in maps]
    steps = [[torch.tensor(stride, device=device)] * 2 for stride in strides]
    placed: list[Tensor] = generator.grid_anchors(sizes, steps)
    return placed
