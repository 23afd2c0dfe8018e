"""Stratified splits: every class has the same share of each split, and units stay together."""

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
    """Join images that share any key: the connected components of "has the same group" and "is a duplicate".

    Args:
        keys: One or more arrays of shape (n,). Images with equal entries in one array belong together.

    Returns:
        (n,) unit of each image, in 0..u-1, in the order of first images.

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

    The class with the fewest unassigned images comes first. Its units are assigned in random order, large ones first.
    Each unit goes to the split that needs the most images of that class. On ties it goes to the split that needs the
    most images in total, then to the first split. A unit with several labels reduces the need of its split for each of
    them. Units without any label come last, and go to the split that needs the most images.

    Args:
        members: (u, c) number of images of each class in each unit, dense or sparse.
        wanted: (s, c) number of images of each class that each split should get.
        rng: Decides the order of the units.
        sizes: (u,) number of images of each unit. By default the sum over its classes, as for one label per image. The
            total number of images of a split is in proportion to its labels in `wanted`.

    Returns:
        (u,) split of each unit, in 0..s-1.

    Source: Sechidis, Tsoumakas, Vlahavas (2011), On the Stratification of Multi-Label Data, algorithm 1. Departures:
        it assigns units of images instead of images; large units come first, since small ones can balance them (size
        counts images, because with labels the first split would get the images with many labels); on ties it takes the
        first split instead of a random one.

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
    """Improve a multilabel split: move units between splits while this brings all counts closer to `wanted`.

    `deal` places the last units by one of their labels and ignores their other labels. This function moves each unit to
    the split that lowers sum_s sum_l (wanted_sl - got_sl)^2 / n_l most, with n_l images of label l. All images count as
    one more label. Units come in random order. It stops when no unit moves, or after `PASSES` passes.

    Args:
        assigned: (u,) split of each unit.
        members: (u, c) number of images of each label in each unit, dense or sparse.
        wanted: (s, c) number of images of each label that each split should get.
        rng: Decides the order of the units.
        sizes: (u,) number of images of each unit.

    Returns:
        (u,) split of each unit.

    Source: Merrillees, Du (2021), Stratified Sampling for Extreme Multi-Label Data. They improve splits for the same
        purpose, with random exchanges of units.

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
            # Moving the unit from a to b changes the sum by 2 sum_l weight_l (left_al - left_bl + images_l).
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
