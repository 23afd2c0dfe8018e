"""Figures with intervals: units, reasons, edges, and classes of a single unit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from counterpoise.evaluation import estimates
from counterpoise.evaluation.estimates import Score
from counterpoise.metrics import intervals

Array = np.ndarray[Any, Any]
CLASSES = 3


def a_test(copies: int, seed: int = 0, counts: tuple[int, ...] = (60, 30, 12)) -> dict[str, Array]:
    """Draw images of three classes; each stands `copies` times, in one unit."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(CLASSES), counts)
    scores = rng.normal(size=(len(targets), CLASSES)) + 1.5 * np.eye(CLASSES)[targets]
    targets, scores = np.repeat(targets, copies), np.repeat(scores, copies, axis=0)
    decided = scores.argmax(axis=1)
    return {
        "targets": targets,
        "decided": decided,
        "positives": targets == CLASSES - 1,
        "says": decided == CLASSES - 1,
        "scores": scores[:, -1],
        "units": np.arange(len(targets)) // copies,
        "truth": np.stack([targets != 1, targets != 0, targets == 2], axis=1),
        "probs": scores,
    }


FIGURES: dict[str, Callable[[dict[str, Array]], Score]] = {
    "share": lambda x: estimates.share(x["targets"] == x["decided"], x["units"]),
    "recall": lambda x: estimates.recall(x["positives"], x["says"], x["units"]),
    "precision": lambda x: estimates.precision(x["positives"], x["says"], x["units"]),
    "average precision": lambda x: estimates.average_precision(x["positives"], x["scores"], x["units"]),
    "average precision at": lambda x: estimates.average_precision_at(x["positives"], x["scores"], x["units"], 0.01),
    "roc auc": lambda x: estimates.roc_auc(x["positives"], x["scores"], x["units"]),
    "balanced accuracy": lambda x: estimates.balanced_accuracy(x["targets"], x["decided"], CLASSES, x["units"]),
    "macro f1": lambda x: estimates.macro_f1(x["targets"], x["decided"], CLASSES, x["units"]),
    "matthews": lambda x: estimates.matthews(x["targets"], x["decided"], CLASSES, x["units"]),
    "mean average precision": lambda x: estimates.mean_average_precision(x["truth"], x["probs"], x["units"]),
    "macro f1 of labels": lambda x: estimates.multilabel_macro_f1(x["truth"], x["probs"] > 0.8, x["units"]),
}
OF_A_CLASS = ("recall", "precision", "average precision", "average precision at", "roc auc")


def width(interval: intervals.Interval) -> float:
    return interval.high - interval.low


@pytest.mark.parametrize("name", FIGURES)
def test_copies_in_a_unit_do_not_narrow_an_interval(name: str) -> None:
    (value, once), (same, copied) = (FIGURES[name](a_test(copies)) for copies in (1, 6))
    assert once.low < value < once.high
    assert copied.low <= same <= copied.high
    if name != "average precision at":  # half of one negative is less among six times as many
        assert same == pytest.approx(value)
    assert width(copied) > 0.9 * width(once)


@pytest.mark.parametrize("name", FIGURES)
def test_copies_that_count_as_images_would_narrow_it(name: str) -> None:
    copied = a_test(6)
    alone = copied | {"units": np.arange(len(copied["targets"]))}
    assert width(FIGURES[name](copied)[1]) > 1.5 * width(FIGURES[name](alone)[1])


@pytest.mark.parametrize("name", OF_A_CLASS)
def test_a_class_of_a_single_unit_has_no_interval_but_a_reason(name: str) -> None:
    value, interval = FIGURES[name](a_test(6, counts=(60, 30, 1)))
    assert np.isnan(value) or 0 <= value <= 1
    assert np.isnan(interval.low)
    assert interval.reason == estimates.FEW_POSITIVES


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {*OF_A_CLASS, "share"}))
def test_means_take_a_class_of_a_single_unit_for_unknown(name: str) -> None:
    (_, few), (_, enough) = (FIGURES[name](a_test(6, counts=counts)) for counts in ((60, 30, 1), (60, 30, 12)))
    assert few.reason == ""
    if name != "matthews":
        assert width(few) > 1.2 * width(enough)


@pytest.mark.parametrize("name", FIGURES)
def test_one_unit_alone_has_no_interval(name: str) -> None:
    x = a_test(1)
    _, interval = FIGURES[name](x | {"units": np.zeros(len(x["targets"]), dtype=np.int64)})
    assert np.isnan(interval.low)
    assert interval.reason


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_all_right_is_no_point(name: str) -> None:
    x = a_test(1)
    perfect = np.eye(CLASSES)[x["targets"]]
    right = x | {"decided": x["targets"], "says": x["positives"], "scores": perfect[:, -1], "probs": x["truth"] * 1.0}
    value, interval = FIGURES[name](right)
    assert value == 1
    assert interval.low < 0.99
    assert interval.high == 1


@pytest.mark.parametrize("figure", [estimates.precision_at, estimates.flagged_at])
def test_images_of_one_unit_widen_the_interval_of_a_figure_at_a_prevalence(
    figure: Callable[..., estimates.Score],
) -> None:
    spans = []
    for copies in (1, 4):
        x = a_test(copies)
        value, interval = figure(estimates.rates(x["positives"], x["says"], x["units"]), 0.01)
        assert interval.low < value < interval.high
        spans.append(interval.high - interval.low)
    assert spans[1] > 0.95 * spans[0]
    alone = estimates.rates(x["positives"], x["says"], np.arange(len(x["units"])))
    low, high, _ = figure(alone, 0.01)[1]
    assert high - low < 0.7 * spans[1]


def test_a_figure_at_a_prevalence_needs_two_units_of_each_side() -> None:
    actual = np.array([True] * 4 + [False] * 4)
    for units, reason in (([0] * 4 + [1, 2, 3, 4], "FEW_POSITIVES"), ([0, 1, 2, 3] + [4] * 4, "FEW_NEGATIVES")):
        _, interval = estimates.precision_at(estimates.rates(actual, actual, np.array(units)), 0.1)
        assert interval.reason == getattr(estimates, reason)


def test_a_calibration_error_without_variance_has_no_interval() -> None:
    value, interval = estimates.calibration_error(
        np.zeros(6), np.zeros(6, dtype=np.int64), np.arange(6), count=1, resamples=50, rng=np.random.default_rng(0)
    )
    assert value == 0
    assert interval.reason == estimates.ALIKE


def test_a_class_that_is_never_decided_for_has_no_precision_and_says_so() -> None:
    x = a_test(1)
    value, interval = estimates.precision(x["positives"], np.zeros_like(x["says"]), x["units"])
    assert np.isnan(value)
    assert interval.reason == estimates.NO_DECIDED


def test_a_class_that_is_decided_for_always_has_the_interval_of_a_share() -> None:
    x = a_test(1)
    value, (low, high, _) = estimates.precision(x["positives"], np.ones_like(x["says"]), x["units"])
    assert value == 12 / 102
    assert (low, high) == pytest.approx(tuple(map(float, intervals.clopper_pearson(12, 102))))


def test_six_images_of_one_object_say_nothing() -> None:
    units, actual = np.array([0] * 6 + list(range(1, 41))), np.arange(46) < 6
    for score in (estimates.recall(actual, ~actual, units), estimates.precision(actual, actual, units)):
        assert np.isnan(score[1].low)
        assert score[1].reason == "all images of the class are of one unit"
