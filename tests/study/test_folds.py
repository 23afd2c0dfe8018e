import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.config import InputError
from counterpoise.study import folds

RNG = np.random.default_rng(0)


def one_class(counts: list[int]) -> np.ndarray:
    return np.eye(len(counts), dtype=np.bool_)[np.repeat(np.arange(len(counts)), counts)]


def per_fold(holds: np.ndarray, fold: np.ndarray, count: int) -> np.ndarray:
    return np.stack([holds[fold == number].sum(axis=0) for number in range(count)])


@given(st.lists(st.integers(5, 60), min_size=2, max_size=5), st.integers(3, 5), st.integers(0, 99))
def test_every_class_has_the_same_number_of_units_in_each_fold_but_for_one(
    counts: list[int], count: int, repeat: int
) -> None:
    holds = one_class(counts)
    sizes = np.random.default_rng(repeat).integers(1, 6, len(holds))
    fold = folds.assign(holds, sizes, count, 0, repeat, task="multiclass")
    assert np.ptp(per_fold(holds, fold, count), axis=0).max() <= 1


def test_folds_have_about_the_same_number_of_images() -> None:
    holds = one_class([400, 20])
    sizes = RNG.integers(1, 8, 420)
    images = np.bincount(folds.assign(holds, sizes, 5, 0, 0, task="multiclass"), weights=sizes)
    assert np.ptp(images) <= 0.03 * images.mean()


def test_repeats_differ_and_the_same_repeat_does_not() -> None:
    holds, sizes = one_class([200, 20]), np.ones(220, dtype=np.int64)
    first, again, other = (folds.assign(holds, sizes, 5, 0, repeat, task="multiclass") for repeat in (0, 0, 1))
    assert np.array_equal(first, again)
    assert np.mean(first == other) < 0.4


def test_labels_of_several_classes_are_spread_too() -> None:
    holds = RNG.random((600, 6)) < np.array([0.5, 0.3, 0.2, 0.1, 0.05, 0.02])
    fold = folds.assign(holds, np.ones(600, dtype=np.int64), 5, 0, 0, task="multilabel")
    assert np.ptp(per_fold(holds, fold, 5), axis=0).max() <= 3
    assert np.ptp(np.bincount(fold)) <= 3


def test_units_of_several_classes_leave_no_fold_without_a_class_that_can_be_in_all() -> None:
    """Groups of images hold several classes; the rarest has exactly one unit for each fold."""
    holds = RNG.random((60, 3)) < 0.6
    holds[:, 0] = np.arange(60) < 5
    fold = folds.assign(holds, RNG.integers(1, 9, 60), 5, 3, 1, task="multiclass")
    assert per_fold(holds, fold, 5).min() >= 1


def test_each_unit_is_tested_once_and_validates_once() -> None:
    fold = RNG.integers(0, 5, 100)
    split = np.stack([folds.splits(fold, test, 5) for test in range(5)])
    assert ((split == "test").sum(axis=0) == 1).all()
    assert ((split == "val").sum(axis=0) == 1).all()
    assert ((split == "train").sum(axis=0) == 3).all()


@pytest.mark.parametrize(
    ("counts", "count", "message"),
    [
        ([90, 20], 2, "folds is 2; expected at least 3"),
        ([3, 1], 5, "only 4 independent images"),
        ([90, 4], 5, "class 'b' has only 4 independent images in train and validation; set folds to 4 or fewer"),
        ([90, 20], 30, "class 'b' has only 20 independent images in train and validation; set folds to 10 or fewer"),
        ([90, 2], 5, "class 'b' has only 2 independent images in train and validation, fewer than 3 folds"),
        ([90, 0], 5, "class 'b' has only 0 independent images"),
    ],
)
def test_fewer_units_than_folds_are_refused(counts: list[int], count: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        folds.check(one_class(counts), count, ("a", "b"), np.ones(2, dtype=np.bool_))


def test_a_label_that_no_figure_needs_may_be_missing() -> None:
    folds.check(one_class([90, 2]), 5, ("a", "b"), np.array([True, False]))
