"""Anchors whose sizes fit the boxes of train."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 300


def overlaps(sides: Floats, anchors: Floats) -> Floats:
    """Compute the IoU of boxes and anchors that share a centre.

    Args:
        sides: (n, 2) width and height in pixels, above 0.
        anchors: (k, 2) the same of the anchors.

    Returns:
        (n, k) in (0, 1].
    """
    shared = np.minimum(sides[:, None], anchors[None]).prod(axis=2)
    return np.asarray(shared / (sides.prod(axis=1)[:, None] + anchors.prod(axis=1)[None] - shared))


def fit(sides: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Find anchors by k-means with the distance 1 - IoU.

    Args:
        sides: (n, 2) width and height of the boxes of train in pixels, above 0.
        count: k, number of anchors, at least 1.
        rng: Chooses the boxes to begin with.

    Returns:
        (min(k, distinct sides), 2) width and height, by rising area.

    Raises:
        ValueError: There is no box, or a side is not above 0.

    Source: Redmon and Farhadi (2017), YOLO9000: Better, Faster, Stronger, section 2, "Dimension Clusters".

    Example:
        >>> sides = np.array([[10.0, 10], [10, 10], [40, 20], [40, 20]])
        >>> fit(sides, 2, np.random.default_rng(0)).tolist()
        [[10.0, 10.0], [40.0, 20.0]]
    """
    if not len(sides) or not np.isfinite(sides).all() or (sides <= 0).any():
        raise ValueError("expected boxes with finite sides above 0, and at least one")
    distinct = np.unique(sides, axis=0)
    anchors = rng.permutation(distinct)[:count]
    nearest = np.full(len(sides), -1)
    for _ in range(ROUNDS):
        before, nearest = nearest, overlaps(sides, anchors).argmax(axis=1)
        if (before == nearest).all():
            break
        for number in np.unique(nearest):
            anchors[number] = sides[nearest == number].mean(axis=0)
    return np.asarray(anchors[np.argsort(anchors.prod(axis=1), kind="stable")])
