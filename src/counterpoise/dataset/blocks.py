"""Spatial blocks: few scenes are cut into rectangles, so that each split gets some, with guard bands between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from counterpoise.dataset import tiling
from counterpoise.dataset.tiling import Window


def cut(width_px: int, height_px: int, block_px: int) -> list[Window]:
    """Cut a scene into blocks of about equal size.

    Args:
        width_px: Width of the scene in px.
        height_px: Height of the scene in px.
        block_px: Least side of a block in px. A scene less than twice as wide is one block across.

    Returns:
        Windows (x0, y0, x1, y1) row by row, which cover the scene once.

    Example:
        >>> cut(10, 4, 5)
        [(0, 0, 5, 4), (5, 0, 10, 4)]
    """
    columns, rows = max(1, width_px // block_px), max(1, height_px // block_px)
    edges_x = [width_px * number // columns for number in range(columns + 1)]
    edges_y = [height_px * number // rows for number in range(rows + 1)]
    return [(x0, y0, x1, y1) for y0, y1 in itertools.pairwise(edges_y) for x0, x1 in itertools.pairwise(edges_x)]


def guarded(blocks: Sequence[Window], split: Sequence[str], guard_px: int) -> list[Window]:
    """Shrink blocks of a scene where a neighbour is in another split, so that a band of `guard_px` lies between them.

    Each of two neighbours gives half of the band; a corner counts as a neighbour. Blocks of one split keep what they
    have.

    Args:
        blocks: Of one scene, as `cut` returns them.
        split: The split of each; what is in no split needs no guard.
        guard_px: Width of the band in px.

    Returns:
        What is left of each block; without area (x1 <= x0 or y1 <= y0) where nothing is.

    Example:
        >>> guarded([(0, 0, 5, 4), (5, 0, 10, 4)], ["train", "val"], 2)
        [(0, 0, 4, 4), (6, 0, 10, 4)]
    """
    halves = (guard_px - guard_px // 2, guard_px // 2)  # left or top of the border; right of it or below
    result = []
    for own, of_own in zip(blocks, split, strict=True):
        x0, y0, x1, y1 = own
        for other, of_other in zip(blocks, split, strict=True):
            if other == own or of_other == of_own or "unused" in (of_own, of_other) or not _touch(own, other):
                continue
            if other[0] >= own[2]:
                x1 = min(x1, own[2] - halves[0])
            elif other[2] <= own[0]:
                x0 = max(x0, own[0] + halves[1])
            elif other[1] >= own[3]:
                y1 = min(y1, own[3] - halves[0])
            else:
                y0 = max(y0, own[1] + halves[1])
        result.append((x0, y0, x1, y1))
    return result


def _touch(first: Window, second: Window) -> bool:
    """Say whether two blocks share an edge or a corner."""
    return first[0] <= second[2] and second[0] <= first[2] and first[1] <= second[3] and second[1] <= first[3]


def windows(block: Window, size_px: int, overlap_px: int) -> list[Window]:
    """Cover a block by windows that stay within it; none where the block has no area.

    Example:
        >>> windows((5, 0, 10, 3), 3, 0)
        [(5, 0, 8, 3), (7, 0, 10, 3)]
    """
    x0, y0, x1, y1 = block
    if x1 <= x0 or y1 <= y0:
        return []
    of_block = tiling.windows(x1 - x0, y1 - y0, size_px, overlap_px)
    return [(x0 + left, y0 + top, x0 + right, y0 + bottom) for left, top, right, bottom in of_block]


def labels_of(boxes: NDArray[np.float64], labels: Sequence[str], block: Window) -> set[str]:
    """Name the classes of the (n, 4) boxes whose centre lies in a block."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside: NDArray[np.bool_] = np.all((centres >= block[:2]) & (centres < block[2:]), axis=1)
    return {label for label, here in zip(labels, inside.tolist(), strict=True) if here}
