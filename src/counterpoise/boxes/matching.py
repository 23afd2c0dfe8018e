"""Which detection finds which object: the greedy matching of COCO, for all images and classes at once.

Detections of a class in an image take turns by descending score. Each takes the free object of its class with the
highest overlap, if that reaches the threshold. Whoever finds none is a false alarm; later detections of an object that
is taken as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.boxes import geometry
from counterpoise.boxes.geometry import Boxes, Floats

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

IOUS = tuple(float(value) for value in np.linspace(0.5, 0.95, 10))
"""Overlaps that COCO's average precision is a mean over."""
SIZES = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Areas in square pixels, both ends included, by COCO's names."""
MOST = 100
"""Detections of a class in an image that count, those with the highest scores."""


@dataclass(frozen=True)
class Detections:
    """Boxes that were found.

    Attributes:
        image: (n,) number of the image, from 0.
        label: (n,) number of the class, from 0.
        boxes: (n, 4).
        scores: (n,) by which detections are ranked: probabilities or logits.
    """

    image: Integers
    label: Integers
    boxes: Boxes
    scores: Floats


@dataclass(frozen=True)
class Truth:
    """Objects that are there.

    Attributes:
        image: (m,) number of the image, from 0.
        label: (m,) number of the class, from 0.
        boxes: (m, 4).
        ignore: (m,) whether a box is a place where detections of its class are neither right nor wrong.
    """

    image: Integers
    label: Integers
    boxes: Boxes
    ignore: Booleans


@dataclass(frozen=True)
class Matches:
    """What became of detections, ranked within their image and class, and of objects.

    T thresholds and A ranges of areas.

    Attributes:
        order: (n,) which detections of the input these are, by descending score, of equal scores by image.
        rank: (n,) place of each by score among those of its class in its image, from 0.
        found: (T, A, n) object that each found, -1 for none.
        ignored: (T, A, n) whether a detection counts for nothing.
        overlap: (T, A, n) IoU with the object found, 0 for none.
        counted: (A, m) whether an object has to be found.
    """

    order: Integers
    rank: Integers
    found: Integers
    ignored: Booleans
    overlap: Floats
    counted: Booleans


def match(
    detections: Detections,
    truth: Truth,
    *,
    ious: Sequence[float] = IOUS,
    sizes: Sequence[tuple[float, float]] = tuple(SIZES.values()),
    most: int = MOST,
) -> Matches:
    """Match detections with objects of the same image and class.

    An object with `ignore` absorbs any number of detections; the overlap with it is the share of the detection inside
    of it. Objects outside a range of areas are ignored there, too, but absorb one detection each, by IoU. A detection
    outside the range that finds nothing is ignored.

    Args:
        detections: What was found.
        truth: What is there.
        ious: T thresholds in (0, 1].
        sizes: A ranges of areas in square pixels, both ends included.
        most: Detections of a class in an image that count; others are left out.

    Returns:
        The matches of the detections that count.

    Source: pycocotools, `COCOeval.evaluateImg`, to the choice among equal overlaps (the last object wins) and among
        equal scores (the first detection comes first).

    Example:
        >>> found = Detections(np.zeros(2, int), np.zeros(2, int), np.array([[0, 0, 9, 9], [0, 0, 8.0, 9]]), np.ones(2))
        >>> there = Truth(np.zeros(1, int), np.zeros(1, int), np.array([[0, 0, 9.0, 9]]), np.zeros(1, bool))
        >>> match(found, there, ious=[0.5]).found[0, 0].tolist()  # the second is a duplicate
        [0, -1]
    """
    kept, rank = _ranked(detections, most)
    limits = np.minimum(np.asarray(ious, dtype=np.float64), 1 - 1e-10)
    ranges = np.asarray(sizes, dtype=np.float64)
    shape = (len(limits), len(ranges), len(kept))
    small, large = ranges[:, :1], ranges[:, 1:]
    area = geometry.areas(truth.boxes)[None, :]
    aside = truth.ignore[None, :] | (area < small) | (area > large)
    found = np.full(shape, -1, dtype=np.int64)
    overlap = np.zeros(shape)
    for own, theirs in _groups(detections, kept, truth):
        pairs = _pairs(detections.boxes[kept[own]], truth.boxes[theirs], truth.ignore[theirs])
        near = np.flatnonzero((pairs >= limits.min()).any(axis=1))
        if len(near):
            taken, values = _match_group(pairs[near], limits, aside[:, theirs], truth.ignore[theirs])
            found[:, :, own[near]] = np.where(taken >= 0, theirs[taken], -1)
            overlap[:, :, own[near]] = values
    own_area = geometry.areas(detections.boxes[kept])[None, :]
    outside = (own_area < small) | (own_area > large)
    of_aside = (found >= 0) & aside[np.arange(len(ranges))[None, :, None], found] if len(truth.image) else False
    ignored = of_aside | ((found < 0) & outside[None])
    by_score = np.argsort(-detections.scores[kept], kind="stable")
    return Matches(
        kept[by_score],
        rank[by_score],
        found[:, :, by_score],
        ignored[:, :, by_score],
        overlap[:, :, by_score],
        ~aside,
    )


