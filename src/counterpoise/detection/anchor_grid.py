"""Anchors at every cell of every level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Sequence[Sequence[tuple[float, float]]]


def on_maps(shapes: Shapes, strides: Sequence[int], maps: Sequence[Tensor]) -> list[Tensor]:
    """Place the anchors of each level on the centres of its cells.

    Strides are those of the network, not side of the picture over side of the map, which is wrong for odd sizes.

    Args:
        shapes: Width and height in pixels of each anchor of each level, finest first.
        strides: Pixels between the cells of each level.
        maps: (n, c, h, w) of each level.

    Returns:
        For each level (h * w * anchors, 4) float32 x0, y0, x1, y1 in pixels, row by row, cell by cell.

    Raises:
        ValueError: Levels, strides and maps differ in number.

    Example:
        >>> import torch
        >>> on_maps([[(4.0, 2.0)]], [8], [torch.zeros(1, 1, 1, 2)])[0].tolist()
        [[2.0, 3.0, 6.0, 5.0], [10.0, 3.0, 14.0, 5.0]]
    """
    import torch
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    if not len(shapes) == len(strides) == len(maps):
        raise ValueError(f"anchors of {len(shapes)} levels for {len(maps)} maps with {len(strides)} strides")
    device = maps[0].device
    generator = AnchorGenerator(((1,),), ((1.0,),))
    generator.cell_anchors = [
        torch.tensor([[-w / 2, -h / 2, w / 2, h / 2] for w, h in of_level], device=device) + stride / 2
        for of_level, stride in zip(shapes, strides, strict=True)
    ]
    steps = [[torch.tensor(stride, device=device)] * 2 for stride in strides]
    found: list[Tensor] = generator.grid_anchors([list(level.shape[-2:]) for level in maps], steps)
    return found
