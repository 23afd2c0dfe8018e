"""Dealing images out to splits: every class in proportion, and nothing parted that belongs together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]


def units(*keys: ArrayLike) -> Ints:
    """Join what shares any key: the connected components of "has the same group" and "is a duplicate".

    Args:
        keys: One or more arrays of shape (n,); equal entries of one array belong together.

    Returns:
        (n,) number of each image's unit, in 0..u-1, numbered by first image.

    Raises:
        ValueError: The keys differ in length.

    Example:
        >>> units(["a", "a", "b", "c"], [0, 1, 1, 2])
        array([0, 0, 0, 1])
    """
    columns = [np.unique(np.asarray(key), return_inverse=True)[1] for key in keys]
    count = len(columns[0])
    if any(len(column) != count for column in columns):
        raise ValueError(
            f"keys have lengths {[len(column) for column in columns]}; expected one entry per image in each"
        )
    edges = []
    for column in columns:
        order = np.argsort(column, kind="stable")
        same = column[order[1:]] == column[order[:-1]]
        edges.append(np.stack([order[1:][same], order[:-1][same]]))
    rows, others = np.concatenate(edges, axis=1)
    graph = coo_array((np.ones(len(rows)), (rows, others)), shape=(count, count))
    component = connected_components(graph, directed=False)[1]
    first = np.unique(component, return_index=True)[1]
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[component])


def deal(members: NDArray[np.int64], wanted: NDArray[np.float64], rng: np.random.Generator) -> Ints:
    """Deal units to splits by iterative stratification.

    The class with the fewest undealt images comes first; each of its units, in random order with large ones first,
    goes to the split that still wants most of that class, and of equal ones to the split that still wants most
    images, then to the first.

    Args:
        members: (u, c) images of each class in each unit.
        wanted: (s, c) images of each class that each split should get.
        rng: Decides the order of the units.

    Returns:
        (u,) the split of each unit, in 0..s-1; units without any label are dealt last, by what splits still want.

    Source: Sechidis, Tsoumakas, Vlahavas (2011), On the Stratification of Multi-Label Data, algorithm 1.

    Example:
        >>> deal(np.array([[1], [1], [1], [1]]), np.array([[3.0], [1.0]]), np.random.default_rng(0)).tolist().count(0)
        3
    """
    left = wanted.astype(np.float64).copy()
    result = np.full(len(members), -1, dtype=np.int64)
    sizes = members.sum(axis=1)
    order = rng.permutation(len(members))
    order = order[np.argsort(-sizes[order], kind="stable")]
    remaining = members.sum(axis=0)
    while remaining.any():
        rarest = int(np.argmin(np.where(remaining > 0, remaining, np.iinfo(np.int64).max)))
        for unit in order[(members[order, rarest] > 0) & (result[order] < 0)]:
            want, total = left[:, rarest].round(9), left.sum(axis=1).round(9)
            split = int(np.lexsort((-total, -want))[0])
            result[unit] = split
            left[split] -= members[unit]
            remaining -= members[unit]
    share = wanted.sum(axis=1) / max(wanted.sum(), 1)
    blank = order[result[order] < 0]
    dealt = np.zeros(len(wanted))
    for unit in blank:
        split = int(np.argmax(share * len(blank) - dealt))
        result[unit] = split
        dealt[split] += 1
    return result