def _ranked(detections: Detections, most: int) -> tuple[Integers, Integers]:
    """Sort detections by image, class and descending score, number them, and keep the first ones of each group."""
    order = np.lexsort((-detections.scores, detections.label, detections.image))
    image, label = detections.image[order], detections.label[order]
    first = np.append(True, (np.diff(image) != 0) | (np.diff(label) != 0))[: len(order)]
    rank = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    return order[rank < most], rank[rank < most]


def _groups(detections: Detections, kept: Integers, truth: Truth) -> list[tuple[Integers, Integers]]:
    """Pair the places, in `kept`, of the detections of an image and class with the objects of the same."""
    wide = int(max(detections.label.max(initial=0), truth.label.max(initial=0))) + 1
    own, theirs = detections.image[kept] * wide + detections.label[kept], truth.image * wide + truth.label
    by_key = np.argsort(theirs, kind="stable")
    keys = np.unique(own)
    (a, b), (c, d) = (
        (np.searchsorted(array, keys, side="left"), np.searchsorted(array, keys, side="right"))
        for array in (own, theirs[by_key])
    )
    return [
        (np.arange(*between), by_key[slice(*objects)])
        for between, objects in zip(zip(a, b, strict=True), zip(c, d, strict=True), strict=True)
        if objects[1] > objects[0]
    ]


def _pairs(found: Boxes, there: Boxes, crowd: Booleans) -> Floats:
    """Compute the overlap of each detection with each object, (n, m)."""
    return np.where(crowd[None, :], geometry.iof(found, there), geometry.iou(found, there))


def _match_group(pairs: Floats, limits: Floats, aside: Booleans, crowd: Booleans) -> tuple[Integers, Floats]:
    """Match the detections of one image and class, in turn, for all thresholds and ranges at once.

    Args:
        pairs: (n, m) overlaps, detections by descending score.
        limits: (T,) thresholds.
        aside: (A, m) objects that need not be found.
        crowd: (m,) objects that absorb any number of detections.

    Returns:
        (T, A, n) object of each detection, -1 for none, and the overlap with it.
    """
    free = np.ones((len(limits), *aside.shape), dtype=bool)
    taken = np.full((len(limits), len(aside), len(pairs)), -1, dtype=np.int64)
    values = np.zeros(taken.shape)
    rows, columns = np.indices(taken.shape[:2])
    backwards = np.arange(pairs.shape[1])[::-1]  # of equal overlaps the last one is taken
    for place, row in enumerate(pairs):
        able = free & (row >= limits[:, None])[:, None, :]
        wanted = able & ~aside
        able = np.where(wanted.any(axis=2, keepdims=True), wanted, able)
        best = backwards[np.where(able, row, -1.0)[:, :, ::-1].argmax(axis=2)]
        hit = able.any(axis=2)
        taken[:, :, place] = np.where(hit, best, -1)
        values[:, :, place] = np.where(hit, row[best], 0.0)
        free[rows, columns, best] &= ~hit | crowd[best]
    return taken, values
