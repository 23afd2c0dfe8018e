"""Stratified splits: every class in proportion, and units never split up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Ints = NDArray[np.int64]
PASSES = 10
"""So often `even_out` goes through all units at most."""
STEPS = 50
"""So many steps `cover` takes at most for each class that a split lacks."""
TABU = 3
"""So many steps `cover` leaves a unit alone that it has moved, if it can."""


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
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

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


def deal(
    members: NDArray[np.int64] | csr_array,
    wanted: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    sizes: NDArray[np.int64] | None = None,
) -> Ints:
    """Assign units to splits by iterative stratification.

    The class with the fewest images left comes first; each of its units, in random order with large ones first,
    goes to the split that still wants most of that class, and of equal ones to the split that still wants most
    images, then to the first. A unit with many labels is taken off what its split wants of each of them.

    Args:
        members: (u, c) images of each class in each unit, dense or sparse.
        wanted: (s, c) images of each class that each split should get.
        rng: Decides the order of the units.
        sizes: (u,) images of each unit; without it the sum of its classes, as if each image had one label. Splits
            want images in the proportion in which they want labels.

    Returns:
        (u,) the split of each unit, in 0..s-1; units without any label come last, to the split that still wants
        most images.

    Source: Sechidis, Tsoumakas, Vlahavas (2011), On the Stratification of Multi-Label Data, algorithm 1. Departures:
        units of images in place of images; large ones first, as small ones can make up for them (large by images:
        by labels, the first split would get the images with many labels); of splits that want the same, the first in
        place of a random one.

    Example:
        >>> deal(np.array([[1], [1], [1], [1]]), np.array([[3.0], [1.0]]), np.random.default_rng(0)).tolist().count(0)
        3
    """
    from scipy.sparse import csr_array

    table = csr_array(members)
    units_of = table.tocsc()
    images = np.maximum(np.asarray(table.sum(axis=1)).ravel(), 1) if sizes is None else sizes
    left = wanted.astype(np.float64).copy()
    room = wanted.sum(axis=1) * images.sum() / max(wanted.sum(), 1)
    remaining = np.asarray(table.sum(axis=0)).ravel()
    result = np.full(table.shape[0], -1, dtype=np.int64)
    order = rng.permutation(table.shape[0])
    order = order[np.argsort(-images[order], kind="stable")]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))

    def hand_over(unit: int, split: int) -> None:
        own = slice(table.indptr[unit], table.indptr[unit + 1])
        result[unit] = split
        left[split, table.indices[own]] -= table.data[own]
        remaining[table.indices[own]] -= table.data[own]
        room[split] -= images[unit]

    while remaining.any():
        rarest = int(np.argmin(np.where(remaining > 0, remaining, np.iinfo(np.int64).max)))
        holders = units_of.indices[units_of.indptr[rarest] : units_of.indptr[rarest + 1]]
        holders = holders[result[holders] < 0]
        for unit in holders[np.argsort(rank[holders])]:
            hand_over(unit, int(np.lexsort((-room.round(9), -left[:, rarest].round(9)))[0]))
    for unit in order[result[order] < 0]:
        hand_over(unit, int(np.argmax(room.round(9))))
    return result


def even_out(
    assigned: Ints,
    members: NDArray[np.int64] | csr_array,
    wanted: NDArray[np.float64],
    rng: np.random.Generator,
    sizes: Ints,
) -> Ints:
    """Move units from split to split as long as that brings all labels, and the numbers of images, closer to wanted.

    Of units with many labels the last ones are placed by one of their labels, whatever that does to others. A
    unit is moved where it lowers sum_s sum_l (wanted_sl - got_sl)^2 / n_l most, with n_l the images of label l, and all
    images as one label more; all units come in random order, again until none moves, `PASSES` times at most.

    Args:
        assigned: (u,) split of each unit.
        members: (u, c) images of each label in each unit, dense or sparse.
        wanted: (s, c) images of each label that each split should get.
        rng: Decides the order.
        sizes: (u,) images of each unit.

    Returns:
        (u,) the split of each unit.

    Source: Merrillees, Du (2021), Stratified Sampling for Extreme Multi-Label Data, who improve a split with the same
        aim, by exchanging units at random.

    Example:
        >>> wanted, rng, sizes = np.array([[2.0], [2.0]]), np.random.default_rng(0), np.ones(4, dtype=np.int64)
        >>> np.bincount(even_out(np.array([0, 0, 0, 1]), np.array([[1], [1], [1], [1]]), wanted, rng, sizes))
        array([2, 2])
    """
    from scipy.sparse import csr_array, hstack

    table = csr_array(hstack([csr_array(members), csr_array(sizes[:, None])]))
    targets = np.column_stack([wanted, wanted.sum(axis=1) * sizes.sum() / max(wanted.sum(), 1)])
    left = targets - np.stack([table[assigned == split].sum(axis=0) for split in range(len(wanted))])
    totals = np.maximum(np.asarray(table.sum(axis=0)).ravel(), 1)
    result = assigned.copy()
    for _ in range(PASSES):
        before = result.copy()
        for unit in rng.permutation(len(result)):
            own = slice(table.indptr[unit], table.indptr[unit + 1])
            columns, images = table.indices[own], table.data[own]
            weights = images / totals[columns]
            # Moving it from a to b changes the sum by 2 sum_l weight_l (left_al - left_bl + images_l).
            pull = left[:, columns] @ weights
            pull[result[unit]] += images @ weights
            best = int(pull.argmax())
            if pull[best] > pull[result[unit]] + 1e-9:
                left[result[unit], columns] += images
                left[best, columns] -= images
                result[unit] = best
        if (result == before).all():
            break
    return result


def required(members: NDArray[np.bool_] | csr_array, active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which classes each split should hold: the first split a class of one unit, the first two a class of two.

    Args:
        members: (u, c) whether a unit has images of a class, dense or sparse.
        active: (s,) splits that get anything at all.

    Returns:
        (s, c).

    Example:
        >>> required(np.array([[True, True], [False, True]]), np.array([True, True, True])).tolist()
        [[True, True], [False, True], [False, False]]
    """
    holders = np.asarray((members != 0).sum(axis=0)).ravel()
    rank = np.where(active, np.cumsum(active), len(holders) + members.shape[0] + 1)
    return np.asarray(holders[None, :] >= rank[:, None])


