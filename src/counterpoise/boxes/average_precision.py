"""COCO's average precision and average recall, from matches, for one weighting of the images or for many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from counterpoise.boxes.geometry import Floats
from counterpoise.boxes.matching import Booleans, Detections, Integers, Matches, Truth
from counterpoise.metrics.arguments import Values

Weights: TypeAlias = Floats | NDArray[np.integer]

RECALLS = np.linspace(0.0, 1.0, 101)
"""Recalls at which precision is read."""
CHUNK = 4_000_000
"""Numbers of a resample by detections that are computed at a time, to bound memory to about 100 MB."""


@dataclass(frozen=True)
class Curve:
    """The detections of one class that count at one threshold and range, by descending score.

    Attributes:
        hit: (n,) whether each found an object; otherwise it is a false alarm.
        image: (n,) its image.
        scores: (n,).
        overlap: (n,) IoU with the object found, 0 for a false alarm.
        objects: (images,) number of objects to be found in each image.
    """

    hit: Booleans
    image: Integers
    scores: Floats
    overlap: Floats
    objects: Integers


def curve(
    detections: Detections,
    truth: Truth,
    matches: Matches,
    *,
    label: int,
    images: int,
    threshold: int = 0,
    size: int = 0,
    most: int | None = None,
) -> Curve:
    """Take the detections of a class that count from the matches.

    Args:
        detections: As they were matched.
        truth: As it was matched.
        matches: What `matching.match` found.
        label: The class.
        images: Number of images.
        threshold: Which of the thresholds.
        size: Which of the ranges of areas.
        most: Detections in an image that count; `None` for as many as were matched.
    """
    kept = (detections.label[matches.order] == label) & ~matches.ignored[threshold, size]
    if most is not None:
        kept &= matches.rank < most
    own = matches.order[kept]
    wanted = matches.counted[size] & (truth.label == label)
    return Curve(
        matches.found[threshold, size, kept] >= 0,
        detections.image[own],
        detections.scores[own],
        matches.overlap[threshold, size, kept],
        np.bincount(truth.image[wanted], minlength=images),
    )


def average_precision(of: Curve, weights: Weights | None = None) -> Values:
    """Compute average precision: the mean over 101 recalls of the highest precision at that recall or beyond.

    Args:
        of: The curve of a class.
        weights: Of the images, (images,) or (b, images), at least 0, such as counts of resamples.

    Returns:
        In [0, 1]; NaN where there is nothing to find. A float, or (b,) for b weightings.

    Source: pycocotools, `COCOeval.accumulate`.

    Example:
        >>> hits = np.array([True, False, True])
        >>> example = Curve(hits, np.zeros(3, int), np.array([0.9, 0.8, 0.7]), hits * 0.8, np.array([2]))
        >>> round(float(average_precision(example)), 6)  # (51 + 50 * 2 / 3) / 101
        0.834983
    """
    rows = _rows(of, weights)
    step = max(1, CHUNK // max(1, len(of.hit)))
    parts = [_average_precision(of, rows[start : start + step]) for start in range(0, len(rows), step)]
    values = np.concatenate(parts)
    return np.float64(values[0]) if weights is None or weights.ndim == 1 else values


def recall(of: Curve, weights: Weights | None = None) -> Values:
    """Compute the share of the objects that any detection found, NaN where there are none; shapes as above."""
    rows = _rows(of, weights)
    found, there = rows[:, of.image] @ of.hit.astype(np.float64), rows @ of.objects
    values = np.divide(found, there, out=np.full(len(rows), np.nan), where=there > 0)
    return np.float64(values[0]) if weights is None or weights.ndim == 1 else values


def random_order(of: Curve) -> float:
    """Compute the average precision of the same boxes in random order: what the scores add is above it.

    The expected precision is then the share of hits wherever the list is cut, and the recall ends where it does.

    Returns:
        In [0, 1]; NaN where there is nothing to find.

    Example:
        >>> hits = np.array([True, False])
        >>> round(random_order(Curve(hits, np.zeros(2, int), np.ones(2), hits * 1.0, np.array([1]))), 3)
        0.5
    """
    if not of.objects.sum():
        return float("nan")
    reached = float((of.hit.sum() / of.objects.sum() >= RECALLS).mean())
    return float(of.hit.mean()) * reached if of.hit.any() else 0.0


def _rows(of: Curve, weights: Weights | None) -> Floats:
    if weights is None:
        return np.ones((1, len(of.objects)))
    return np.atleast_2d(np.asarray(weights, dtype=np.float64))


def _average_precision(of: Curve, weights: Floats) -> Floats:
    """Sum the precision envelope over the hits, each times the number of recalls that it is the first to reach."""
    there = weights @ of.objects
    if not of.hit.any():
        return np.where(there > 0, 0.0, np.nan)
    each = weights[:, of.image]
    seen = np.cumsum(each, axis=1)[:, of.hit]
    found = np.cumsum(each[:, of.hit], axis=1)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = np.divide(found, there[:, None], out=np.zeros_like(found), where=there[:, None] > 0)
    count = np.searchsorted(RECALLS, reached, side="right")
    values = (best * np.diff(count, axis=1, prepend=0)).sum(axis=1) / len(RECALLS)
    return np.where(there > 0, values, np.nan)
