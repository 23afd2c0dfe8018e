"""A part of train that is stratified and nested, as if fewer images had been labelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import seeds

if TYPE_CHECKING:
    import pandas as pd


def choose(table: pd.DataFrame, units: Mapping[str, str], fraction: float, seed: int) -> NDArray[np.int64]:
    """Choose a part of the tiles of train.

    Units are taken whole: images that must stay together, with all their tiles. Of the n units that have the same
    labels, in random order, number j (from 0) belongs to every part above (j + u) / n, with one u in [0, 1) for them
    all; so each such set of labels gives its share, to within one unit and without bias. Where a class would be left
    out, the first of its units is taken too. For one seed a smaller part lies within a larger one.

    Args:
        table: Index of the tiles of train: `image_id`, `labels`.
        units: image_id -> what must not be separated.
        fraction: Share of the units, in (0, 1].
        seed: Decides which.

    Returns:
        Rows of the table, in their order; all of them for a fraction of 1.

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