def cover(
    assigned: Ints,
    members: NDArray[np.int64] | csr_array,
    needed: NDArray[np.bool_],
    wanted: NDArray[np.float64],
    rng: np.random.Generator,
) -> Ints:
    """Move units from split to split until every split holds the classes that it needs, where that is possible.

    A class that the first split lacks counts more than any number that the second lacks, and so on. Of a class that a
    split lacks, the unit is moved that lets other splits lack least, and of equal ones the one that keeps all classes
    closest to wanted. With units of one class each, every step is an improvement. Where units have several classes, a
    step may also be a detour, for a limited number of steps, and the best assignment is kept.

    Args:
        assigned: (u,) split of each unit; unchanged if nothing is missing.
        members: (u, c) images of each class in each unit, dense or sparse.
        needed: (s, c) whether a split needs a class.
        wanted: (s, c) images of each class that each split should get.
        rng: Decides the order.

    Returns:
        (u,) the split of each unit.

    Source: Minton et al. (1992), Minimizing conflicts: a heuristic repair method.

    Example:
        >>> needed, wanted = np.ones((2, 1), dtype=bool), np.array([[1.9], [0.1]])
        >>> cover(np.array([0, 0]), np.array([[1], [1]]), needed, wanted, np.random.default_rng(0)).tolist().count(1)
        1
    """
    from scipy.sparse import csr_array

    table = csr_array(members)
    units_of = table.tocsc()
    totals = np.maximum(np.asarray(table.sum(axis=0)).ravel(), 1)
    parts = [table[assigned == split] for split in range(len(needed))]
    held = np.stack([np.asarray((part != 0).sum(axis=0)).ravel() for part in parts])
    left = wanted - np.stack([np.asarray(part.sum(axis=0)).ravel() for part in parts])
    weights = (needed.shape[1] + 1.0) ** np.arange(len(needed) - 1, -1, -1)
    result, best, gained, most = assigned.copy(), assigned, 0.0, 0.0
    moved_at = np.full(len(result), -TABU - 1)

    def gains(unit: int, split: int) -> tuple[float, float]:
        """Say how much less is missing if a unit moves, and how much closer to wanted that brings its classes."""
        own = slice(table.indptr[unit], table.indptr[unit + 1])
        columns, images, old = table.indices[own], table.data[own], result[unit]
        filled = (needed[split, columns] & (held[split, columns] == 0)).sum() * weights[split]
        emptied = (needed[old, columns] & (held[old, columns] == 1)).sum() * weights[old]
        pull = (images / totals[columns]) @ (left[split, columns] - left[old, columns] - images)
        return float(filled - emptied), float(round(pull, 9))

    steps = STEPS * int((needed & (held == 0)).sum())
    for step in range(steps):
        missing = np.argwhere(needed & (held == 0))
        if not len(missing):
            break
        split, column = missing[rng.integers(len(missing))]
        holders = units_of.indices[units_of.indptr[column] : units_of.indptr[column + 1]]
        rested = holders[step - moved_at[holders] > TABU]
        candidates = rng.permutation(rested if len(rested) else holders)
        found = [gains(unit, split) for unit in candidates]
        choice = max(range(len(found)), key=found.__getitem__)
        unit = candidates[choice]
        own = slice(table.indptr[unit], table.indptr[unit + 1])
        for side, sign in ((result[unit], -1), (split, 1)):
            held[side, table.indices[own]] += sign
            left[side, table.indices[own]] -= sign * table.data[own]
        result[unit], moved_at[unit] = split, step
        gained += found[choice][0]
        if gained > most:
            best, most = result.copy(), gained
    return np.asarray(best)
