"""Which training tiles are used at all: less background, and fewer tiles that show the majority alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise.imbalance.label_imbalance import Counts, Members
from counterpoise.imbalance.resampling import _whole

Bools = NDArray[np.bool_]


def majority_only(members: Members, majority: Bools) -> Bools:
    """Find tiles that show classes of the majority and no other.

    Args:
        members: (n, c) classes of each tile.
        majority: (c,) which classes are the majority.

    Returns:
        (n,) booleans; a tile without any class is none of them.

    Example:
        >>> majority_only(np.array([[1, 0], [1, 1], [0, 0]], dtype=bool), np.array([True, False]))
        array([ True, False, False])
    """
    return np.asarray(members[:, majority].any(axis=1) & ~members[:, ~majority].any(axis=1))


def surplus_of_empty(members: Members, scenes: Counts, ratio: float, rng: np.random.Generator) -> Bools:
    """Choose tiles without any class to leave out, so that `ratio` of them remain per tile with one.

    Every scene keeps the same share of its empty tiles, up to rounding, so that the background of no scene is lost
    before that of another.

    Args:
        members: (n, c) classes of each tile.
        scenes: (n,) number of the scene of each tile, 0 or more.
        ratio: Empty tiles wanted per tile with classes, 0 or more.
        rng: Decides which ones remain.

    Returns:
        (n,) booleans, true only for empty tiles: round(ratio * tiles with classes) remain, or all where there are
        fewer.

    Example:
        >>> members = np.array([[1]] * 2 + [[0]] * 8, dtype=bool)
        >>> int(surplus_of_empty(members, np.arange(10) % 2, 1.0, np.random.default_rng(0)).sum())  # 2 of 8 remain
        6
    """
    empty = np.flatnonzero(~members.any(axis=1))
    wanted = round(ratio * (len(members) - len(empty)))
    surplus = np.zeros(len(members), dtype=np.bool_)
    if wanted >= len(empty):
        return surplus
    surplus[empty] = True
    sizes = np.bincount(scenes[empty])
    quotas = _whole(np.asarray(sizes * (wanted / len(empty)), dtype=np.float64), rng)
    for scene in np.flatnonzero(quotas):
        surplus[rng.permutation(empty[scenes[empty] == scene])[: quotas[scene]]] = False
    return surplus
