import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.study.verdicts import Estimate, NoVerdict, Verdict, compare, estimate, judge, of_one_unit
from counterpoise.study.wording import sentence

WORKED = np.array([[0.02, 0.06, 0.04, 0.00, 0.08], [0.03, 0.05, 0.01, 0.07, 0.04]])
K, R = 5, 2


def worked(image_variance: float) -> Verdict:
    found = Estimate(float(WORKED.mean()), image_variance, float(WORKED.var(ddof=1)) / WORKED.size, 84, WORKED.size)
    verdict = judge(found, comparisons=24)
    assert isinstance(verdict, Verdict)
    return verdict


def test_the_first_worked_example_is_undecided() -> None:
    verdict = worked(3e-4)
    assert verdict.word == "undecided"
    assert verdict.difference == pytest.approx(0.04)
    assert (verdict.se, verdict.df) == pytest.approx((0.0191485, 85.1904), rel=5e-6)
    assert verdict.p_value == pytest.approx(0.0396978, rel=1e-6)
    assert (verdict.low, verdict.high) == pytest.approx((-0.0206525, 0.1006525), abs=1e-7)


def test_the_second_worked_example_is_better() -> None:
    verdict = worked(8e-5)
    assert verdict.word == "better"
    assert (verdict.se, verdict.df) == pytest.approx((0.0121106, 37.6769), rel=5e-6)
    assert verdict.p_value == pytest.approx(0.0021032, rel=2e-5)
    assert (verdict.low, verdict.high) == pytest.approx((0.0000657, 0.0799343), abs=1e-7)


