"""Folds of units, stratified by class: every arm of a study is trained, tuned and tested on the same ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from counterpoise import seeds
from counterpoise.config import InputError
from counterpoise.dataset import stratification
from counterpoise.dataset import tasks as dataset_tasks
from counterpoise.study.verdicts import LEAST_UNITS

LEAST = 3
"""One fold tests, one validates, and the others train."""
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def assign(holds: Bools, sizes: Ints, folds: int, seed: int, repeat: int, *, task: str) -> Ints:
    """Assign units to folds: each class has the same number of units in each, but for one.

    The class with the fewest units comes first. Units are counted, not images, since the variance of a comparison
    depends on them; the images of folds are as equal as this allows.

    Args:
        holds: (u, c) whether a unit has images of a class; `check` has passed.
        sizes: (u,) number of images of each unit.
        folds: K, at least `LEAST`.
        seed: Of the study.
        repeat: Its number; other repeats have other folds.
        task: What the labels mean.

    Returns:
        (u,) fold of each unit, in 0..K-1.

    Source: `stratification.deal`, of which this takes units instead of images.
    """
    rng = seeds.generator(seed, "folds of a study", repeat)
    members = holds.astype(np.int64)
    wanted = np.repeat(members.sum(axis=0)[None] / folds, folds, axis=0)
    fold = stratification.deal(members, wanted, rng, sizes=sizes)
    fold = dataset_tasks.find(task).improve(fold, members, wanted, rng, sizes)
    needed = np.broadcast_to(members.sum(axis=0) >= folds, wanted.shape)
    return stratification.cover(fold, members, needed, wanted, rng)


def check(holds: Bools, folds: int, names: Sequence[str], every: Bools) -> None:
    """Refuse folds of which one would lack a class.

    Args:
        holds: (u, c) whether a unit has images of a class.
        folds: K.
        names: (c,) of the classes.
        every: (c,) the classes that each fold must hold. A class left out may be missing in folds, and figures that
            need it are then undefined.

    Raises:
        InputError: There are fewer than `LEAST` folds, fewer units than folds, or a class has fewer units than folds.
    """
    if folds < LEAST:
        raise InputError(f"folds is {folds}; expected at least {LEAST}: one tests, one validates, the others train")
    if len(holds) < folds:
        raise InputError(
            f"folds is {folds}, but train and validation have only {len(holds)} independent images; "
            "label more of them, or set fewer folds"
        )
    counts = holds.sum(axis=0)
    for number in np.argsort(counts, kind="stable"):
        if every[number] and counts[number] < folds:
            most = int(counts[number]) // (2 if counts[number] >= LEAST_UNITS else 1)  # verdicts need two in each fold
            raise InputError(
                f"folds is {folds}, but class {names[number]!r} has only {counts[number]} independent images in train "
                f"and validation; set folds to {most} or fewer, label more of them, or "
                "merge the class into another with ingest.merge"
                if counts[number] >= LEAST
                else f"class {names[number]!r} has only {counts[number]} independent images in train and validation, "
                f"fewer than {LEAST} folds; label more of them, or merge the class into another with ingest.merge"
            )


def splits(fold: Ints, test: int, folds: int) -> NDArray[np.str_]:
    """Name the split of each unit while a fold tests: the next one validates, and the others train.

    Args:
        fold: (u,) fold of each unit.
        test: The fold that tests, in 0..K-1.
        folds: K.

    Returns:
        (u,) `train`, `val` or `test`.

    Example:
        >>> splits(np.array([0, 1, 2, 3]), 3, 4).tolist()
        ['val', 'train', 'train', 'test']
    """
    return np.where(fold == test, "test", np.where(fold == (test + 1) % folds, "val", "train"))
