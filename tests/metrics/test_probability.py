"""Figures of probabilities against scikit-learn, values by hand, and limiting cases."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as oracle

from counterpoise.metrics import probability

Problem = Callable[[int], dict[str, Any]]
"""From a seed to targets, decisions, probabilities, tied scores and weights."""


@pytest.mark.parametrize("seed", range(3))
def test_brier_equals_scikit_learn(a_problem: Problem, seed: int) -> None:
    x = a_problem(seed)
    p, t = x["probs"], x["targets"]
    for w in (None, x["weights"]):
        two = np.stack([1 - p[:, 0], p[:, 0]], axis=1)
        assert probability.brier(two, t == 0, w) == pytest.approx(
            2 * oracle.brier_score_loss(t == 0, p[:, 0], sample_weight=w)
        )
        one_hot = np.eye(4)[t]
        assert probability.brier(p, t, w) == pytest.approx(np.average(((p - one_hot) ** 2).sum(1), weights=w))


def test_certainty_scores_best_when_right_and_worst_when_wrong() -> None:
    certain = [[1.0, 0.0]]
    assert probability.brier(certain, [0]) == 0
    assert probability.brier(certain, [1]) == 2


def test_brier_of_uniform_probabilities_by_hand() -> None:
    uniform = np.full((3, 5), 0.2)
    assert probability.brier(uniform, [0, 2, 4]) == pytest.approx(0.8**2 + 4 * 0.2**2)


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_equals_its_definition_summed_bin_by_bin(a_problem: Problem, seed: int) -> None:
    x = a_problem(seed)
    confidence, right, w = x["probs"].max(1), x["probs"].argmax(1) == x["targets"], x["weights"]
    expected = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if w[inside].sum() > 0:
            gap = np.average(right[inside], weights=w[inside]) - np.average(confidence[inside], weights=w[inside])
            expected += w[inside].sum() / w.sum() * abs(gap)
    assert probability.expected_calibration_error(x["probs"], x["targets"], w) == pytest.approx(expected)


def test_one_bin_compares_mean_confidence_with_accuracy() -> None:
    probs, targets = [[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.2, 0.8]], [0, 1, 1, 1]
    error = probability.expected_calibration_error(probs, targets, bins=1)
    assert error == pytest.approx(abs((0.9 + 0.7 + 0.6 + 0.8) / 4 - 3 / 4))


def test_calibrated_forecasts_have_little_calibration_error_and_overconfident_ones_much() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    targets = (rng.random(50_000) < p).astype(int)
    sharp = p**3 / (p**3 + (1 - p) ** 3)
    calibrated, overconfident = (
        probability.expected_calibration_error(np.stack([1 - q, q], axis=1), targets) for q in (p, sharp)
    )
    assert calibrated < 0.01
    assert overconfident > 0.05


def test_reliability_of_calibrated_forecasts_lies_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000) ** 3
    for equal_count in (False, True):
        points = probability.reliability(p, rng.random(50_000) < p, bins=10, equal_count=equal_count)
        assert points.counts.sum() == 50_000
        np.testing.assert_allclose(points.observed, points.predicted, atol=0.05)
        assert (np.ptp(points.counts) <= 1) == equal_count


def test_an_empty_bin_is_nan_with_count_zero() -> None:
    points = probability.reliability([0.0, 0.5, 1.0], [0, 0, 1], bins=4)
    np.testing.assert_array_equal(points.counts, [1, 1, 0, 1])  # (0.25, 0.5] holds its upper end
    np.testing.assert_array_equal(points.predicted, [0, 0.5, np.nan, 1])
    np.testing.assert_array_equal(points.observed, [0, 0, np.nan, 1])


@pytest.mark.parametrize("metric", [probability.brier, probability.expected_calibration_error])
@pytest.mark.parametrize(
    ("probs", "targets", "message"),
    [
        (
            [[0.5, 0.5], [0.5, 0.4998]],
            [0, 1],
            r"probs: 1 of 2 rows are not probabilities, such as row 1, .*sum to 1 within 1e-4",
        ),
        ([[1.5, -0.5]], [0], "are they logits"),
        ([[np.nan, 1.0]], [0], "probs: 1 of 1 rows are not probabilities"),
        ([0.5, 0.5], [0, 1], r"probs: found shape \(2,\); expected \(n, c\)"),
        ([[0.5, 0.5]], [2], "targets: found values from 2 to 2; expected 0 to 1"),
        ([[0.5, 0.5]], [0, 1], r"targets: found int64 of shape \(2,\); expected integers of shape \(1,\)"),
    ],
)
def test_what_are_no_probabilities_of_the_targets_is_refused(
    metric: Any, probs: Any, targets: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metric(probs, targets)


def test_single_precision_probabilities_are_accepted() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 300)).astype(np.float32)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert probs.dtype == np.float32
    assert np.isfinite(probability.brier(probs, np.zeros(50, dtype=int)))


def test_bins_and_probabilities_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="bins: found 0; expected at least 1"):
        probability.expected_calibration_error([[1.0, 0.0]], [0], bins=0)
    with pytest.raises(ValueError, match=r"probs_of_class: found values from 0\.5 to 1\.5; expected 0 to 1"):
        probability.reliability([0.5, 1.5], [0, 1])
