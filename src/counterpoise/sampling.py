"""How often each tile is drawn in one epoch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def _whole(expected: NDArray[np.float64], rng: np.random.Generator) -> Counts:
    """Round expected repeats to whole ones, each without bias, their sum off by less than one (systematic sampling)."""
    base = np.floor(expected)
    order = rng.permutation(len(expected))
    edges = np.concatenate([[0.0], np.cumsum((expected - base)[order])]).round(9)
    result: Counts = base.astype(np.int64)
    result[order] += np.diff(np.floor(edges + rng.random())).astype(np.int64)
    return result


def _per_class(targets: Counts, wanted: NDArray[np.float64], rng: np.random.Generator) -> Counts:
    repeats = np.zeros(len(targets), dtype=np.int64)
    for index in np.unique(targets):
        members = np.flatnonzero(targets == index)
        share = wanted[index] / len(members)
        repeats[members] = _whole(np.full(len(members), share), rng)
    return repeats


def _none(targets: Counts, counts: Counts, threshold: float, rng: np.random.Generator) -> Counts:
    return np.ones(len(targets), dtype=np.int64)


def _over(targets: Counts, counts: Counts, threshold: float, rng: np.random.Generator) -> Counts:
    return _per_class(targets, np.full(len(counts), counts.max(), dtype=np.float64), rng)


def _under(targets: Counts, counts: Counts, threshold: float, rng: np.random.Generator) -> Counts:
    return _per_class(targets, np.full(len(counts), counts[counts > 0].min(), dtype=np.float64), rng)


def _square_root(targets: Counts, counts: Counts, threshold: float, rng: np.random.Generator) -> Counts:
    return _per_class(targets, np.sqrt(counts * float(counts.max())), rng)


def _repeat_factor(targets: Counts, counts: Counts, threshold: float, rng: np.random.Generator) -> Counts:
    share = np.maximum(counts, 1) / counts.sum()
    return _whole(np.maximum(1.0, np.sqrt(threshold / share))[targets], rng)


STRATEGIES: dict[str, Callable[[Counts, Counts, float, np.random.Generator], Counts]] = {
    "none": _none,
    "over": _over,
    "under": _under,
    "square_root": _square_root,
    "repeat_factor": _repeat_factor,
}
REPEATING = ("over", "square_root", "repeat_factor")
"""The strategies that draw a tile more than once, so that augmented views have a use."""


def repeats(
    strategy: str, targets: Counts, class_count: int, rng: np.random.Generator, *, threshold: float = 0.1
) -> Counts:
    """Say how often each tile is drawn in one epoch.

    With n_k tiles of class k: `none` once each; `over` n_max draws of every class; `under` n_min draws of every
    class, each tile at most once; `square_root` sqrt(n_k n_max) draws, half-way to `over` on a log scale;
    `repeat_factor` max(1, sqrt(threshold / share_k)) draws of each tile. Fractions are rounded at random without
    bias. A class without tiles stays without draws.

    Args:
        strategy: One of the names above.
        targets: (n,) class index of each tile.
        class_count: c.
        rng: Decides which tiles get the odd draw.
        threshold: Share of the tiles below which `repeat_factor` repeats a class, in (0, 1].

    Returns:
        (n,) how often each tile is drawn, 0 or more.

    Raises:
        ValueError: The strategy is unknown or there are no tiles.

    Source: Gupta, Dollár, Girshick (2019), LVIS, section 4.1, for `repeat_factor`.

    Example:
        >>> repeats("over", np.array([0, 0, 0, 0, 1, 1]), 2, np.random.default_rng(0))
        array([1, 1, 1, 1, 2, 2])
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"oversample.strategy is {strategy!r}; expected one of {list(STRATEGIES)}")
    if not len(targets):
        raise ValueError("there are no tiles to draw from")
    counts = np.bincount(targets, minlength=class_count)
    return STRATEGIES[strategy](targets, counts, threshold, rng)
