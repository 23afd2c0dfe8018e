"""Boxes of a tile from those of its image, and the labels of a tile from its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from counterpoise.dataset.tiling import Window

Boxes = NDArray[np.float64]
"""(n, 4): x0, y0 inclusive, x1, y1 exclusive, in px."""
Rule = Literal["any", "area_frac", "count"]


def cut(boxes: Boxes, window: Window) -> tuple[Boxes, NDArray[np.float64]]:
    """Cut boxes of an image at the edges of a window.

    Args:
        boxes: (n, 4) in the image.
        window: x0, y0, x1, y1 in the image.

    Returns:
        (n, 4) boxes in the window, without area where they lie outside, and (n,) the share of the area of each that
        lies inside, in [0, 1]. A coordinate that is not cut returns to the image exactly when the corner is added.

    Example:
        >>> cut(np.array([[6.0, 1.0, 10.0, 3.0]]), (8, 0, 16, 8))
        (array([[0., 1., 2., 3.]]), array([0.5]))
    """
    x0, y0, x1, y1 = window
    corner = np.array([x0, y0, x0, y0], dtype=np.float64)
    inside = np.clip(boxes - corner, 0.0, np.array([x1 - x0, y1 - y0] * 2, dtype=np.float64))
    is_whole = (boxes >= corner).all(axis=1) & (boxes <= np.array([x1, y1, x1, y1])).all(axis=1)
    return inside, np.where(is_whole, 1.0, np.minimum(_areas(inside) / _areas(boxes), 1.0))


def whole_somewhere(boxes: Boxes, windows: Sequence[Window]) -> NDArray[np.bool_]:
    """Say which of (n, 4) boxes lie as a whole in one of the windows, (n,)."""
    found = np.zeros(len(boxes), dtype=np.bool_)
    for x0, y0, x1, y1 in windows:
        found |= (boxes[:, :2] >= (x0, y0)).all(axis=1) & (boxes[:, 2:] <= (x1, y1)).all(axis=1)
    return found


def names(boxes: Boxes, labels: Sequence[str], window: Window, rule: Rule, at_least: float) -> list[str]:
    """Name the classes that a tile shows.

    Args:
        boxes: (n, 4) boxes of objects in the tile, cut at its edges; without those that are ignored.
        labels: Their n classes.
        window: Of the tile.
        rule: `any`: one box is enough; `area_frac`: the boxes of the class cover together at least this share of the
            tile, in [0, 1]; `count`: there are at least so many.
        at_least: The threshold of the rule; of `any` it is not used.

    Returns:
        Names of classes, sorted.

    Example:
        >>> names(np.array([[0.0, 0, 4, 4], [2, 0, 6, 4]]), ["car", "car"], (0, 0, 8, 8), "area_frac", 0.375)
        ['car']
    """
    of_class = {name: boxes[[label == name for label in labels]] for name in sorted(set(labels))}
    if rule == "any":
        return list(of_class)
    if rule == "count":
        return [name for name, own in of_class.items() if len(own) >= at_least]
    area = (window[2] - window[0]) * (window[3] - window[1])
    return [name for name, own in of_class.items() if covered_px(own) >= at_least * area]


def covered_px(boxes: Boxes) -> float:
    """Measure the area that (n, 4) boxes cover together, in px; what several cover counts once.

    Example:
        >>> covered_px(np.array([[0.0, 0, 4, 4], [2, 0, 6, 4]]))
        24.0
    """
    edges_x, edges_y = np.unique(boxes[:, [0, 2]]), np.unique(boxes[:, [1, 3]])
    cells = np.zeros((max(len(edges_y) - 1, 0), max(len(edges_x) - 1, 0)), dtype=np.bool_)
    for x0, y0, x1, y1 in boxes:
        (left, right), (top, bottom) = np.searchsorted(edges_x, [x0, x1]), np.searchsorted(edges_y, [y0, y1])
        cells[top:bottom, left:right] = True
    return float((cells * np.diff(edges_y)[:, None] * np.diff(edges_x)).sum())


def _areas(boxes: Boxes) -> NDArray[np.float64]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
