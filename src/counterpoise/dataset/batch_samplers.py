"""Which examples an epoch shows, in which order, in which batches."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from counterpoise.imbalance import resampling

Batches = list[NDArray[np.int64]]
"""Example numbers of each batch."""


def shuffled(count: int, batch_size: int, rng: np.random.Generator) -> Batches:
    """Cut a permutation of 0..count-1 into batches of nearly equal size.

    No batch is a small rest, which would count as much as a full batch: sizes differ by one at most.

    Example:
        >>> [len(batch) for batch in shuffled(9, 4, np.random.default_rng(0))]
        [3, 3, 3]
    """
    return list(np.array_split(rng.permutation(count), max(1, -(-count // batch_size))))


def drawn_before(order: Batches) -> Batches:
    """Count, for every draw of an epoch, how often its example was drawn before, so that copies can differ.

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
    """Cut a permutation into batches of nearly equal size in which strata have nearly equal shares.

    Examples are laid out by stratum, in random order within each, and assigned to the batches in turn: with b batches,
    each gets n_k / b examples of stratum k, rounded up or down. Strata of label sets that follow each other should
    differ in frequent labels (`links.sigmoid.strata`): the two rarest labels are then rounded as classes are, of others
    a batch may get a few more or less.

    Args:
        strata: (n,) the stratum of each example, from 0.
        batch_size: At most so many examples in a batch.
        rng: Decides who goes with whom, and the order of the batches.

    Returns:
        As many batches as `shuffled` would cut. A stratum with fewer examples than there are batches is missing in
        some.

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
    """Draw as many examples as there are, on the way from the shares that classes have to equal ones.

    With n examples, n_k of class k, and c classes present, an example of class k is expected
    (1 - progress) + progress n / (c n_k) times; chance rounds, so that no example and no class is a whole draw off.

    Args:
        targets: (n,) class indices.
        progress: In [0, 1]; 0 shows every example once, 1 every class equally often.
        batch_size: At most so many examples in a batch.
        rng: Decides which examples get the odd draw, and the order.

    Returns:
        Batches of nearly equal size.

    Raises:
        ValueError: progress is out of range.

    Source: Kang et al. (2020), Decoupling Representation and Classifier for Long-Tailed Recognition, equation 2. They
        draw with replacement, at random; here repeats are spread evenly, which has the same mean and less noise.

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
