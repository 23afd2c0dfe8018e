"""Curves through figures whose growth is known, and what is said of them."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from counterpoise.metrics import intervals
from counterpoise.study import learning_curve_report

SIZES = (Fraction(1, 4), Fraction(1, 2), Fraction(1))


def test_a_curve_goes_on_to_twice_the_labels() -> None:
    scores = 1 - (0.1 + 0.05 / np.array([0.25, 0.5, 1.0]))
    noise = np.random.default_rng(0).normal(size=(4, 1, 51)) * 0.01
    noise[:, :, 0] = 0  # on the images of validation
    curve = learning_curve_report.curve("recall", SIZES, scores[None, :, None] + noise, np.random.default_rng(0))
    assert curve.scores == pytest.approx(scores)
    assert (curve.gain, curve.exponent) == pytest.approx((0.025, 1.0))
    assert curve.gain_interval.low < 0.025 < curve.gain_interval.high
    assert all(low < score < high for score, (low, high, _) in zip(curve.scores, curve.intervals, strict=True))


def a_curve(gain: float, low: float, high: float, undefined: int = 0) -> learning_curve_report.LearningCurves:
    interval = intervals.Percentiles(low, high, undefined)
    curve = learning_curve_report.Curve("average precision of solar", (0.5,), (interval,), gain, interval, 0.5)
    return learning_curve_report.LearningCurves((Fraction(1),), (10, 20), (3, 6), "solar", 0.3, 100, (curve,))


def test_the_sentence_says_what_is_known_and_what_is_not() -> None:
    def sentence(*numbers: Any) -> str:
        result = a_curve(*numbers)
        return learning_curve_report.sentence(result, result.curves[0])

    assert sentence(0.03, 0.01, 0.05) == (
        "Twice the labels (20 images, 6 of solar) would change average precision of solar by +0.030 [+0.010, +0.050]."
    )
    assert "this may be no change, since the interval contains 0." in sentence(0.03, -0.01, 0.05)
    assert "no power law fits 7 of 100 resamples" in sentence(0.03, 0.01, 0.05, 7)
    assert "no power law fits average precision of solar" in sentence(float("nan"), float("nan"), float("nan"))


def test_the_table_has_a_row_for_each_share_and_begins_its_words_with_the_class_that_matters() -> None:
    interval = intervals.Percentiles(0.1, 0.3, 0)
    curves = [
        learning_curve_report.Curve(name, (0.2,) * 3, (interval,) * 3, 0.1, interval, 0.5)
        for name in ("first", "of solar")
    ]
    result = learning_curve_report.LearningCurves(
        SIZES, (10, 20, 40, 80), (1, 2, 4, 8), "solar", 0.046, 100, tuple(curves)
    )
    lines = learning_curve_report.table(result).splitlines()
    assert lines[2].split() == ["1/2", "20", "2", "0.200", "[0.100,", "0.300]", "0.200", "[0.100,", "0.300]"]
    assert [" would change of solar by " in line for line in lines[5:7]] == [True, False]
    assert " would change first by " in lines[6]
    assert "is for 4.6 % of it, its share in the target; no skill has 0.046." in lines[7]


def test_a_picture_without_all_labels_or_without_a_fit_leaves_out_what_comes_after() -> None:
    result, nan = a_curve(0.03, 0.01, 0.05), float("nan")
    assert "twice the labels" in learning_curve_report.chart(result)
    for other in (
        a_curve(nan, nan, nan),
        learning_curve_report.LearningCurves((Fraction(1, 2),), (5, 20), (1, 6), "solar", 0.3, 9, result.curves),
    ):
        assert "from a power law" not in learning_curve_report.chart(other)
