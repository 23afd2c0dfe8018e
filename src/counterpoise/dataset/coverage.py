"""Which split lacks images, or a class, and why: too few images, or too few units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts import clusters, splits
from counterpoise.config import InputError

if TYPE_CHECKING:
    import pandas as pd

OWN_SPLIT = "your own split gives it none there"
LISTED = 20
"""Number of classes that a message names."""
FEW_TEST_IMAGES = 10
"""With fewer test images of a class, intervals are too wide to compare remedies."""
FEW_LISTED = 3
"""Number of classes with few test images that a warning names."""


def reason(rows: NDArray[np.bool_], together: pd.DataFrame, *, whose: str = "its", there: str = "it has") -> str:
    """Say why some images are too few for three splits.

    Args:
        rows: (n,) the images, such as those of a class.
        together: The table of clusters, with the column `group` of the manifest.
        whose: Whose images they are, in front of "3 images".
        there: The words in front of "only 3 images".

    Returns:
        A clause: how many images there are, and what keeps them together.
    """
    part = together[rows]
    images, units = len(part), part["unit"].nunique()
    if images == units:
        return f"{there} only {images} image{'s' * (images > 1)}"
    if units > 1:
        return f"{whose} {images} images form only {units} units of images that share a group or are duplicates"
    if part["group"].nunique() == 1:
        return f"{whose} {images} images are all in group {part['group'].iloc[0]!r}"
    if part["centre"].nunique() == 1:
        kind = "copies" if (part["kind"] == "exact").all() else "near duplicates"
        return f"{whose} {images} images are {kind} of one image, {part['centre'].iloc[0]!r}"
    return f"{whose} {images} images are one unit, joined by groups and duplicates"


def absences(
    split: NDArray[np.object_],
    members: NDArray[np.bool_],
    names: Sequence[str],
    together: pd.DataFrame,
    given: NDArray[np.object_],
) -> dict[str, tuple[list[str], str]]:
    """Find the classes that a split lacks.

    Args:
        split: (n,) split of each image.
        members: (n, c) classes of each image.
        names: The c class names.
        together: As for `reason`.
        given: (n,) split that the labels give each image; empty = none.

    Returns:
        Class name -> the splits that lack it, and the reason as a clause.
    """
    present = np.stack([members[split == side].any(axis=0) for side in splits.NAMES])
    lacking = np.flatnonzero(~present.all(axis=0)).tolist()
    return {
        names[index]: (
            [side for side, there in zip(splits.NAMES, present[:, index], strict=True) if not there],
            OWN_SPLIT if (given[members[:, index]] != "").all() else reason(members[:, index], together),
        )
        for index in lacking
    }


def warn_of_absences(absent: Mapping[str, tuple[list[str], str]]) -> list[str]:
    """Write one warning of all classes that a split lacks; no warning if there are none."""
    if not absent:
        return []
    listed = [f"{name!r} is not in {' and '.join(sides)} ({why})" for name, (sides, why) in absent.items()]
    more = f"; and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    head = "1 class is" if len(listed) == 1 else f"{len(listed)} classes are"
    return [
        f"{head} absent from a split: {'; '.join(listed[:LISTED])}{more}. Images of one group and duplicates are never "
        f"split up ({clusters.PATH} lists them). Label more images, or drop or group rare classes by ingest.rare"
    ]


def warn_of_few_in_test(names: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Write one warning of all classes that have few images in test, the rarest first.

    Args:
        names: Names of the classes.
        counts: Number of test images of each; 0 is left to `warn_of_absences`.

    Example:
        >>> warn_of_few_in_test(["a", "b"], [30, 3])[0].partition(";")[0]
        "fewer than 10 test images: 'b' 3"
    """
    few = sorted((count, name) for name, count in zip(names, counts, strict=True) if 0 < count < FEW_TEST_IMAGES)
    if not few:
        return []
    listed = ", ".join(f"{name!r} {count}" for count, name in few[:FEW_LISTED])
    more = f" and {len(few) - FEW_LISTED} more" if len(few) > FEW_LISTED else ""
    return [
        f"fewer than {FEW_TEST_IMAGES} test images: {listed}{more}; that is enough to check that data load and to find "
        "wrong labels, but not to compare remedies; label more images"
    ]


def refuse_empty(split: NDArray[np.object_], members: NDArray[np.bool_], together: pd.DataFrame) -> None:
    """Refuse splits of which one has no image.

    Args:
        split: (n,) split of each image.
        members: (n, c) classes of each image.
        together: As for `reason`.

    Raises:
        InputError: One is empty. The message says why, and what to do.
    """
    empty = [side for side in splits.NAMES if not (split == side).any()]
    if not empty:
        return
    units, number = together["unit"].nunique(), len(splits.NAMES)
    most = max(together["unit"][column].nunique() for column in members.T)
    why = reason(np.ones(len(split), dtype=np.bool_), together, whose="the", there="there is")
    needed = "At least three groups are needed, or more of your images"
    if units >= number > most:
        why = (
            f"no class has more than {most} unit{'s' * (most > 1)} of images that share a group or are duplicates, and "
            f"with fewer than {number} it is not in every split"
        )
        needed = f"A class with images from at least {number} groups is needed"
    raise InputError(
        f"nothing is left for {' and '.join(empty)}: {why}, and what is together is never split up. {needed}: use a "
        "column with finer groups for ingest.sources.csv.group_column, or '' for none; look at "
        f"{clusters.PATH} for duplicates, and raise split.duplicates.min_correlation, for example to 0.995, if they "
        "are different images"
    )


def refuse_unlearnable(absent: Mapping[str, tuple[list[str], str]], *, given: bool) -> None:
    """Refuse classes that validation or test has, but train has not.

    Args:
        absent: As `absences` returns it.
        given: Whether the split was given with the labels.

    Raises:
        InputError: There is such a class. A model that never saw it would be scored on it.
    """
    unseen = [name for name, (sides, _) in absent.items() if "train" in sides and len(sides) < len(splits.NAMES)]
    if not unseen:
        return
    more = f" and {len(unseen) - LISTED} more" if len(unseen) > LISTED else ""
    raise InputError(
        f"val or test has images of {unseen[:LISTED]}{more}, but train has none, so a model would be scored on classes "
        "that it never saw. "
        + ("Give some of their images to train in your own split, or leave" if given else "Label more images, or leave")
        + f" the classes out: ingest.exclude: {unseen[:LISTED]}"
    )
