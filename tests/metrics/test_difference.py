"""Intervals of differences: published values, and coverage in simulations with known truth."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from counterpoise.metrics import difference, influence, intervals


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [((48, 80), (56, 70), (0.0524, 0.3339)), ((3, 10), (9, 10), (0.1705, 0.8090)), ((0, 10), (10, 10), (0.6075, 1.0))],
)
def test_of_two_proportions_it_is_newcombes_hybrid(first, second, ends):
    """Newcombe 1998, table II, method 10: contrasts (a), (b) and (g)."""
    one, other = ((x / n, *map(float, intervals.wilson(x, n))) for x, n in (first, second))
    found = difference.of_independent(one, other)
    assert (found.low, found.high) == pytest.approx(ends, abs=2e-4)
    back = difference.of_independent(other, one)
    assert tuple(back) == pytest.approx((-found.value, -found.high, -found.low))


def test_a_missing_interval_gives_a_difference_without_one_that_is_never_clear():
    found = difference.of_independent((0.1, 0.0, 0.2), (0.9, np.nan, np.nan))
    assert found.value == pytest.approx(0.8)
    assert np.isnan([found.low, found.high]).all()
    assert not found.clear


def test_of_means_of_independent_examples_it_is_the_paired_t_test():
    changes = np.random.default_rng(0).normal(0.2, 1.0, size=30)
    found = difference.of_paired(changes.mean(), influence.mean(changes), np.arange(30), np.zeros(30, dtype=np.int64))
    oracle = ttest_1samp(changes, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high))


def test_copies_of_the_images_of_a_unit_add_nothing():
    changes = np.random.default_rng(1).normal(size=20)
    once = difference.of_paired(0.1, influence.mean(changes), np.arange(20), np.zeros(20, dtype=np.int64))
    six = np.repeat(changes, 6)
    units = np.repeat(np.arange(20), 6)
    assert difference.of_paired(0.1, influence.mean(six), units, np.zeros(120, dtype=np.int64)) == pytest.approx(once)


def test_the_degrees_of_freedom_are_those_of_the_stratum_that_brings_the_variance():
    values = np.array([*np.zeros(100), -1.0, 0.0, 1.0])
    strata = np.array([0] * 100 + [1] * 3)
    found = difference.of_paired(0.0, values, np.arange(103), strata)
    assert found.high == pytest.approx(4.3027 * np.sqrt(2 * 103 / 102), rel=1e-4)  # t with 2 degrees of freedom


def test_one_unit_has_no_interval():
    found = difference.of_paired(0.5, np.array([0.1, -0.1]), np.array([7, 7]), np.array([0, 0]))
    assert np.isnan([found.low, found.high]).all()
