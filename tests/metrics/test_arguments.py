"""What every figure does with weights: one weighting or many, none at all, and those that do not fit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from counterpoise.metrics import averages, confusion, probability, ranking

Problem = Callable[[int], dict[str, Any]]
"""From a seed to targets, decisions, probabilities, tied scores and weights."""
BATCHED: dict[str, Callable[[dict[str, Any], Any], Any]] = {
    "confusion": lambda x, w: confusion.confusion_matrix(x["targets"], x["decisions"], 4, w),
    "average_precision": lambda x, w: ranking.average_precision(x["positives"], x["scores"], w),
    "roc_auc": lambda x, w: ranking.roc_auc(x["positives"], x["scores"], w),
    "expected_calibration_error": lambda x, w: probability.expected_calibration_error(x["probs"], x["targets"], w),
    "reliability": lambda x, w: probability.reliability(x["probs"][:, 0], x["positives"], w, bins=5),
    "brier": lambda x, w: probability.brier(x["probs"], x["targets"], w),
}


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("chunk", [1, 150, 10**6])
def test_a_batch_of_weights_equals_a_loop_over_its_rows(
    a_problem: Problem, name: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(averages, "CHUNK_ELEMENTS", chunk)
    problem = a_problem(0)
    looped = [np.asarray(BATCHED[name](problem, row)) for row in problem["batch"]]
    batch = np.asarray(BATCHED[name](problem, problem["batch"]))
    if name == "reliability":  # three fields, each of them batched
        batch = np.moveaxis(batch, 0, 1)
    np.testing.assert_allclose(batch, np.stack(looped), rtol=1e-12)


@pytest.mark.parametrize("name", BATCHED)
def test_a_multiplicity_equals_a_repeated_example(a_problem: Problem, name: str) -> None:
    problem = a_problem(1)
    times = problem["batch"][0]
    repeated = {key: np.repeat(value, times, axis=0) for key, value in problem.items() if key != "batch"}
    np.testing.assert_allclose(
        np.asarray(BATCHED[name](problem, times)), np.asarray(BATCHED[name](repeated, None)), rtol=1e-12
    )


@pytest.mark.parametrize("name", BATCHED)
def test_weights_of_one_equal_no_weights_and_their_scale_is_free(a_problem: Problem, name: str) -> None:
    problem = a_problem(2)
    ones = np.ones(len(problem["targets"]))
    without = np.asarray(BATCHED[name](problem, None))
    np.testing.assert_allclose(np.asarray(BATCHED[name](problem, ones)), without)
    if name not in ("confusion", "reliability"):  # which count
        np.testing.assert_allclose(BATCHED[name](problem, 3.7 * ones), without)


@pytest.mark.parametrize("name", sorted(set(BATCHED) - {"confusion", "reliability"}))
def test_without_weight_a_metric_is_nan_and_nothing_warns(a_problem: Problem, name: str) -> None:
    problem = a_problem(3)
    batch = problem["batch"]
    batch[1] = 0
    values = BATCHED[name](problem, batch)
    assert np.isnan(values).tolist() == [False, True, False, False, False, False, False]
    assert isinstance(BATCHED[name](problem, batch[1]), float)


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            np.ones(59),
            r"weights: found float64 of shape \(59,\); expected numbers of shape \(60,\) or \(b, 60\)",
        ),
        (np.ones((60, 1)), r"shape \(60, 1\)"),
        (np.ones((0, 60)), r"shape \(0, 60\)"),
        (np.ones((1, 1, 60)), r"shape \(1, 1, 60\)"),
        (np.full(60, "1"), "weights: found <U1"),
        (
            np.r_[-1.0, np.ones(59)],
            "weights: found values from -1.0 to 1.0; expected finite, 0 or more",
        ),
        (np.r_[np.nan, np.ones(59)], "weights: found values from nan"),
        (np.r_[np.inf, np.ones(59)], "weights: found values from 1.0 to inf"),
    ],
)
def test_weights_that_do_not_fit_are_refused(a_problem: Problem, name: str, weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BATCHED[name](a_problem(0), weights)
