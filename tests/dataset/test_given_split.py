"""A split that comes with the labels: what follows it, and where it leaks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from counterpoise.dataset import given_split

NO_PAIRS = np.empty((0, 2), dtype=np.int64)


def split_of(*sides: str) -> np.ndarray:
    return np.array(sides, dtype=object)


def leaks(
    sides: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    centres: Sequence[str] | None = None,
    pairs: object = (),
) -> list[str]:
    ids = [f"{number}.png" for number in range(len(sides))]
    table = pd.DataFrame({"image_id": ids, "group": groups or ids})
    found = pd.DataFrame({"image_id": ids, "centre": centres or ids})
    crossing = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return given_split.warn_of_leaks(split_of(*sides), table, found, crossing)


def test_an_image_without_a_split_follows_its_unit() -> None:
    given, unit = split_of("test", "", "", "train", "", "val", ""), np.array([0, 0, 1, 2, 2, 3, 3])
    assert given_split.follow(given, unit).tolist() == ["test", "test", "", "train", "train", "val", "val"]


def test_an_image_whose_unit_is_in_several_splits_is_trained_on() -> None:
    assert given_split.follow(split_of("test", "val", ""), np.zeros(3, dtype=np.int64)).tolist() == [
        "test",
        "val",
        "train",
    ]


def test_a_clean_split_has_no_leak() -> None:
    assert leaks(["train", "train", "val", "test"], groups=["a", "a", "b", "c"]) == []


def test_groups_on_two_sides_are_counted_with_examples() -> None:
    (warning,) = leaks(["train", "train", "val", "test", "test"], groups=["a", "b", "c", "a", "d"])
    assert warning.startswith(
        "your own split leaks: 1 of 2 images of test share a group with images of another split, such as "
        "'0.png' (train) and '3.png' (test)"
    )
    assert "figures of test may be too good" in warning


def test_duplicates_on_two_sides_are_counted_in_test_and_validation() -> None:
    (warning,) = leaks(["train", "val", "test", "train"], centres=["0", "0", "0", "3"])
    assert "1 of 1 images of test and 1 of 1 images of val are copies or near duplicates" in warning


def test_near_duplicates_in_two_clusters_are_counted_too() -> None:
    (warning,) = leaks(["train", "test", "test"], pairs=[[2, 0]])
    assert "1 of 2 images of test are copies" in warning
    assert leaks(["train", "test", "unused"], pairs=[[2, 0]]) == []
