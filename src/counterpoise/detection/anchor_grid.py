"""Anchors on the maps of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def place(
    anchors: Sequence[Sequence[tuple[float, float]]],
    shapes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    device: torch.device | None = None,
) -> list[Tensor]:
    """Place every anchor of a level at every cell of its map.

    Cell i lies at i times the stride, as in torchvision, whose own strides are the side of the picture divided by that
    of the map, rounded down: they are wrong for maps of odd sizes.

    Args:
        anchors: For each level, finest first, width and height in pixels of each anchor.
        shapes: Height and width in cells of each map.
        strides: Pixels between the cells of each map.
        device: Where the boxes are.

    Returns:
        For each level (h w a, 4) float32, x0, y0, x1, y1 in pixels, row by row, the anchors of a cell one after the
        other. Boxes may reach beyond the picture.

    Example:
        >>> place([[(4.0, 2.0)]], [(1, 2)], [8])[0].tolist()
        [[-2.0, -1.0, 2.0, 1.0], [6.0, -1.0, 10.0, 1.0]]
    """
    import torch
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    generator = AnchorGenerator(((1.0,),) * len(anchors), ((1.0,),) * len(anchors))
    sides = [torch.tensor(level, dtype=torch.float32, device=device).reshape(-1, 2) for level in anchors]
    generator.cell_anchors = [torch.cat([-level / 2, level / 2], dim=1) for level in sides]
    steps = [[torch.tensor(stride, device=device)] * 2 for stride in strides]
    found: list[Tensor] = generator.grid_anchors([list(shape) for shape in shapes], steps)
    return found
