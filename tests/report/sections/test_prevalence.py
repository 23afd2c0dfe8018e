import dataclasses

import pytest

from counterpoise.calibration import prevalence as maths
from counterpoise.report.facts import Counts
from counterpoise.report.sections.prevalence import Shift, explain
from counterpoise.report.texts import PointEstimate

SYSTEM_A_VAL = Counts(674, 67, 110, 717)
SYSTEM_A_TEST = Counts(122, 247, 15, 2615)


def shift(val: Counts, test: Counts, shown: PointEstimate | None = None) -> Shift:
    value, interval = maths.expected_precision((val.tp, val.fp, val.fn, val.tn), test.prevalence)
    expected = PointEstimate(value, interval.low, interval.high)
    around = PointEstimate(test.precision, test.precision - 0.03, test.precision + 0.03)
    return Shift(val, test, expected, shown or around, min(val.positives, test.positives))


def said(one: Shift) -> str:
    return " ".join(explain(one, "“panel”"))


def test_counts_know_the_four_rates_of_a_confusion() -> None:
    assert SYSTEM_A_TEST.recall == pytest.approx(122 / 137)
    assert SYSTEM_A_TEST.precision == pytest.approx(122 / 369)
    assert SYSTEM_A_TEST.prevalence == pytest.approx(137 / 2999)
    assert SYSTEM_A_TEST.false_positive_rate == pytest.approx(247 / 2862)


def test_precision_that_fell_with_the_prevalence_is_no_fault() -> None:
    text = said(shift(SYSTEM_A_VAL, SYSTEM_A_TEST))
    assert "The share of “panel” is 50 % in validation and 4.6 % in test." in text
    assert "it is 86 % on validation and 89 % on test" in text
    assert "it is 91 % on validation. At a share of 4.6 %" in text
    assert "precision expected from validation is 0.33 [0.28, 0.38]; measured on test: 0.33" in text
    assert text.endswith("contains 0: the change of the share alone can explain why precision fell.")


def test_precision_below_the_expected_one_is_not_explained_by_the_prevalence() -> None:
    text = said(shift(SYSTEM_A_VAL, Counts(122, 1000, 15, 1862)))
    assert "That is lower than expected, by −0.22 [" in text
    assert ": test images may differ" in text
    assert "can explain" not in text


def test_recall_that_changed_is_not_explained_by_the_prevalence() -> None:
    test = Counts(60, 121, 77, 2741)
    text = said(shift(SYSTEM_A_VAL, test))
    assert "it is 86 % on validation and 44 % on test" in text
    assert "Recall should be the same" in text
    assert "test images may differ from validation images in more than the share." in text
    assert "can explain" not in text


def test_few_images_explain_nothing() -> None:
    text = said(shift(Counts(5, 0, 0, 5), Counts(2, 4, 0, 94)))
    assert "too few units to tell" in text


def test_few_images_of_the_class_explain_nothing_even_if_intervals_are_narrow() -> None:
    text = said(shift(Counts(9, 1, 0, 990), Counts(9, 1, 0, 990)))
    assert "too few units to tell whether validation and test differ" in text


def test_an_interval_without_width_is_no_evidence() -> None:
    text = said(shift(Counts(90, 200, 10, 1900), Counts(0, 190, 100, 1910), PointEstimate(0.0, 0.0, 0.0)))
    assert "too few units to tell" in text
    assert "may differ" not in text


def test_a_difference_outside_its_interval_may_be_more_than_the_share() -> None:
    expected, shown = PointEstimate(0.24, 0.12, 0.40), PointEstimate(0.06, 0.00, 0.17)
    text = said(Shift(Counts(40, 90, 10, 900), Counts(40, 90, 10, 900), expected, shown, 50))
    assert "That is lower than expected, by −0.18 [−0.35, −0.02]: test images may differ" in text


def test_a_difference_within_its_interval_is_no_sign() -> None:
    expected, shown = PointEstimate(0.24, 0.12, 0.40), PointEstimate(0.09, 0.00, 0.25)
    text = said(Shift(Counts(40, 90, 10, 900), Counts(40, 90, 10, 900), expected, shown, 50))
    assert "The interval of the difference, −0.15 [−0.33, +0.05], contains 0: no sign" in text
    assert "lower than expected" not in text


def test_few_units_of_many_images_explain_nothing() -> None:
    one = shift(SYSTEM_A_VAL, Counts(60, 121, 77, 2741))
    assert one.recall_differs
    few = dataclasses.replace(one, units=9)
    assert not few.recall_differs
    assert "too few units to tell whether anything else changed" in said(few)


def test_images_of_the_same_units_make_the_difference_of_recall_uncertain() -> None:
    one = shift(Counts(80, 50, 20, 900), Counts(60, 50, 40, 900))
    assert one.recall_differs  # Newcombe's interval of -0.2 is [-0.32, -0.07]
    grouped = dataclasses.replace(one, effects=(5.0, 5.0))
    assert not grouped.recall_differs
    assert grouped.recall_gain.value == one.recall_gain.value


def test_precision_without_intervals_is_not_compared() -> None:
    one = shift(SYSTEM_A_VAL, Counts(122, 1000, 15, 1862), PointEstimate(0.11))
    assert said(one).endswith("Without intervals, these figures cannot tell whether anything else changed.")


def test_a_precision_of_nothing_is_a_figure_like_any_other() -> None:
    one = Shift(SYSTEM_A_VAL, SYSTEM_A_TEST, PointEstimate(0.3, 0.2, 0.4), PointEstimate(0.0, 0.0, 0.1), 100)
    assert one.precision_gain.clear


def test_equal_prevalences_compare_precision_with_the_expected_one() -> None:
    text = said(shift(Counts(90, 200, 10, 1900), Counts(88, 190, 12, 1910)))
    assert "The share of “panel” is about the same in validation (4.5 %) and test (4.5 %)." in text
    assert "contains 0: no sign that validation and test differ." in text


def test_what_is_never_decided_has_no_precision_to_compare() -> None:
    text = said(shift(SYSTEM_A_VAL, Counts(0, 0, 137, 2862), PointEstimate(None)))
    assert "never decided on test" in text
