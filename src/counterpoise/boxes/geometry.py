"""Areas and overlaps of boxes.

Boxes are arrays (n, 4) of x0, y0, x1, y1 in pixels, left and top inclusive, right and bottom exclusive: a box of one
pixel is (0, 0, 1, 1).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float64]
Overlap: TypeAlias = Literal["iou", "ios"]
"""How the overlap of two boxes is measured: their intersection over their union, or over the smaller of them."""


def checked(boxes: ArrayLike) -> Boxes:
    """Check boxes, and return them as float64 (n, 4).

    Raises:
        ValueError: The shape is another, a coordinate is not finite, or a box ends before it begins.
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes: found shape {array.shape}; expected (n, 4)")
    wrong = ~(np.isfinite(array).all(axis=1) & (array[:, 2] >= array[:, 0]) & (array[:, 3] >= array[:, 1]))
    if wrong.any():
        raise ValueError(
            f"boxes: {wrong.sum()} of {len(array)} are wrong, such as row {wrong.argmax()}, {array[wrong.argmax()]}; "
            "expected finite x0, y0, x1, y1 with x0 <= x1 and y0 <= y1"
        )
    return array


def areas(boxes: Boxes) -> Floats:
    """Compute the area of each box, (n,), in square pixels; 0 for a box that ends before it begins.

    Example:
        >>> areas(np.array([[0.0, 0.0, 4.0, 2.0]]))
        array([8.])
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.asarray(np.maximum(width, 0) * np.maximum(height, 0))


def intersections(first: Boxes, second: Boxes) -> Floats:
    """Compute the area, (n, m), that each box of `first`, (n, 4), shares with each of `second`, (m, 4).

    Example:
        >>> intersections(np.array([[0.0, 0.0, 4.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 4.0], [9.0, 9.0, 10.0, 10.0]]))
        array([[4., 0.]])
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0).prod(axis=2))


def iou(first: Boxes, second: Boxes) -> Floats:
    """Compute intersection over union, (n, m), in [0, 1]; 0 for two boxes without area.

    Example:
        >>> iou(np.array([[0.0, 0.0, 4.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 4.0]]))  # 4 / (8 + 8 - 4)
        array([[0.33333333]])
    """
    shared = intersections(first, second)
    return _ratio(shared, areas(first)[:, None] + areas(second)[None, :] - shared)


def ios(first: Boxes, second: Boxes) -> Floats:
    """Compute intersection over the smaller area, (n, m), in [0, 1]: 1 where one box lies in the other.

    Example:
        >>> ios(np.array([[0.0, 0.0, 4.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 4.0], [1.0, 1.0, 2.0, 2.0]]))
        array([[0.5, 1. ]])
    """
    return _ratio(intersections(first, second), np.minimum(areas(first)[:, None], areas(second)[None, :]))


def iof(first: Boxes, second: Boxes) -> Floats:
    """Compute intersection over the area of the first, (n, m), in [0, 1]: the share of it inside the second.

    Example:
        >>> iof(np.array([[0.0, 0.0, 4.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 4.0]]))
        array([[0.5]])
    """
    return _ratio(intersections(first, second), np.repeat(areas(first)[:, None], len(second), axis=1))


def overlaps(first: Boxes, second: Boxes, kind: Overlap) -> Floats:
    """Compute overlaps of the kind `iou` or `ios`, (n, m)."""
    return iou(first, second) if kind == "iou" else ios(first, second)


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """Cut boxes, (n, 4), to a picture; one that lies outside of it becomes one without area.

    Example:
        >>> clip(np.array([[-2.0, 1.0, 3.0, 9.0]]), 10, 8)
        array([[0., 1., 3., 8.]])
    """
    return np.asarray(np.clip(boxes, 0, [width, height, width, height]))


def visible_frac(boxes: Boxes, width: float, height: float) -> Floats:
    """Compute the share of the area of each box that lies in a picture, (n,), in [0, 1].

    Example:
        >>> visible_frac(np.array([[-2.0, 0.0, 2.0, 8.0]]), 10, 8)
        array([0.5])
    """
    return _ratio(areas(clip(boxes, width, height)), areas(boxes))


def shift(boxes: Boxes, x_px: float, y_px: float) -> Boxes:
    """Move boxes, (n, 4), such as from a tile that begins at (x_px, y_px) back to its scene.

    Example:
        >>> shift(np.array([[0.0, 1.0, 2.0, 3.0]]), 100, 50)
        array([[100.,  51., 102.,  53.]])
    """
    return np.asarray(boxes + np.array([x_px, y_px, x_px, y_px], dtype=np.float64))


def from_letterbox(boxes: Boxes, factor: float, x_px: float = 0.0, y_px: float = 0.0) -> Boxes:
    """Return boxes of a resized tile to the pixels of its scene: x / factor + x_px.

    Args:
        boxes: (n, 4) in the input of the network.
        factor: By which the tile was enlarged, above 0; padding lies at the right and below, where it moves nothing.
        x_px: Where the tile begins in the scene.
        y_px: As `x_px`.
    """
    return shift(boxes / factor, x_px, y_px)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))
