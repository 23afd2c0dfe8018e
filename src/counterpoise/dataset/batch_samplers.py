"""Batch samplers: the examples of an epoch, their order, and their batches."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from counterpoise.imbalance import resampling

Batches = list[NDArray[np.int64]]
"""Example numbers of each batch."""


def shuffled(count: int, batch_size: int, rng: np.random.Generator) -> Batches:
    """Split a permutation of 0..count-1 into batches of nearly equal size.

    Sizes differ by at most one. A small last batch would have the same weight in training as a full batch.

    Example:
        >>> [len(batch) for batch in shuffled(9, 4, np.random.default_rng(0))]
        [3, 3, 3]
    """
    return list(np.array_split(rng.permutation(count), max(1, -(-count // batch_size))))


def drawn_before(order: Batches) -> Batches:
    """Count, for every sample of an epoch, how often its example occurred before, so that repeats can differ.

    Example:
        >>> [times.tolist() for times in drawn_before([np.array([3, 5]), np.array([3, 3])])]
        [[0, 0], [1, 2]]
    """
    drawn: Counter[int] = Counter()
    result = []
    for numbers in order:
        times = np.zeros_like(numbers)
        for place, number in enumerate(numbers.tolist()):
            times[place] = drawn[number]
            drawn[number] += 1
        result.append(times)
    return result


def stratified(strata: NDArray[np.int64], batch_size: int, rng: np.random.Generator) -> Batches:
    """Split a permutation into batches of nearly equal size in which each stratum has nearly the same share.

    Examples are sorted by stratum, in random order within each stratum, and assigned to the batches in turn. With b
    batches, each gets n_k / b examples of stratum k, rounded up or down. If strata are label sets, consecutive strata
    should differ in frequent labels (`links.sigmoid.strata`). Then the counts of the two rarest labels are also only
    rounded; counts of other labels may differ by a few between batches.

    Args:
        strata: (n,) stratum of each example, from 0.
        batch_size: Maximum number of examples in a batch.
        rng: Decides which examples share a batch, and the order of the batches.

    Returns:
        As many batches as `shuffled` returns. A stratum with fewer examples than batches is absent from some batches.

    Example:
        >>> strata = np.array([0, 0, 0, 0, 0, 0, 1, 1])
        >>> [int(strata[batch].sum()) for batch in stratified(strata, 4, np.random.default_rng(0))]
        [1, 1]
    """
    order = rng.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    count = max(1, -(-len(order) // batch_size))
    return [order[start::count] for start in rng.permutation(count)]


def progressive(targets: NDArray[np.int64], progress: float, batch_size: int, rng: np.random.Generator) -> Batches:
    """Sample n examples with class shares between the natural ones (progress 0) and equal ones (progress 1).

    With n examples, n_k of class k, and c classes present, the expected number of samples of an example of class k is
    (1 - progress) + progress n / (c n_k). It is rounded at random: the counts of each example and of each class differ
    from their expected values by less than one.

    Args:
        targets: (n,) class indices.
        progress: In [0, 1]. 0 shows every example once; 1 shows every class equally often.
        batch_size: Maximum number of examples in a batch.
        rng: Decides how counts are rounded, and the order.

    Returns:
        Batches of nearly equal size.

    Raises:
        ValueError: `progress` is out of range.

    Source: Kang et al. (2020), Decoupling Representation and Classifier for Long-Tailed Recognition, equation 2. They
        sample with replacement. Here repeats are spread evenly, which has the same mean and less variance.

    Example:
        >>> targets = np.array([0, 0, 0, 1])
        >>> batches = [progressive(targets, at, 4, np.random.default_rng(0)) for at in (0.0, 1.0)]
        >>> [sorted(targets[batch].tolist()) for (batch,) in batches]
        [[0, 0, 0, 1], [0, 0, 1, 1]]
    """
    if not 0 <= progress <= 1:
        raise ValueError(f"progress is {progress}; expected a number in [0, 1]")
    counts = np.bincount(targets)
    even = len(targets) / (counts > 0).sum()
    repeats = resampling.spread(targets, (1 - progress) * counts + progress * even, rng)
    drawn = rng.permutation(np.repeat(np.arange(len(targets)), repeats))
    return list(np.array_split(drawn, max(1, -(-len(drawn) // batch_size))))
