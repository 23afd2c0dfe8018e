"""Splits of images that keep units together: by shares, in balance, and without near duplicates on two sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import seeds
from counterpoise.artifacts import clusters
from counterpoise.dataset import stratification
from counterpoise.dataset import tasks as dataset_tasks

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

ORDER = ("train", "test", "val")
"""Which split comes first if a class is too small for all three: training and testing need the class most."""
LARGE_CLUSTER = 10
"""From so many duplicates of one image on, there is a warning."""
UNUSED = "unused"


def deal(
    table: pd.DataFrame,
    members: NDArray[np.bool_],
    unit: NDArray[np.int64],
    *,
    val_frac: float,
    test_frac: float,
    balance: bool,
    seed: int,
    task: str,
) -> NDArray[np.object_]:
    """Split images by the shares: each class and stratum in proportion, and each class in every split if it can be.

    A class of three or more units is in all three splits, one of two in train and test, one of a single unit in train,
    as far as units with several classes allow.

    Args:
        table: The manifest.
        members: (n, c) classes of each image.
        unit: (n,) images of one unit stay together.
        val_frac: Share of validation, in [0, 1); 0 gives it no image.
        test_frac: Share of test, in [0, 1).
        balance: Whether train and validation get equally many images of each class.
        seed: Decides who goes where.
        task: What the labels mean.

    Returns:
        (n,) names of splits.
    """
    from scipy.sparse import coo_array

    unit = np.unique(unit, return_inverse=True)[1]
    sizes = np.bincount(unit)

    def per_unit(flags: NDArray[np.bool_]) -> csr_array:
        rows, columns = np.nonzero(flags)
        shape = (len(sizes), flags.shape[1])
        return coo_array((np.ones(len(rows), dtype=np.int64), (unit[rows], columns)), shape=shape).tocsr()

    data, rng = dataset_tasks.find(task), seeds.generator(seed, "split")
    least = min(frac for frac in (val_frac, test_frac, 1.0) if frac > 0)
    dealt_by = members if balance else data.strata(table, members, least)
    of_strata, wanted = per_unit(dealt_by), wanted_counts(dealt_by, val_frac, test_frac, balance)
    dealt = data.improve(stratification.deal(of_strata, wanted, rng, sizes=sizes), of_strata, wanted, rng, sizes)
    every = np.column_stack([members, np.ones(len(members), dtype=np.bool_)])  # the last column: no split is empty
    of_classes, shares = per_unit(every), wanted.sum(axis=1) / wanted.sum()
    needed = stratification.required(of_classes, shares > 0)
    if balance:
        needed[:, :-1] &= wanted > 0
    dealt = stratification.cover(dealt, of_classes, needed, np.outer(shares, every.sum(axis=0)), rng)
    return np.array(ORDER, dtype=object)[dealt][unit]


def wanted_counts(strata: NDArray[np.bool_], val_frac: float, test_frac: float, balance: bool) -> NDArray[np.float64]:
    """Count how many images of each stratum, of (n, k), each split should get: (3, k), in the order of `ORDER`."""
    fracs = {"train": 1 - val_frac - test_frac, "val": val_frac, "test": test_frac}
    shares, counts = np.array([fracs[name] for name in ORDER]), strata.sum(axis=0).astype(np.float64)
    if not balance:
        return np.outer(shares, counts)
    # Whole numbers, the same for every class: the rest goes to test, and nothing has to be trimmed.
    exact = (shares * counts.min()).round(9)
    equal = np.floor(exact)
    short = int(counts.min() - equal.sum())
    equal[np.argsort((equal - exact).round(9), kind="stable")[:short]] += 1
    while counts.min() >= (shares > 0).sum() and (empty := (shares > 0) & (equal == 0)).any():
        equal[[int(empty.argmax()), int(equal.argmax())]] += (1, -1)
    wanted = np.repeat(equal[:, None], len(counts), axis=1)
    wanted[ORDER.index("test")] += counts - counts.min()
    return wanted


def trim(split: NDArray[np.object_], targets: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Balance train and val exactly: images beyond the smallest class of their split become unused."""
    for name in ("train", "val"):
        counts = np.bincount(targets[split == name], minlength=int(targets.max()) + 1)
        for index, count in enumerate(counts):
            rows = np.flatnonzero((split == name) & (targets == index))
            split[rng.permutation(rows)[: count - counts.min()]] = UNUSED


def set_aside(split: NDArray[np.object_], crossing: NDArray[np.int64], copies: NDArray[np.int64]) -> list[str]:
    """Of near duplicates in two splits, make the one in train unused, else the one in validation.

    Args:
        split: (n,) split of each image; changed in place.
        crossing: (k, 2) rows of near duplicates.
        copies: (n,) images with equal numbers look the same; they are set aside together.

    Returns:
        A warning with their number, if there are any.
    """
    count = 0
    for pair in crossing:
        sides = [split[row] for row in pair]
        if UNUSED in sides or sides[0] == sides[1]:
            continue
        row = pair[sides.index("train" if "train" in sides else "val")]
        same = (copies == copies[row]) & (split == split[row])
        count += int(same.sum())
        split[same] = UNUSED
    if not count:
        return []
    what = "image is" if count == 1 else "images are"
    return [f"{count} {what} unused, because near duplicates are in another split"]


def warn_of_large(units: pd.DataFrame) -> list[str]:
    """Warn of images that have many duplicates; `units` is the table of clusters."""
    sizes = units.loc[units["kind"] != "single", "centre"].value_counts()
    return [
        f"{size} images count as duplicates of {centre!r}; check them in {clusters.PATH}, and raise "
        "split.duplicates.min_correlation, for example to 0.995, if they are different"
        for centre, size in sizes[sizes >= LARGE_CLUSTER].items()
    ]
