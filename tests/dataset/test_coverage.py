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
        coverage.refuse_empty(np.array(["train"] * 3, dtype=object), table)
    coverage.refuse_empty(np.array(["train", "val", "test"], dtype=object), ALONE)


def test_a_class_that_train_lacks_is_refused_and_one_without_any_image_left_is_not() -> None:
    coverage.refuse_unlearnable({"a": (["val", "test"], "few"), "b": (["train", "val", "test"], "few")}, given=False)
    with pytest.raises(config.InputError, match=r"val or test has images of \['c'\], but train has none.*: \['c'\]"):
        coverage.refuse_unlearnable({"c": (["train", "val"], "few")}, given=True)
