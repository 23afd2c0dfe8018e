"""Figures of rankings against scikit-learn, values by hand, and limiting cases."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as oracle

from counterpoise.metrics import confusion, ranking

Problem = Callable[[int], dict[str, Any]]
"""From a seed to targets, decisions, probabilities, tied scores and weights."""


@pytest.mark.parametrize("seed", range(10))
def test_rankings_equal_scikit_learn_with_ties_and_weights(a_problem: Problem, seed: int) -> None:
    x = a_problem(seed)
    y, s = x["positives"], x["scores"]
    assert len(np.unique(s)) < len(s)
    for w in (None, x["weights"], x["batch"][0]):
        assert ranking.average_precision(y, s, w) == pytest.approx(
            oracle.average_precision_score(y, s, sample_weight=w), rel=1e-12
        )
        assert ranking.roc_auc(y, s, w) == pytest.approx(oracle.roc_auc_score(y, s, sample_weight=w), rel=1e-12)


def test_a_constant_score_has_no_skill() -> None:
    y = np.arange(20) < 3
    assert ranking.average_precision(y, np.zeros(20)) == 0.15
    assert ranking.roc_auc(y, np.zeros(20)) == 0.5


def test_the_perfect_and_the_worst_ranking() -> None:
    y = np.array([1, 0, 0, 0])
    assert ranking.average_precision(y, y) == ranking.roc_auc(y, y) == 1
    assert ranking.average_precision(y, -y) == 0.25
    assert ranking.roc_auc(y, -y) == 0


def test_fractional_weights_never_round_above_one() -> None:
    rng = np.random.default_rng(0)
    y, w = np.arange(300) < 150, rng.exponential(size=(200, 300))
    scores = y + rng.random(300) / 2
    assert np.max(ranking.average_precision(y, scores, w)) <= 1
    assert np.max(ranking.roc_auc(y, scores, w)) <= 1


def test_one_class_alone_leaves_rankings_undefined() -> None:
    s = [0.1, 0.2, 0.3]
    assert np.isnan(ranking.average_precision([0, 0, 0], s))
    assert np.isnan(ranking.roc_auc([0, 0, 0], s))
    assert np.isnan(ranking.roc_auc([1, 1, 1], s))
    assert ranking.average_precision([1, 1, 1], s) == 1
    np.testing.assert_array_equal(np.isnan(ranking.roc_auc([1, 0, 0], s, [[1, 1, 1], [0, 1, 1]])), [False, True])


def test_no_examples_leave_rankings_undefined() -> None:
    assert np.isnan(ranking.average_precision([], []))
    assert np.isnan(ranking.roc_auc([], []))


@pytest.mark.parametrize("metric", [ranking.average_precision, ranking.roc_auc, ranking.precision_recall_curve])
@pytest.mark.parametrize(
    ("positives", "scores", "message"),
    [
        ([0, 2], [0.1, 0.2], "positives: found .* expected .* 0 and 1"),
        ([[0, 1]], [[0.1, 0.2]], r"positives: found shape \(1, 2\)"),
        ([0, 1], [0.1], r"scores: found shape \(1,\); expected \(2,\)"),
        ([0, 1], [0.1, np.nan], "scores: 1 of 2 values are not finite"),
    ],
)
def test_rankings_of_what_cannot_be_ranked_are_refused(metric: Any, positives: Any, scores: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(positives, scores)


@pytest.mark.parametrize("seed", range(10))
def test_the_curve_is_that_of_scikit_learn_bit_for_bit(a_problem: Problem, seed: int) -> None:
    x = a_problem(seed)
    y, s = x["positives"], x["scores"]
    assert len(np.unique(s)) < len(s)
    assert (x["batch"][0] == 0).any()
    for w in (None, x["weights"], x["batch"][0]):
        curve = ranking.precision_recall_curve(y, s, w)
        precision, recall, threshold = oracle.precision_recall_curve(y, s, sample_weight=w)
        np.testing.assert_array_equal(curve.precision, precision[:-1])
        np.testing.assert_array_equal(curve.recall, recall[:-1])
        np.testing.assert_array_equal(curve.threshold, threshold)


@pytest.mark.parametrize("seed", range(3))
def test_the_curve_states_what_each_threshold_does(a_problem: Problem, seed: int) -> None:
    x = a_problem(seed)
    y, s, w = x["positives"], x["scores"], x["weights"]
    curve = ranking.precision_recall_curve(y, s, w)
    assert len(curve.precision) == len(curve.recall) == len(curve.threshold)
    for precision, recall, threshold in zip(*curve, strict=True):
        table = confusion.confusion_matrix(y, s >= threshold, 2, w)
        assert precision == pytest.approx(table[1, 1] / table[:, 1].sum())
        assert recall == pytest.approx(confusion.recall(table)[1])


def test_average_precision_is_the_sum_of_the_steps_of_the_curve(a_problem: Problem) -> None:
    x = a_problem(0)
    curve = ranking.precision_recall_curve(x["positives"], x["scores"])
    steps = curve.recall - np.append(curve.recall[1:], 0)
    expected = ranking.average_precision(x["positives"], x["scores"])
    assert (steps * curve.precision).sum() == pytest.approx(expected)


def test_a_curve_without_positives_is_empty() -> None:
    assert [len(field) for field in ranking.precision_recall_curve([0, 0], [0.1, 0.2])] == [0, 0, 0]
    assert [len(field) for field in ranking.precision_recall_curve([1, 0], [0.1, 0.2], [0, 1])] == [0, 0, 0]


def test_a_curve_of_resamples_is_refused() -> None:
    with pytest.raises(ValueError, match="curves of resamples differ in length"):
        ranking.precision_recall_curve([0, 1], [0.1, 0.2], np.ones((3, 2)))
