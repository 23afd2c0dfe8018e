"""Stratified, nested subsets of the training set, to simulate fewer labelled images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import seeds

if TYPE_CHECKING:
    import pandas as pd


def choose(table: pd.DataFrame, units: Mapping[str, str], fraction: float, seed: int) -> NDArray[np.int64]:
    """Choose a subset of the training tiles.

    The subset has whole units: images that must stay together, with all their tiles. Units with the same set of labels
    form a stratum. Its n units are put in random order, and unit j (from 0) is in the subset if (j + u) / n is below
    the fraction, with one random u in [0, 1) per stratum. Each stratum therefore has its exact share, within one unit
    and without bias. If a class would be absent, its first unit is added. With the same seed, a smaller subset is
    contained in a larger one.

    Args:
        table: Index of the training tiles: `image_id`, `labels`.
        units: image_id -> unit.
        fraction: Share of the units, in (0, 1].
        seed: Decides which units are chosen.

    Returns:
        Row numbers of the table, in increasing order; all rows for a fraction of 1.

    Raises:
        ValueError: The fraction is out of range.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"image_id": list("abcdef"), "labels": ["x"] * 4 + ["y"] * 2})
        >>> rows = choose(table, {image: image for image in "abcdef"}, 0.5, seed=0)
        >>> table["labels"].iloc[rows].tolist()
        ['x', 'x', 'y']
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"train.fraction is {fraction}; expected a number in (0, 1]")
    if fraction == 1:
        return np.arange(len(table))
    cells: dict[str, set[str]] = {}
    own = [units[image] for image in table["image_id"]]
    for unit, cell in zip(own, table["labels"], strict=True):
        cells.setdefault(unit, set()).update(cell.split("|"))
    strata: dict[tuple[str, ...], list[str]] = {}
    for unit in sorted(cells):
        strata.setdefault(tuple(sorted(cells[unit])), []).append(unit)
    key: dict[str, float] = {}
    for names, members in strata.items():
        rng = seeds.generator(seed, "portion", "|".join(names))
        places = (np.arange(len(members)) + rng.random()) / len(members)
        key |= {
            members[index]: float(place) for index, place in zip(rng.permutation(len(members)), places, strict=True)
        }
    taken = {unit for unit in key if key[unit] < fraction}
    for name in sorted(set().union(*cells.values()) - {""}):
        taken.add(min((unit for unit in cells if name in cells[unit]), key=lambda unit: (key[unit], unit)))
    return np.flatnonzero([unit in taken for unit in own])
