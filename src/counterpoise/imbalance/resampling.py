"""How often each tile is drawn, by strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from counterpoise.imbalance.label_imbalance import (
    Counts,
    Floats,
    Members,
    _table,
    imbalance_ratios,
    label_counts,
    label_sets,
    mean_imbalance_ratio,
)


def _whole(expected: Floats, rng: np.random.Generator) -> Counts:
    """Round expected repeats to whole ones, each without bias, their sum off by less than one (systematic sampling)."""
    base = np.floor(expected)
    order = rng.permutation(len(expected))
    edges = np.concatenate([[0.0], np.cumsum((expected - base)[order])]).round(9)
    result: Counts = base.astype(np.int64)
    result[order] += np.diff(np.floor(edges + rng.random())).astype(np.int64)
    return result


def spread(groups: Counts, wanted: ArrayLike, rng: np.random.Generator) -> Counts:
    """Draw each group of tiles as often as wanted, evenly over its tiles.

    Args:
        groups: (n,) number of each tile's group.
        wanted: (g,) draws of each group, 0 for a group without tiles.
        rng: Decides which tiles get the odd draw.

    Returns:
        (n,) repeats, of which those of a group differ by 1 at most, and sum to what is wanted or, if that is no whole
        number, to a neighbour of it.
    """
    draws = np.asarray(wanted, dtype=np.float64)
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    repeats = np.zeros(len(groups), dtype=np.int64)
    ends = np.cumsum(sizes)
    for index in np.flatnonzero(sizes):
        tiles = order[ends[index] - sizes[index] : ends[index]]
        repeats[tiles] = _whole(np.full(len(tiles), draws[index] / len(tiles)), rng)
    return repeats


def _pour(total: float, room: Floats, floor: Floats) -> Floats:
    """Fill vessels to one level, as far as each has room: clip(level - floor, 0, room), summing to the total.

    Args:
        total: What is poured; what finds no room is lost.
        room: (k,) how much each vessel takes, 0 or more.
        floor: (k,) the level at which each begins to fill.

    Returns:
        (k,) how much each one got.

    Example:
        >>> _pour(3, np.array([0.0, 1.0, 2.0]), np.zeros(3)), _pour(3, np.array([0.0, 4.0, 5.0]), np.array([6.0, 2, 1]))
        (array([0., 1., 2.]), array([0., 1., 2.]))
    """
    edges = np.concatenate([floor, floor + room])
    order = np.argsort(edges, kind="stable")
    filling = np.cumsum(np.repeat([1.0, -1.0], len(room))[order])
    filled = np.concatenate([[0.0], np.cumsum(filling[:-1] * np.diff(edges[order]))])
    level = np.interp(total, filled, edges[order])
    return np.asarray(np.clip(level - floor, 0, room))


def _none(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    return np.ones(len(members), dtype=np.int64)


def _over(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    sets = label_sets(members)
    sizes = np.bincount(sets)
    return spread(sets, np.full(len(sizes), sizes.max()), rng)


def _under(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    sets = label_sets(members)
    sizes = np.bincount(sets)
    return spread(sets, np.full(len(sizes), sizes.min()), rng)


def _square_root(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    sets = label_sets(members)
    sizes = np.bincount(sets)
    return spread(sets, np.sqrt(sizes * float(sizes.max())), rng)


def _repeat_factor(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    table = _table(members)
    share = np.maximum(label_counts(members), 1) / len(members)
    factors = np.ones(len(members))
    rows = np.repeat(np.arange(len(members)), np.diff(table.indptr))
    np.maximum.at(factors, rows, np.sqrt(threshold / share)[table.indices])
    return _whole(factors, rng)


def _box_repeat_factor(boxes: Counts, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    """Repeat tiles of classes that are rare among tiles and among boxes: f = sqrt(f_tiles f_boxes) in the LVIS formula.

    Example:
        >>> boxes = np.array([[3, 0]] * 8 + [[3, 1]] * 2)  # the second: 2 of 10 tiles, 2 of 32 boxes, f = sqrt(1 / 80)
        >>> box_repeat_factors(boxes, 0.45).round(4)[[0, 9]]  # sqrt(0.45 * sqrt(80)) = 2.0062
        array([1.    , 2.0062])
    """
    return _whole(box_repeat_factors(boxes, threshold), rng)


def box_repeat_factors(boxes: Counts, threshold: float) -> Floats:
    """Compute how often each tile is repeated by `box_repeat_factor`, before rounding.

    Args:
        boxes: (n, c) boxes of each class in each tile.
        threshold: t in r = max(1, sqrt(t / f)).

    Returns:
        (n,) factors, 1 or more; those of a tile are the largest of its classes.
    """
    present = np.asarray(boxes) > 0
    numbers = np.maximum(np.asarray(boxes).sum(axis=0), 1)
    share = np.sqrt(np.maximum(present.sum(axis=0), 1) / len(boxes) * numbers / max(int(np.sum(boxes)), 1))
    return np.asarray(np.where(present, np.sqrt(threshold / share), 1.0).max(axis=1, initial=1.0))


def _lp_ros(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    """Draw label sets below the mean size more often, each by the same number, up to that size.

    The total goes in equal parts to the sets that are smaller than the mean of all; what one cannot take, as it would
    outgrow the mean, goes in equal parts to those with more room.

    Example:
        >>> sets = np.repeat(np.eye(3, dtype=bool), [6, 2, 1], axis=0)  # the mean is 3; 3 draws more are wanted
        >>> drawn = repeats("lp_ros", sets, np.random.default_rng(0), resize_frac=1 / 3)
        >>> np.bincount(label_sets(sets), drawn)  # 1 more of the second, which is then full, 2 of the third
        array([6., 3., 3.])
    """
    sets = label_sets(members)
    sizes = np.bincount(sets).astype(np.float64)
    more = _pour(round(resize_frac * len(members)), np.maximum(sizes.mean() - sizes, 0), np.zeros(len(sizes)))
    return spread(sets, sizes + _whole(more, rng), rng)


def _lp_rus(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    """Leave out tiles of label sets above the mean size, of each equally many, down to that size: LP-ROS mirrored.

    Example:
        >>> sets = np.repeat(np.eye(3, dtype=bool), [6, 2, 1], axis=0)
        >>> np.bincount(label_sets(sets), repeats("lp_rus", sets, np.random.default_rng(0), resize_frac=1 / 3))
        array([3., 2., 1.])
    """
    sets = label_sets(members)
    sizes = np.bincount(sets).astype(np.float64)
    less = _pour(round(resize_frac * len(members)), np.maximum(sizes - sizes.mean(), 0), np.zeros(len(sizes)))
    return spread(sets, sizes - _whole(less, rng), rng)


def _ml_ros(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    """Draw tiles of minority labels again, label after label in turn, until each has come down to the MeanIR.

    A minority label is one with IRLbl above the MeanIR, as it was before. Of each in turn one tile that has it is
    drawn once more, at random; a label whose IRLbl has sunk to the MeanIR leaves. Other labels of the tile come along.

    Example:
        >>> members = np.array([[1, 0]] * 8 + [[0, 1]] * 2, dtype=bool)  # IRLbl 1 and 4, MeanIR 2.5
        >>> repeats("ml_ros", members, np.random.default_rng(0), resize_frac=1.0)[8:].sum()  # 8 / 4 <= 2.5
        np.int64(4)
    """
    counts = label_counts(members)
    ratios, mean = imbalance_ratios(counts), mean_imbalance_ratio(counts)
    active = [int(label) for label in np.flatnonzero((ratios > mean) & np.isfinite(ratios))]
    bags = {label: np.flatnonzero(members[:, label]) for label in active}
    repeats = np.ones(len(members), dtype=np.int64)
    chances = rng.random(round(resize_frac * len(members))).tolist()
    largest = counts.max()
    while active and chances:
        for label in tuple(active):
            if not chances:
                break
            tile = bags[label][int(chances.pop() * len(bags[label]))]
            repeats[tile] += 1
            own = np.flatnonzero(members[tile])
            counts[own] += 1
            largest = max(largest, counts[own].max())
            if largest / counts[label] <= mean:
                active.remove(label)
    return repeats


def _ml_rus(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    """Leave out tiles that have majority labels alone, in random order, while they are majority labels.

    A majority label is one with IRLbl below the MeanIR. Labels that have come up to the MeanIR of what is left protect
    their tiles from then on, so that no label overtakes another by far, and none vanishes.

    Example:
        >>> members = np.array([[1, 0]] * 7 + [[1, 1], [0, 1], [0, 0]], dtype=bool)  # IRLbl 1 and 4, MeanIR 2.5
        >>> drawn = repeats("ml_rus", members, np.random.default_rng(0), resize_frac=1.0)
        >>> drawn[:7].sum(), drawn[7:]  # the first label stops at 2 draws, as many as the second has
        (np.int64(1), array([1, 1, 1]))
    """
    counts = label_counts(members)
    present = int((counts > 0).sum())
    reciprocals = float((1 / counts[counts > 0]).sum())
    repeats = np.ones(len(members), dtype=np.int64)
    left = round(resize_frac * len(members))
    for tile in rng.permutation(np.flatnonzero(members.any(axis=1))):
        if not left:
            break
        own = np.flatnonzero(members[tile])
        before = counts[own]
        # IRLbl < MeanIR says that a count exceeds the harmonic mean of the counts, which is at least 1; the tolerance
        # keeps equal counts from exceeding their own mean.
        if (before * reciprocals > present * (1 + 1e-9)).all():
            counts[own] -= 1
            reciprocals += float((1 / (before - 1) - 1 / before).sum())
            repeats[tile] = 0
            left -= 1
    return repeats


def _single_label(members: Members, threshold: float, resize_frac: float, rng: np.random.Generator) -> Counts:
    """Draw tiles with a single label again, the rarest label first, until it has caught up with the next, and so on.

    With n_l tiles that have label l, alone or not, the label's tiles without another one get max(0, level - n_l) more
    draws, evenly; the level, at most max_k n_k, is the one that uses up the total. Labels that never occur alone are
    skipped. No tile with several labels is repeated; see `scumble` and `pairs` for the effect on them.

    Example:
        >>> members = np.array([[1, 0]] * 5 + [[1, 1]] * 2 + [[0, 1]], dtype=bool)  # 7 of the first, 3 of the second
        >>> repeats("single_label", members, np.random.default_rng(0), resize_frac=0.25)  # 2 of 8 more
        array([1, 1, 1, 1, 1, 1, 1, 3])
    """
    counts = label_counts(members).astype(np.float64)
    alone = np.flatnonzero(members.sum(axis=1) == 1)
    label = members[alone].argmax(axis=1)
    singles = np.bincount(label, minlength=len(counts))
    room = np.where(singles > 0, counts.max() - counts, 0)
    more = _whole(_pour(round(resize_frac * len(members)), room, counts), rng)
    repeats = np.ones(len(members), dtype=np.int64)
    repeats[alone] = spread(label, singles + more, rng)
    return repeats


STRATEGIES: dict[str, Callable[[Any, float, float, np.random.Generator], Counts]] = {
    "none": _none,
    "over": _over,
    "under": _under,
    "square_root": _square_root,
    "repeat_factor": _repeat_factor,
    "box_repeat_factor": _box_repeat_factor,
    "lp_ros": _lp_ros,
    "lp_rus": _lp_rus,
    "ml_ros": _ml_ros,
    "ml_rus": _ml_rus,
    "single_label": _single_label,
}


REPEATING = ("over", "square_root", "repeat_factor", "box_repeat_factor", "lp_ros", "ml_ros", "single_label")
"""The strategies that draw a tile more than once, so that augmented views have a use."""


EVEN = ("over", "under")
"""The strategies after which each of the classes that exclude each other is drawn equally often."""


OF_LABEL_SETS = ("lp_ros", "lp_rus", "ml_ros", "ml_rus", "single_label")
"""The strategies for many labels per tile alone, which read `resize_frac`."""


OF_BOXES = ("box_repeat_factor",)
"""The strategies for tiles with boxes alone, which count them."""


def repeats(
    strategy: str,
    members: Members,
    rng: np.random.Generator,
    *,
    threshold: float = 0.1,
    resize_frac: float = 0.25,
    boxes: Counts | None = None,
) -> Counts:
    """Say how often each tile is drawn in one epoch.

    With n_k tiles of class k: `none` once each; `over` n_max draws of every class; `under` n_min draws of every
    class, each tile at most once; `square_root` sqrt(n_k n_max) draws, half-way to `over` on a log scale;
    `repeat_factor` max(1, sqrt(threshold / share_k)) draws of each tile. Fractions are rounded at random without
    bias. A class without tiles stays without draws. With several labels per tile, `over`, `under` and `square_root`
    treat every distinct label set as a class (no label at all is one too), so `over` draws very much and `under` very
    little where many sets occur once; `repeat_factor` takes the largest factor of a tile's labels, with share_k the
    share of tiles that have label k.

    For boxes alone, `box_repeat_factor` is `repeat_factor` by f = sqrt(f_tiles f_boxes) in place of share_k: the
    geometric mean of the shares of tiles and of boxes that a class has.

    For many labels alone, by a share of the tiles (`resize_frac`):

    - `lp_ros` draws rare label sets more often, up to the mean size of a label set;
    - `lp_rus` leaves out tiles of frequent label sets, down to the mean size;
    - `ml_ros` draws tiles of rare labels (IRLbl > MeanIR) more often, label after label in turn;
    - `ml_rus` leaves out tiles that have frequent labels alone (IRLbl < MeanIR);
    - `single_label` draws tiles that have one rare label and no other more often.

    They stop before the share once everything is balanced.

    Args:
        strategy: One of the names above.
        members: (n, c) which classes each tile has.
        rng: Decides which tiles get the odd draw.
        threshold: Share of the tiles below which `repeat_factor` repeats a class, in (0, 1]; of
            `box_repeat_factor`, the value of f.
        resize_frac: By which share of the tiles the last five grow or shrink the draws, in (0, 1].
        boxes: (n, c) boxes of each class in each tile, for `box_repeat_factor`; without them, one of each class that
            a tile has.

    Returns:
        (n,) how often each tile is drawn, 0 or more.

    Raises:
        ValueError: The strategy is unknown, a share is out of range, or there are no tiles.

    Source: Gupta, Dollár, Girshick (2019), LVIS, for `repeat_factor`. Yaman et al. (2023), Instance-Aware Repeat Factor
        Sampling for Long-Tailed Object Detection, for `box_repeat_factor`. Charte, Rivera, del Jesus, Herrera
        (2015), Addressing imbalance in multilabel classification: Measures and random resampling algorithms,
        Neurocomputing 163, for LP-ROS, LP-RUS, ML-ROS, ML-RUS. Departures. All: numbers of draws in place of
        copies; the total is met exactly instead of in whole rounds, and rounds stop where no label or set is left.
        LP-ROS, LP-RUS: fractions of a set's share are rounded at random; what LP-ROS adds is spread evenly over the
        tiles of a set, which have the same labels, instead of at random. ML-RUS: one pass in random order over all
        tiles, as in the authors' `mldr.resampling` (Mulan goes through the majority labels in turn); a tile that has
        a minority label is kept, as there; one without any label is kept too, unlike there; the MeanIR is that of what
        is left instead of the first one, with which it would go on after the labels are even.

    Example:
        >>> repeats("over", np.repeat(np.eye(2, dtype=bool), [4, 2], axis=0), np.random.default_rng(0))
        array([1, 1, 1, 1, 2, 2])
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"oversample.strategy is {strategy!r}; expected one of {list(STRATEGIES)}")
    for name, share in (("repeat_threshold", threshold), ("resize_frac", resize_frac)):
        if not 0 < share <= 1:
            raise ValueError(f"oversample.{name} is {share}; expected a number in (0, 1]")
    if not len(members):
        raise ValueError("there are no tiles to draw from")
    counted = members if boxes is None or strategy not in OF_BOXES else boxes
    return STRATEGIES[strategy](counted, threshold, resize_frac, rng)