def folds_of(units: int) -> np.ndarray:
    return np.stack([np.arange(units) % K, (np.arange(units) // 2) % K])


def test_folds_and_units_give_the_variances_of_the_formula() -> None:
    """With influence phi for every unit, psi is phi / K sqrt(m_f / (m_f - 1)), and V_img the sum of its squares."""
    folds, phi = folds_of(100), np.full((R, 100), 0.01)
    found = estimate(WORKED, phi, folds, np.full((R, K), 20))
    assert found.image_variance == pytest.approx(100 * (0.01 / K) ** 2 * 20 / 19)
    assert found.repeat_variance == pytest.approx(6e-3 / 9 / 10)
    assert (found.units, found.values) == (100, 10)
    assert found.difference == pytest.approx(0.04)


def test_repeats_that_cancel_each_other_leave_no_variance_of_images() -> None:
    phi = np.stack([np.full(100, 0.01), np.full(100, -0.01)])
    assert estimate(WORKED, phi, folds_of(100), np.full((R, K), 20)).image_variance == pytest.approx(0)


def test_an_arm_that_counts_every_unit_the_same_is_identical() -> None:
    verdict = compare(np.zeros((R, K)), np.zeros((R, 60)), folds_of(60), np.ones(60), comparisons=24)
    assert isinstance(verdict, Verdict)
    assert (verdict.word, verdict.low, verdict.high, verdict.p_value, verdict.p_adjusted) == ("identical", 0, 0, 1, 1)
    assert not any(math.isnan(value) for value in vars(verdict).values() if isinstance(value, float))


def test_a_difference_without_variance_gets_no_verdict() -> None:
    found = compare(np.full((R, K), 0.1), np.zeros((R, 60)), folds_of(60), np.ones(60), comparisons=24)
    assert isinstance(found, NoVerdict)
    assert "variance is unknown" in found.reason


@pytest.mark.parametrize(("units", "judged"), [(9, False), (10, True)])
def test_fewer_than_ten_units_of_the_class_get_no_verdict(units: int, judged: bool) -> None:
    holds = np.arange(60) < units
    folds = np.tile(np.arange(60) % K, (R, 1))
    found = compare(WORKED, np.full((R, 60), 0.01), folds, holds, comparisons=2)
    assert isinstance(found, Verdict) == judged
    assert judged or sentence(found, 0.05).startswith("no verdict: 9 independent images of the class are too few")


def test_a_figure_that_is_undefined_in_a_fold_names_the_fold() -> None:
    broken = WORKED.copy()
    broken[1, 2] = np.nan
    found = compare(broken, np.full((R, 60), 0.01), folds_of(60), np.ones(60), comparisons=2)
    assert found == NoVerdict("the figure is undefined in fold 3 of repeat 2; use fewer folds")


def test_a_fold_with_a_single_unit_of_the_class_gets_no_verdict() -> None:
    folds = folds_of(60)
    holds = (np.arange(60) < 20) & ((folds[0] != 3) | (np.arange(60) == 3))
    found = compare(WORKED, np.full((R, 60), 0.01), folds, holds, comparisons=2)
    assert isinstance(found, NoVerdict)
    assert "fold 4 of repeat 1 tests fewer than two" in found.reason


def test_a_few_changed_decisions_count_as_at_least_one_unit_of_each_class() -> None:
    """A single image of the frequent class counts differently: by itself it would look like a certain difference."""
    phi, rarest = np.zeros((R, 100)), np.arange(100) < 20
    phi[:, 99] = 1e-4
    d = np.full((R, K), -1e-4)
    alone, safe = (
        compare(d, phi, folds_of(100), rarest, comparisons=1, least=least) for least in (0.0, of_one_unit([80, 20]))
    )
    assert isinstance(alone, Verdict)
    assert isinstance(safe, Verdict)
    assert alone.word == "worse"
    assert safe.word == "undecided"
    assert safe.se == pytest.approx(math.sqrt(1 / 160**2 + 1 / 40**2))


def test_decisions_that_cancel_each_other_are_not_identical() -> None:
    """One unit is right in the first repeat alone, another one in the second, so that all sums are 0."""
    phi = np.zeros((R, 60))
    phi[:, :2] = [[0.01, -0.01], [-0.01, 0.01]]
    folds = np.tile(np.arange(60) // 2 % K, (R, 1))
    found = compare(np.zeros((R, K)), phi, folds, np.ones(60), comparisons=24, least=of_one_unit([30, 30]))
    assert isinstance(found, Verdict)
    assert (found.word, found.difference) == ("undecided", 0)


def test_what_does_not_differ_stays_identical() -> None:
    found = compare(
        np.zeros((R, K)), np.zeros((R, 60)), folds_of(60), np.ones(60), comparisons=24, least=of_one_unit([30, 30])
    )
    assert isinstance(found, Verdict)
    assert found.word == "identical"


@pytest.mark.parametrize("shape", [(2, 61), (3, 60)])
def test_shapes_that_do_not_suit_each_other_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        compare(WORKED, np.zeros(shape), folds_of(60), np.ones(60), comparisons=2)


@pytest.mark.parametrize(("comparisons", "margin"), [(0, 0.05), (1, 0.0), (1, math.nan)])
def test_numbers_out_of_range_are_refused(comparisons: int, margin: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        judge(Estimate(0.1, 1e-4, 1e-4, 20, 10), comparisons=comparisons, margin=margin)


variances = st.floats(1e-12, 1.0)
estimates = st.builds(
    Estimate, st.floats(-0.5, 0.5), variances | st.just(0.0), variances, st.integers(10, 10**5), st.integers(3, 100)
)


@given(estimates, st.integers(1, 200), st.floats(0.001, 0.3).map(lambda value: round(value, 3)))
def test_word_interval_p_value_and_sentence_agree(found: Estimate, comparisons: int, margin: float) -> None:
    verdict = judge(found, comparisons=comparisons, margin=margin)
    assert isinstance(verdict, Verdict)
    low, high = verdict.low, verdict.high
    assert low <= verdict.difference <= high
    leaves_out_0, inside = low > 0 or high < 0, -margin < low and high < margin
    expected = "better" if low > 0 else "worse" if high < 0 else "equivalent" if inside else "undecided"
    assert verdict.word == expected
    if min(abs(low), abs(high)) > 1e-9:
        assert (verdict.p_adjusted < 0.05) == leaves_out_0
    assert verdict.p_value <= verdict.p_adjusted * (1 + 1e-9)
    assert (verdict.units_factor is None) == (verdict.word != "undecided")
    words = sentence(verdict, margin)
    assert words.startswith(f"{verdict.word}: ")
    shown = re.search(r"\[(-?[\d.]+), (-?[\d.]+)\]", words)
    assert shown is not None
    if min(abs(end - limit) for end in (low, high) for limit in (-margin, 0, margin)) > 1e-8:
        shown_low, shown_high = map(float, shown.groups())
        assert (shown_low > 0 or shown_high < 0) == leaves_out_0
        assert (-margin < shown_low and shown_high < margin) == inside


@given(estimates.filter(lambda found: abs(found.difference) > 1e-3), st.integers(1, 100))
def test_as_many_units_as_are_said_to_decide_do(found: Estimate, comparisons: int) -> None:
    verdict = judge(found, comparisons=comparisons)
    assert isinstance(verdict, Verdict)
    if verdict.units_factor is None or math.isinf(verdict.units_factor):
        return
    assert verdict.units_factor > 1
    factor = verdict.units_factor
    more = Estimate(
        found.difference,
        found.image_variance / factor,
        found.repeat_variance / factor,
        math.ceil(found.units * factor),
        found.values,
    )
    decided = judge(more, comparisons=comparisons)
    assert isinstance(decided, Verdict)
    assert decided.word != "undecided"


def test_more_comparisons_make_the_interval_wider() -> None:
    one, many = (judge(Estimate(0.04, 1e-4, 1e-4, 84, 10), comparisons=count) for count in (1, 24))
    assert isinstance(one, Verdict)
    assert isinstance(many, Verdict)
    assert one.high - one.low < many.high - many.low
    assert one.p_value == many.p_value


def test_from_few_differences_t_is_the_mean_of_both_weighted_by_the_variances() -> None:
    """21 units and 3 differences, equal variances: t is (2.085963 + 4.302653) / 2 = 3.194308 at 95 %."""
    verdict = judge(Estimate(0.04, 1e-4, 1e-4, 21, 3), comparisons=1)
    assert isinstance(verdict, Verdict)
    assert verdict.high - verdict.difference == pytest.approx(3.194308 * math.sqrt(2e-4), rel=1e-6)


@pytest.mark.parametrize(("of_images", "of_repeats", "df"), [(1e-4, 0.0, 20), (0.0, 1e-4, 2), (1.0, 1e-30, 20)])
def test_one_variance_alone_has_its_own_degrees_of_freedom(of_images: float, of_repeats: float, df: float) -> None:
    verdict = judge(Estimate(0.04, of_images, of_repeats, 21, 3), comparisons=5)
    assert isinstance(verdict, Verdict)
    assert verdict.df == pytest.approx(df)


def test_what_is_found_with_the_stated_power_is_found_so_often() -> None:
    """Differences that are normal around `detectable`, with known variance, leave out 0 in about 80 %."""
    verdict = judge(Estimate(0.0, 1e-4, 1e-6, 10**6, 10**6), comparisons=24)
    assert isinstance(verdict, Verdict)
    draws = np.random.default_rng(0).normal(verdict.detectable, verdict.se, 20_000)
    assert np.mean(draws > verdict.high) == pytest.approx(0.8, abs=0.01)


def test_sentences_say_what_would_decide() -> None:
    assert sentence(worked(3e-4), 0.05) == (
        "undecided: the interval [-0.021, 0.101] holds both no difference and one of 0.05 or more; about 4 times as "
        "many images of this class would decide it in 4 of 5 cases if the difference is as measured, more repeats "
        "alone are unlikely to"
    )
    assert sentence(worked(8e-5), 0.05) == "better: the interval [0.0001, 0.0799] leaves out 0"
