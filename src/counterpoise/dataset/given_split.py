"""A split that comes with the labels: what it leaves to decide, and where it leaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts import clusters, splits

if TYPE_CHECKING:
    import pandas as pd

NAMED = 3
"""Number of examples in a warning."""


def follow(given: NDArray[np.object_], unit: NDArray[np.int64]) -> NDArray[np.object_]:
    """Let images without a split follow the others of their unit, where these are all in one split.

    Args:
        given: (n,) split of each image; empty = none.
        unit: (n,) unit of each image.

    Returns:
        (n,) splits. An image without a split is in `train` if its unit is in several, and in none if it is in none.

    Example:
        >>> follow(np.array(["test", "", "", "train"], dtype=object), np.array([0, 0, 1, 2])).tolist()
        ['test', 'test', '', 'train']
    """
    result = given.copy()
    known: dict[int, set[str]] = {}
    for number, side in zip(unit.tolist(), given, strict=True):
        if side:
            known.setdefault(number, set()).add(side)
    for row in np.flatnonzero(given == ""):
        sides = known.get(int(unit[row]), set())
        result[row] = next(iter(sides)) if len(sides) == 1 else "train" if sides else ""
    return result


def missing(given: NDArray[np.object_]) -> list[str]:
    """List which of validation and test no image is given to."""
    return [side for side in splits.MEASURED if not (given == side).any()]


def describe(given: NDArray[np.object_], left: NDArray[np.object_]) -> list[str]:
    """Say what becomes of what a given split leaves to decide.

    Args:
        given: (n,) as for `follow`.
        left: (n,) as `follow` returns it.

    Returns:
        Messages; none where every image has a split and no split is missing.
    """
    lacking, without = missing(given), int((left == "").sum())
    messages = []
    if lacking:
        pool = "train" + (f" and the {without} images without a split" if without else "")
        messages.append(
            f"your own split gives no image to {' and '.join(lacking)}: cut from {pool}, stratified by class, in the "
            "proportions of split.val_frac and split.test_frac"
        )
    elif without:
        messages.append(
            f"{without} images have no split of their own, and go to train; give them one to change that, or exclude "
            "them"
        )
    return messages


def warn_of_leaks(
    split: NDArray[np.object_], table: pd.DataFrame, found: pd.DataFrame, crossing: NDArray[np.int64]
) -> list[str]:
    """Warn of groups and duplicates with images on both sides of a given split.

    Args:
        split: (n,) split of each image.
        table: The manifest.
        found: The table of clusters.
        crossing: (k, 2) rows of near duplicates in two clusters.

    Returns:
        At most two warnings, of groups and of duplicates, with counts and examples.
    """
    ids = table["image_id"].to_numpy()
    groups = _shared(split, table["group"].to_numpy())
    duplicates = _shared(split, found["centre"].to_numpy())
    duplicates |= {(int(a), int(b)) for a, b in map(sorted, crossing) if _apart(split[a], split[b])}
    messages = []
    for pairs, what, fix in (
        (groups, "share a group with", "give all images of a group the same split"),
        (duplicates, "are copies or near duplicates of", f"remove one of each pair; {clusters.PATH} lists them"),
    ):
        if pairs:
            examples = [f"{ids[a]!r} ({split[a]}) and {ids[b]!r} ({split[b]})" for a, b in sorted(pairs)[:NAMED]]
            messages.append(
                f"your own split leaks: {_counted(split, pairs)} {what} images of another split, such as "
                f"{', '.join(examples)}. The split is kept, but figures of test may be too good. To fix it, {fix}, or "
                "let this stage split the images: docs/your-data.md, Your own split"
            )
    return messages


def _apart(one: str, other: str) -> bool:
    return one != other and "unused" not in (one, other)


def _shared(split: NDArray[np.object_], key: Sequence[str] | NDArray[np.object_]) -> set[tuple[int, int]]:
    """Pair each image with the first image of another split that has the same key."""
    first: dict[str, dict[str, int]] = {}
    for row, (name, side) in enumerate(zip(key, split, strict=True)):
        first.setdefault(name, {}).setdefault(side, row)
    pairs = set()
    for row, (name, side) in enumerate(zip(key, split, strict=True)):
        others = [other for place, other in first[name].items() if _apart(side, place)]
        pairs |= {(min(row, other), max(row, other)) for other in others[:1]}
    return pairs


def _counted(split: NDArray[np.object_], pairs: set[tuple[int, int]]) -> str:
    """Count the images of test and of validation in pairs, such as "3 of 40 images of test"."""
    rows = {row for pair in pairs for row in pair}
    sides = [side for side in reversed(splits.MEASURED) if any(split[row] == side for row in rows)]
    return " and ".join(
        f"{sum(split[row] == side for row in rows)} of {int((split == side).sum())} images of {side}" for side in sides
    )
