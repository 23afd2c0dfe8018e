import numpy as np
import pytest

from counterpoise.imbalance.synthetic import synthesise

RNG = np.random.default_rng(0)
TARGETS = np.repeat([0, 1, 2], [60, 20, 1])
VALUES = (RNG.normal(size=(81, 3)) + TARGETS[:, None]).astype(np.float32)
WANTED = np.array([60, 60, 60])
KINDS = ["smote", "borderline_smote"]


@pytest.mark.parametrize("kind", KINDS)
def test_classes_have_as_many_examples_as_wanted_and_the_given_ones_come_first(kind):
    values, targets = synthesise(VALUES, TARGETS, WANTED, kind, 0)
    assert np.bincount(targets).tolist() == [60, 60, 60]
    assert np.array_equal(values[:81], VALUES)
    assert values.dtype == VALUES.dtype
    assert np.array_equal(targets[:81], TARGETS)


@pytest.mark.parametrize("kind", KINDS)
def test_new_points_lie_between_two_examples_of_their_class(kind):
    values, targets = synthesise(VALUES, TARGETS, WANTED, kind, 0)
    own = VALUES[TARGETS == 1]
    for point in values[81:][targets[81:] == 1]:
        steps, gap = own[None] - own[:, None], point - own[:, None]
        length = (steps**2).sum(axis=2)
        u = (gap * steps).sum(axis=2) / np.where(length > 0, length, 1)
        off = np.abs(gap - u[:, :, None] * steps).max(axis=2)
        assert ((off < 1e-4) & (u > -1e-4) & (u < 1 + 1e-4) & (length > 0)).any()


def test_a_class_with_a_single_example_repeats_it():
    values, targets = synthesise(VALUES, TARGETS, WANTED, "smote", 0)
    assert (values[targets == 2] == VALUES[80]).all()


def test_a_class_without_an_example_on_the_border_repeats_its_own():
    far = VALUES + 1000 * TARGETS[:, None].astype(np.float32)
    values, targets = synthesise(far, TARGETS, WANTED, "borderline_smote", 0)
    assert np.bincount(targets).tolist() == [60, 60, 60]
    assert {tuple(row) for row in values[targets == 1]} == {tuple(row) for row in far[TARGETS == 1]}


def test_a_class_that_has_enough_or_none_is_left_alone():
    values, targets = synthesise(VALUES, TARGETS, np.array([10, 20, 1, 50]), "smote", 0)
    assert np.array_equal(values, VALUES)
    assert np.array_equal(targets, TARGETS)


def test_the_seed_decides():
    first, again, other = (synthesise(VALUES, TARGETS, WANTED, "smote", seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
