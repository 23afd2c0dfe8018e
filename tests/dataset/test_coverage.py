"""What is said of classes that a split lacks, and what is refused."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from counterpoise import config
from counterpoise.dataset import coverage


def together(units: str, *, group: Sequence[str], centre: str, kind: str = "single") -> pd.DataFrame:
    return pd.DataFrame({"unit": list(units), "group": list(group), "centre": list(centre), "kind": kind})


EVERY = np.ones(3, dtype=np.bool_)
ALONE = together("abc", group="abc", centre="abc")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (ALONE, "it has only 3 images"),
        (together("aaa", group="xxx", centre="abc"), "its 3 images are all in group 'x'"),
        (together("aaa", group="abc", centre="aaa", kind="exact"), "its 3 images are copies of one image, 'a'"),
        (together("aaa", group="abc", centre="aaa", kind="near"), "its 3 images are near duplicates of one image, 'a'"),
        (together("aaa", group="xxy", centre="abb"), "its 3 images are one unit, joined by groups and duplicates"),
        (together("aab", group="xxy", centre="abc"), "its 3 images form only 2 units of images that share a group"),
    ],
)
def test_the_reason_says_what_keeps_images_together(table: pd.DataFrame, expected: str) -> None:
    assert coverage.reason(EVERY, table).startswith(expected)


def test_an_empty_split_is_refused_with_the_group_that_holds_everything() -> None:
    table = together("aaa", group=["s1"] * 3, centre="abc")
    with pytest.raises(
        config.InputError, match=r"nothing is left for val and test: the 3 images are all in group 's1'"
    ):
        coverage.refuse_empty(np.array(["train"] * 3, dtype=object), EVERY[:, None], table)
    coverage.refuse_empty(np.array(["train", "val", "test"], dtype=object), EVERY[:, None], ALONE)


def test_an_empty_split_is_refused_with_the_units_that_classes_lack_where_there_are_groups_enough() -> None:
    table = together("abcd", group="abcd", centre="abcd")
    members = np.array([[True, False], [True, False], [False, True], [False, True]])
    with pytest.raises(config.InputError, match=r"left for val: no class has more than 2 units .* at least 3 groups"):
        coverage.refuse_empty(np.array(["train", "test"] * 2, dtype=object), members, table)


def test_a_class_that_the_given_split_leaves_out_is_absent_for_that_reason() -> None:
    split, members = np.array(["train", "val", "test"], dtype=object), np.array([[True], [True], [False]])
    for given, reason in ((split, coverage.OWN_SPLIT), (np.array(["", "", ""], dtype=object), "it has only 2 images")):
        absent = coverage.absences(split, members, ["a"], ALONE, given)
        assert absent == {"a": (["test"], reason)}


def test_a_class_that_train_lacks_is_refused_and_one_without_any_image_left_is_not() -> None:
    coverage.refuse_unlearnable({"a": (["val", "test"], "few"), "b": (["train", "val", "test"], "few")}, given=False)
    with pytest.raises(config.InputError, match=r"val or test has images of \['c'\], but train has none.*: \['c'\]"):
        coverage.refuse_unlearnable({"c": (["train", "val"], "few")}, given=True)
