"""From the boxes that a detector finds in tiles to those of the scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterpoise.boxes import geometry, merging
from counterpoise.boxes.geometry import Boxes, Floats, Overlap
from counterpoise.boxes.merging import Integers, Merged, Method


@dataclass(frozen=True)
class Merging:
    """How boxes of one object become one.

    Attributes:
        method: As in `merging.merge`.
        match: How overlap is measured: `iou`, or `ios` over the smaller box.
        overlap: From which on two boxes are of one object, in [0, 1].
        edge_px: Distance from an inner edge of a tile, at most so far, at which a box is taken for cut; at least 0.
        min_score: Boxes below it are left out, before and after merging; in (0, 1).
        views: Number of predictions of each tile whose boxes are fused by `wbf`.
        edge_factor: Factor for the scores of boxes that are taken for cut, in [0, 1]; 0 leaves them out.
    """

    method: Method
    match: Overlap
    overlap: float
    edge_px: float
    min_score: float
    views: int = 1
    edge_factor: float = 0.0


def scene_boxes(
    boxes: Boxes,
    scores: Floats,
    labels: Integers,
    tile: Integers,
    *,
    windows: Boxes,
    scene: tuple[float, float],
    how: Merging,
) -> Merged:
    """Move boxes of tiles into their scene, discount those that a tile cuts off, and merge them.

    A box that touches an inner edge of its tile counts less, or not at all, where another tile shows the place with
    room around it: that one has seen the object whole. Elsewhere it stays.

    Args:
        boxes: (n, 4) in pixels of their tile.
        scores: (n,) in [0, 1].
        labels: (n,) classes; boxes of different classes are never merged.
        tile: (n,) which tile found each.
        windows: (t, 4) where the tiles lie in the scene.
        scene: Width and height of the scene in pixels.
        how: How to merge.

    Returns:
        The boxes of the scene in its pixels, clipped to it, by descending score.

    Example:
        >>> windows = np.array([[0, 0, 100.0, 100], [60, 0, 160, 100]])
        >>> found = np.array([[70, 10, 100.0, 30], [10, 10, 50, 30]])  # the left part of an object, and all of it
        >>> how = Merging("nms", "iou", 0.5, 2, 0.01)
        >>> two = np.zeros(2, dtype=np.int64)
        >>> scene_boxes(
        ...     found, np.array([0.9, 0.6]), two, np.arange(2), windows=windows, scene=(160, 100), how=how
        ... ).boxes.tolist()
        [[70.0, 10.0, 110.0, 30.0]]
    """
    placed = geometry.clip(boxes + np.tile(windows[tile, :2], 2), *scene)
    cut = merging.cut_off(placed, tile, windows, scene, how.edge_px)
    scores = merging.discounted(scores, cut, how.edge_factor)
    kept = (scores >= how.min_score) & (geometry.areas(placed) > 0)
    return merging.merge(
        placed[kept],
        scores[kept],
        labels[kept],
        method=how.method,
        overlap=how.overlap,
        kind=how.match,
        views=how.views,
        least=how.min_score,
    )
