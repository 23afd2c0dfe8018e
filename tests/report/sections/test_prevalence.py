import pytest

from counterpoise.calibration import prevalence as maths
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.facts import Counts
from counterpoise.report.sections.prevalence import Shift, explain

SYSTEM_A_VAL = Counts(674, 67, 110, 717)
SYSTEM_A_TEST = Counts(122, 247, 15, 2615)


def shift(val: Counts, test: Counts, shown: PointEstimate | None = None) -> Shift:
    value, interval = maths.expected_precision((val.tp, val.fp, val.fn, val.tn), test.prevalence)
    promised = PointEstimate(value, interval.low, interval.high)
    around = PointEstimate(test.precision, test.precision - 0.03, test.precision + 0.03)
    return Shift(val, test, promised, shown or around)


def said(one: Shift) -> str:
    return " ".join(explain(one, "“panel”"))


def test_counts_know_the_four_rates_of_a_confusion() -> None:
    assert SYSTEM_A_TEST.recall == pytest.approx(122 / 137)
    assert SYSTEM_A_TEST.precision == pytest.approx(122 / 369)
    assert SYSTEM_A_TEST.prevalence == pytest.approx(137 / 2999)
    assert SYSTEM_A_TEST.false_positive_rate == pytest.approx(247 / 2862)


def test_precision_that_fell_with_the_prevalence_is_no_fault() -> None:
    text = said(shift(SYSTEM_A_VAL, SYSTEM_A_TEST))
    assert "In validation 50 % of the images were “panel”, in test 4.6 %." in text
    assert "it was 86 % on validation and 89 % on test" in text
    assert (
        "it was 91 % on validation, and at 4.6 % the same decisions promised 0.33 [0.28, 0.38]. Test shows 0.33" in text
    )
    assert text.endswith("Precision fell because the prevalence fell: nothing broke.")


def test_precision_below_the_promise_is_not_excused_by_the_prevalence() -> None:
    text = said(shift(SYSTEM_A_VAL, Counts(122, 1000, 15, 1862)))
    assert "less than promised" in text
    assert "nothing broke" not in text


def test_recall_that_changed_is_not_excused_by_the_prevalence() -> None:
    test = Counts(60, 121, 77, 2741)
    text = said(shift(SYSTEM_A_VAL, test))
    assert "it was 86 % on validation and 44 % on test" in text
    assert "Recall should be the same" in text
    assert "nothing broke" not in text


def test_few_images_excuse_nothing() -> None:
    text = said(shift(Counts(5, 0, 0, 5), Counts(2, 4, 0, 94)))
    assert "too few images to say" in text


def test_equal_prevalences_ask_whether_the_promise_was_kept() -> None:
    text = said(shift(Counts(90, 200, 10, 1900), Counts(88, 190, 12, 1910)))
    assert "about the same share" in text
    assert "The promise was kept." in text


def test_what_is_never_decided_has_no_precision_to_compare() -> None:
    text = said(shift(SYSTEM_A_VAL, Counts(0, 0, 137, 2862), PointEstimate(None)))
    assert "never decided on test" in text
