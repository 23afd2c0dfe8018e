"""Many boxes of one object into one: after tiles that overlap, after views of one tile, and after any detector.

Own code: `torchvision.ops` has non-maximum suppression alone and loads torch; ensemble-boxes needs numba, fractions of
a picture instead of pixels, and knows no overlap over the smaller box, which parts of an object in two tiles need. Both
are oracles in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from counterpoise.boxes import geometry
from counterpoise.boxes.geometry import Boxes, Floats, Overlap

Method: TypeAlias = Literal["nms", "soft_nms_linear", "soft_nms_gaussian", "wbf", "nmm"]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class Merged(NamedTuple):
    """Boxes after merging, by descending score.

    Attributes:
        boxes: (k, 4).
        scores: (k,).
        labels: (k,).
    """

    boxes: Boxes
    scores: Floats
    labels: Integers


def nms(boxes: Boxes, scores: Floats, overlap: float, kind: Overlap = "iou") -> Integers:
    """Keep a box unless a kept one with a higher score overlaps it by more than `overlap`.

    Args:
        boxes: (n, 4) of one class.
        scores: (n,).
        overlap: In [0, 1].
        kind: How overlap is measured.

    Returns:
        (k,) places of what is kept, by descending score, of equal scores the first one first.

    Example:
        >>> nms(np.array([[0, 0, 10.0, 10], [1, 0, 11, 10], [20, 0, 30, 10]]), np.array([0.9, 0.8, 0.7]), 0.5).tolist()
        [0, 2]
    """
    waiting, kept = np.argsort(-scores, kind="stable"), []
    while len(waiting):
        first, waiting = waiting[0], waiting[1:]
        kept.append(first)
        waiting = waiting[_beside(boxes, first, waiting, kind) <= overlap]
    return np.array(kept, dtype=np.int64)


def soft_nms(boxes: Boxes, scores: Floats, factor: Callable[[Floats], Floats], kind: Overlap = "iou") -> Floats:
    """Lower the score of each box by each one with a higher score, in turn, by a factor of their overlap.

    Args:
        boxes: (n, 4) of one class.
        scores: (n,), at least 0.
        factor: From overlaps to factors in [0, 1]: `linear` or `gaussian`.
        kind: How overlap is measured.

    Returns:
        (n,) lowered scores, in the order of the input.

    Source: Bodla, Singh, Chellappa, Davis (2017), Soft-NMS: improving object detection with one line of code.

    Example:
        >>> two = np.array([[0, 0, 10.0, 10], [1, 0, 11, 10]])
        >>> soft_nms(two, np.array([0.9, 0.8]), gaussian(0.5)).round(6).tolist()  # IoU 90 / 110
        [0.9, 0.209719]
    """
    lowered = np.array(scores, dtype=np.float64)
    waiting = np.arange(len(boxes))
    while len(waiting) > 1:
        place = int(lowered[waiting].argmax())
        first, waiting = waiting[place], np.delete(waiting, place)
        lowered[waiting] *= factor(_beside(boxes, first, waiting, kind))
    return lowered


def linear(overlap: float) -> Callable[[Floats], Floats]:
    """Make the factor 1 - o of overlaps o above a threshold in [0, 1], and 1 of others."""
    return lambda values: np.where(values > overlap, 1 - values, 1.0)


def gaussian(sigma: float) -> Callable[[Floats], Floats]:
    """Make the factor exp(-o^2 / sigma) of overlaps o, sigma above 0; 0.5 is usual."""
    return lambda values: np.exp(-(values**2) / sigma)


def weighted_boxes_fusion(
    boxes: Boxes, scores: Floats, overlap: float, views: int = 1, kind: Overlap = "iou"
) -> tuple[Boxes, Floats]:
    """Fuse boxes into means, weighted by their scores.

    By descending score, each box joins the cluster whose fused box it overlaps most, if by more than `overlap`, or
    founds one. A cluster has the mean of its boxes' coordinates, weighted by score, and their mean score, times
    min(its boxes, views) / views: what only some views show is less certain.

    Args:
        boxes: (n, 4) of one class.
        scores: (n,), above 0.
        overlap: In [0, 1].
        views: Number of predictions of the same place whose boxes are fused, at least 1.
        kind: How overlap is measured.

    Returns:
        (k, 4) boxes and (k,) scores, by descending score.

    Source: Solovyev, Wang, Gabruseva (2021), Weighted boxes fusion: ensembling boxes from different object detection
        models.

    Example:
        >>> two = np.array([[0, 0, 10.0, 10], [1, 0, 11, 10]])
        >>> fused, score = weighted_boxes_fusion(two, np.array([0.9, 0.8]), 0.5)
        >>> round(float(fused[0, 0]), 6), round(float(score[0]), 2)  # 0.8 / 1.7
        (0.470588, 0.85)
    """
    fused, sums = np.empty((len(boxes), 4)), np.empty((len(boxes), 5))
    sizes, count = np.zeros(len(boxes), dtype=np.int64), 0
    for place in np.argsort(-scores, kind="stable"):
        near = geometry.overlaps(boxes[place][None], fused[:count], kind)[0]
        best = int(near.argmax()) if count and near.max() > overlap else count
        if best == count:
            sums[best], count = 0.0, count + 1
        sums[best] += scores[place] * np.append(boxes[place], 1.0)
        sizes[best] += 1
        fused[best] = sums[best, :4] / sums[best, 4]
    means = sums[:count, 4] / sizes[:count] * np.minimum(sizes[:count], views) / views
    order = np.argsort(-means, kind="stable")
    return fused[:count][order], means[order]


def non_maximum_merging(boxes: Boxes, scores: Floats, overlap: float, kind: Overlap = "ios") -> tuple[Boxes, Floats]:
    """Merge each box into the one with a higher score that it overlaps by more than `overlap`, greedily.

    By descending score, the first box takes all that are left and overlap it, and grows to the box around them all; its
    score stays. Parts of one object in two tiles become whole.

    Args:
        boxes: (n, 4) of one class.
        scores: (n,).
        overlap: In [0, 1].
        kind: How overlap is measured.

    Returns:
        (k, 4) boxes and (k,) scores, by descending score.

    Source: Akyon, Altinuc, Temizel (2022), Slicing aided hyper inference, and its package sahi, `GREEDYNMM`. Departure:
        all boxes are compared with the first one itself, not with the box that it has grown to.

    Example:
        >>> non_maximum_merging(np.array([[0, 0, 10.0, 10], [1, 0, 11, 10]]), np.array([0.9, 0.8]), 0.5)
        (array([[ 0.,  0., 11., 10.]]), array([0.9]))
    """
    waiting, hulls, kept = np.argsort(-scores, kind="stable"), [], []
    while len(waiting):
        first, waiting = waiting[0], waiting[1:]
        near = _beside(boxes, first, waiting, kind) > overlap
        own = boxes[np.append(first, waiting[near])]
        hulls.append(np.concatenate([own[:, :2].min(axis=0), own[:, 2:].max(axis=0)]))
        kept.append(scores[first])
        waiting = waiting[~near]
    return np.array(hulls).reshape(-1, 4), np.array(kept, dtype=np.float64)


def merge(
    boxes: Boxes,
    scores: Floats,
    labels: Integers,
    *,
    method: Method,
    overlap: float = 0.5,
    kind: Overlap = "iou",
    sigma: float = 0.5,
    views: int = 1,
    least: float = 0.0,
) -> Merged:
    """Merge boxes class by class.

    Args:
        boxes: (n, 4).
        scores: (n,) in [0, 1].
        labels: (n,) classes; boxes of different classes are never merged.
        method: How.
        overlap: From which on two boxes are of one object, in [0, 1]; `soft_nms_gaussian` has no use for it.
        kind: How overlap is measured.
        sigma: `soft_nms_gaussian` only, above 0.
        views: `wbf` only: number of predictions of the same place.
        least: Boxes whose score becomes lower, or is from the beginning, are left out.

    Returns:
        What is left, by descending score.
    """
    parts: list[tuple[Boxes, Floats, Integers]] = []
    for label in np.unique(labels):
        own, values = boxes[labels == label], scores[labels == label]
        if method == "nms":
            kept = nms(own, values, overlap, kind)
            own, values = own[kept], values[kept]
        elif method == "wbf":
            own, values = weighted_boxes_fusion(own, values, overlap, views, kind)
        elif method == "nmm":
            own, values = non_maximum_merging(own, values, overlap, kind)
        else:
            factor = linear(overlap) if method == "soft_nms_linear" else gaussian(sigma)
            values = soft_nms(own, values, factor, kind)
        parts.append((own, values, np.full(len(own), label, dtype=np.int64)))
    if not parts:
        return Merged(np.empty((0, 4)), np.empty(0), np.empty(0, dtype=np.int64))
    all_boxes, all_scores, all_labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-all_scores, kind="stable")
    order = order[all_scores[order] >= least]
    return Merged(all_boxes[order], all_scores[order], all_labels[order])


def cut_off(boxes: Boxes, tile: Integers, windows: Boxes, scene: tuple[float, float], edge_px: float) -> Booleans:
    """Say which boxes touch an inner edge of their tile although another tile shows the place with room around it.

    Such a box is likely part of an object that the other tile shows whole. An edge of the scene is no inner edge:
    nothing lies beyond it.

    Args:
        boxes: (n, 4) in pixels of the scene.
        tile: (n,) which tile found each.
        windows: (t, 4) where the tiles lie in the scene.
        scene: Width and height of the scene in pixels.
        edge_px: Distance from an edge, at most so far, that counts as touching; at least 0.

    Returns:
        (n,) booleans.

    Example:
        >>> windows = np.array([[0, 0, 100.0, 100], [60, 0, 160, 100]])
        >>> found = np.array([[80, 10, 100.0, 30], [10, 10, 20, 20]])
        >>> cut_off(found, np.array([0, 0]), windows, (160, 100), 2).tolist()
        [True, False]
    """
    limits = np.array([0.0, 0.0, *scene])
    beyond = np.array([-np.inf, -np.inf, np.inf, np.inf])
    inside = np.where(windows == limits, beyond, windows + edge_px * np.array([1.0, 1.0, -1.0, -1.0]))
    touching = np.flatnonzero(~_within(boxes, inside[tile]))
    result = np.zeros(len(boxes), dtype=bool)
    for place in touching:  # its own tile is none of those that show it with room
        result[place] = _within(boxes[place][None], inside).any()
    return result


def discounted(scores: Floats, cut: Booleans, factor: float) -> Floats:
    """Multiply the scores of what is cut off by a factor in [0, 1]; 0 leaves such boxes out.

    Example:
        >>> discounted(np.array([0.8, 0.6]), np.array([True, False]), 0.5).tolist()
        [0.4, 0.6]
    """
    return np.asarray(np.where(cut, scores * factor, scores))


def _within(boxes: Boxes, windows: Boxes) -> Booleans:
    return np.asarray((boxes[:, :2] > windows[:, :2]).all(axis=1) & (boxes[:, 2:] < windows[:, 2:]).all(axis=1))


def _beside(boxes: Boxes, first: int, others: Integers, kind: Overlap) -> Floats:
    return np.asarray(geometry.overlaps(boxes[first][None], boxes[others], kind)[0])
