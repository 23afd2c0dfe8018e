"""Which class matters: the one that is stated, else the rarest one that validation and test can measure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts import splits
from counterpoise.artifacts.classes import Classes
from counterpoise.artifacts.positive import Positive
from counterpoise.config import PATH, InputError

ENOUGH = 5
"""With so many units of a class in validation and in test, and as many without it, its figures mean something."""
NAMED = 3
"""Number of rarer classes that the reason names."""
BY_HAND = "set evaluate.positive to choose another"


def choose(
    stated: str | None,
    labelled: Classes,
    split: NDArray[np.object_],
    members: NDArray[np.bool_],
    unit: NDArray[np.int64],
    few: Mapping[str, str],
    *,
    against_absence: bool = True,
) -> Positive:
    """Choose the class that matters.

    Without a stated one, it is the rarest class of which validation and test each hold at least `ENOUGH` units, and as
    many without it. Where there is none, it is the rarest class that both hold at all.

    Args:
        stated: `evaluate.positive`, the name of a class or `None`.
        labelled: The classes.
        split: (n,) split of each image.
        members: (n, c) classes of each image.
        unit: (n,) unit of each image.
        few: For classes that some split lacks, why: a clause.
        against_absence: Whether figures need units without a class, too; those of objects with boxes do not.

    Returns:
        Its name, and how it was chosen.

    Raises:
        InputError: Validation or test has no image of the stated class, or nothing but images of it; or this holds for
            every class.
    """
    names = labelled.names
    count = measurable_units if against_absence else bearing_units
    measurable = np.min([count(members[split == side], unit[split == side]) for side in splits.MEASURED], axis=0)
    if stated is not None:
        if measurable[names.index(stated)] == 0:
            raise InputError(_unmeasurable(stated, split, members[:, names.index(stated)], few))
        return Positive(stated, "as evaluate.positive states it")
    rarest = sorted(range(len(names)), key=lambda index: (labelled.counts[index], -index))
    if enough := [index for index in rarest if measurable[index] >= ENOUGH]:
        rarer = [names[index] for index in rarest[: rarest.index(enough[0])]]
        passed = f" (rarer, but in fewer: {', '.join(rarer[:NAMED])}{' ...' * (len(rarer) > NAMED)})" if rarer else ""
        reason = f"as the rarest class with at least {ENOUGH} units in validation and in test{passed}; {BY_HAND}"
        return Positive(names[enough[0]], reason)
    if known := [index for index in rarest if measurable[index] > 0]:
        reason = (
            f"as the rarest class that validation and test both have, though no class has {ENOUGH} units in both, so "
            f"its figures are hardly known; {BY_HAND}"
        )
        return Positive(names[known[0]], reason)
    raise InputError(_nothing_measurable(split, few))


def bearing_units(members: NDArray[np.bool_], unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the units with each class, (c,), from members (n, c) and units (n,)."""
    return np.array([len(np.unique(unit[has])) for has in members.T], dtype=np.int64)


def measurable_units(members: NDArray[np.bool_], unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count on how many units the figures of each class rest: those with it or those without it, whichever are fewer.

    Args:
        members: (n, c) classes of the images of a split.
        unit: (n,) their units.

    Returns:
        (c,). A unit counts as one without a class if any of its images is without it.

    Example:
        >>> measurable_units(np.array([[True], [True], [False]]), np.array([0, 0, 1])).tolist()
        [1]
    """
    from scipy.sparse import coo_array

    if not len(unit):
        return np.zeros(members.shape[1], dtype=np.int64)
    number, sizes = np.unique(unit, return_inverse=True, return_counts=True)[1:]
    rows, columns = np.nonzero(members)
    shape = (len(sizes), members.shape[1])
    counts = coo_array((np.ones(len(rows), dtype=np.int64), (number[rows], columns)), shape=shape).tocsr()
    bearing = np.asarray((counts != 0).sum(axis=0)).ravel()
    whole = np.repeat(sizes, np.diff(counts.indptr)) == counts.data
    return np.asarray(np.minimum(bearing, len(sizes) - np.bincount(counts.indices[whole], minlength=shape[1])))


def _unmeasurable(name: str, split: NDArray[np.object_], has: NDArray[np.bool_], few: Mapping[str, str]) -> str:
    for side in splits.MEASURED:
        if not has[split == side].any():
            because = f": {few[name]}" if name in few else ""
            return (
                f"{PATH}: evaluate.positive is {name!r}, but {side} has no image of it{because}. Without any, nothing "
                "can be said of the class. Label more images of it, put them into finer groups, or set "
                "evaluate.positive to another class"
            )
    full = [side for side in splits.MEASURED if has[split == side].all()]
    return (
        f"{PATH}: evaluate.positive is {name!r}, but every image of {' and '.join(full)} has it, so nothing shows "
        "whether a model distinguishes it from others. Add images without it, or set evaluate.positive to another class"
    )


def _nothing_measurable(split: NDArray[np.object_], few: Mapping[str, str]) -> str:
    reasons = "; ".join(f"class {name!r}: {reason}" for name, reason in list(few.items())[:3])
    sizes = " and ".join(f"{side} has {int((split == side).sum())} images" for side in splits.MEASURED)
    return (
        f"no class can be measured: {sizes}, but of no class do both have images with it and images without it"
        + (f" ({reasons})" if reasons else "")
        + ". Label more images of the rare classes, from other groups, use finer groups "
        "(ingest.sources.csv.group_column), or change your own split, if the labels give one"
    )
