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


def stratified(targets: NDArray[np.int64], batch_size: int, rng: np.random.Generator) -> Batches:
    """Cut a permutation into batches of nearly equal size in which classes have nearly equal shares.

    Examples are laid out by class, in random order within each, and dealt to the batches in turn: with b batches, each
    gets n_k / b examples of class k, rounded up or down. Of many labels they are laid out by the set that they bear, so
    that sets which stand beside each other differ in frequent labels rather than in rare ones (in the order of a Gray
    code): the two rarest labels are rounded as classes are, of others a batch may get a few more or less.

    Args:
        targets: (n,) class indices, or (n, c) in {0, 1}.
        batch_size: At most so many examples in a batch.
        rng: Decides who goes with whom, and the order of the batches.

    Returns:
        As many batches as `shuffled` would cut. A class with fewer examples than there are batches is missing in some.

    Example:
        >>> targets = np.array([0, 0, 0, 0, 0, 0, 1, 1])
        >>> [int(targets[batch].sum()) for batch in stratified(targets, 4, np.random.default_rng(0))]
        [1, 1]
    """
    order = rng.permutation(len(targets))
    if targets.ndim == 2:
        rarest_first = targets[:, np.argsort(targets.sum(axis=0), kind="stable")]
        place = np.packbits(np.cumsum(rarest_first, axis=1) % 2 == 1, axis=1)
        key = np.unique(place, axis=0, return_inverse=True)[1].ravel()
    else:
        key = targets
    order = order[np.argsort(key[order], kind="stable")]
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
