"""The intervals of shares against closed forms, values computed by hand, and their coverage of known truths."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from counterpoise.metrics import intervals


def test_wilson_of_none_of_21_reaches_up_to_15_percent() -> None:
    z = 1.959964
    low, high = intervals.wilson(0, 21)
    assert low == 0
    assert high == pytest.approx(z**2 / (21 + z**2), abs=1e-6)
    assert high == pytest.approx(0.155, abs=5e-4)


def test_wilson_ends_solve_the_score_equation() -> None:
    x, n = np.array([1, 7, 122, 15.5]), np.array([2, 21, 137, 40])
    z = stats.norm.ppf(0.95)
    for end in intervals.wilson(x, n, level=0.9):
        np.testing.assert_allclose((x / n - end) ** 2, z**2 * end * (1 - end) / n)


def test_without_trials_nothing_is_known() -> None:
    assert tuple(map(float, intervals.wilson(0, 0))) == (0, 1)


def test_arrays_equal_a_loop_and_numbers_give_floats() -> None:
    counts = np.arange(12)
    low, high = map(np.asarray, intervals.wilson(counts, 11))
    for count in counts:
        one = intervals.wilson(count, 11)
        assert all(isinstance(end, float) for end in one)
        assert one == (low[count], high[count])
    assert np.shape(intervals.wilson(counts[:, None], [11, 20])[0]) == (12, 2)


def test_successes_and_failures_are_treated_alike() -> None:
    counts = np.arange(31)
    low, high = map(np.asarray, intervals.wilson(counts, 30))
    np.testing.assert_allclose(low, 1 - high[::-1], atol=1e-12)
    assert low[0] == 0
    assert high[-1] == 1
    assert ((low <= counts / 30) & (counts / 30 <= high)).all()


def test_exact_coverage_of_a_share_is_close_to_the_level() -> None:
    p = np.linspace(0.05, 0.95, 181)
    for trials in (20, 50, 137):
        counts = np.arange(trials + 1)
        low, high = intervals.wilson(counts, trials)
        held = (low <= p[:, None]) & (p[:, None] <= high)
        coverage = (stats.binom.pmf(counts, trials, p[:, None]) * held).sum(1)
        assert coverage.mean() == pytest.approx(0.95, abs=0.01)
        assert coverage.min() > 0.88


def test_a_higher_level_is_wider() -> None:
    ends = [intervals.wilson(3, 21, level=level) for level in (0.5, 0.9, 0.95, 0.99)]
    widths = [high - low for low, high in ends]
    assert widths == sorted(widths)


def test_a_design_effect_of_two_is_half_the_trials() -> None:
    assert intervals.wilson(6, 40, design_effect=2.0) == intervals.wilson(3, 20)


@pytest.mark.parametrize(
    ("successes", "trials", "level", "message"),
    [
        (5, 4, 0.95, "found 5 successes of 4 trials .* expected 0 <= successes <= trials"),
        ([0, -1], [1, 1], 0.95, r"found -1 successes of 1 trials \(1 of 2 are wrong\)"),
        (np.nan, 4, 0.95, "found nan successes"),
        (1, np.inf, 0.95, "of inf trials"),
        (1, 4, 95, "level: found 95; expected a number between 0 and 1"),
    ],
)
def test_impossible_counts_and_levels_are_refused(successes: Any, trials: Any, level: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        intervals.wilson(successes, trials, level=level)


@pytest.mark.parametrize("effect", [0.5, np.nan, np.inf])
def test_a_design_effect_that_would_narrow_or_void_the_interval_is_refused(effect: float) -> None:
    with pytest.raises(ValueError, match=r"design_effect: found .* expected finite values of at least 1"):
        intervals.wilson(1, 4, design_effect=effect)


def test_design_effect_of_groups_that_agree_within_is_about_their_size() -> None:
    x = np.repeat(np.arange(100) % 2, 5)
    groups = np.repeat(np.arange(100), 5)
    assert intervals.design_effect(x, groups) == pytest.approx(5 * 100 / 99)


def test_design_effect_of_groups_of_unequal_size_by_hand() -> None:
    # p = 3/6; r = 2 - 3/2, 1 - 2/2, 0 - 1/2; 3/2 * (1/4 + 0 + 1/4) / 36 over 1/4 / 6
    assert intervals.design_effect([1, 1, 0, 1, 0, 0], list("aaabbc")) == 1.0
    # p = 3/6; r = 3 - 3/2, 0 - 2/2, 0 - 1/2; 3/2 * (9/4 + 1 + 1/4) / 36 over 1/4 / 6
    assert intervals.design_effect([1, 1, 1, 0, 0, 0], list("aaabbc")) == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("successes", "groups"),
    [
        ([1, 0, 1, 0], [3, 1, 2, 0]),  # every group is a single example
        ([1, 0, 1, 0], [0, 0, 1, 1]),  # opposite within: 0 by the formula
        ([], []),
    ],
)
def test_design_effect_is_one_where_groups_add_nothing(successes: Any, groups: Any) -> None:
    assert intervals.design_effect(successes, groups) == 1.0


@pytest.mark.parametrize(
    ("successes", "groups", "effect"),
    [
        ([1, 1, 1, 1], [0, 0, 1, 1], 2),
        ([0, 0, 0, 0], [0, 0, 0, 1], 10 / 4),
        ([1, 0, 1, 0], [5, 5, 5, 5], 4),
    ],
)
def test_a_group_counts_as_one_example_where_nothing_can_be_estimated(
    successes: Any, groups: Any, effect: float
) -> None:
    assert intervals.design_effect(successes, groups) == effect


def test_design_effect_restores_the_coverage_that_grouping_takes_from_wilson() -> None:
    rng = np.random.default_rng(0)
    truth, groups = 0.3, np.repeat(np.arange(60), 10)
    naive: list[bool] = []
    corrected: list[bool] = []
    for _ in range(400):
        shares = rng.beta(truth * 4, (1 - truth) * 4, size=60)  # correlation within a group 1 / (1 + 4)
        x = rng.random(600) < shares[groups]
        effect = intervals.design_effect(x, groups)
        for kept, value in ((naive, 1.0), (corrected, effect)):
            low, high = intervals.wilson(x.sum(), 600, design_effect=value)
            kept.append(bool(low <= truth <= high))
    assert np.mean(naive) < 0.85
    assert 0.92 <= np.mean(corrected) <= 0.98


@pytest.mark.parametrize(
    ("successes", "groups", "message"),
    [
        ([1, 0], [1, 2, 3], r"successes: found shape \(2,\), .* expected shape \(3,\), .* with values 0 and 1"),
        ([1, 0.5], [1, 2], r"expected .* 0 and 1"),
        ([1], [[1]], r"groups: found shape \(1, 1\); expected \(n,\)"),
    ],
)
def test_design_effect_of_what_is_no_grouped_share_is_refused(successes: Any, groups: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        intervals.design_effect(successes, groups)


def test_clopper_and_pearson_is_that_of_scipy() -> None:
    for found, of in ((0, 7), (3, 21), (20, 21), (21, 21)):
        exact = stats.binomtest(found, of).proportion_ci(method="exact")
        assert tuple(map(float, intervals.clopper_pearson(found, of))) == pytest.approx(tuple(exact))


def test_clopper_and_pearson_takes_fractions_of_trials_and_none() -> None:
    assert intervals.clopper_pearson(6, 40, design_effect=2.0) == intervals.clopper_pearson(3, 20)
    low, high = intervals.clopper_pearson(1, 3, design_effect=2.0)
    assert 0 < low < 1 / 3 < high < 1
    assert tuple(map(float, intervals.clopper_pearson(0, 0))) == (0, 1)
