"""Metrics of many labels against scikit-learn, with weights and resamples."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from counterpoise.metrics import multilabel

Array = np.ndarray[Any, Any]


def sample(n: int = 60, c: int = 5, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    truth = rng.random((n, c)) < np.array([0.6, 0.3, 0.2, 0.1, 0.0])[:c]
    return truth, np.round(np.clip(rng.random((n, c)) * 0.7 + 0.3 * truth, 0, 1), 2)  # with ties


PROBS: dict[str, Callable[..., Any]] = {
    "mean_average_precision": multilabel.mean_average_precision,
    "coverage": multilabel.coverage,
    "calibration_error": multilabel.calibration_error,
    "brier": multilabel.brier,
}
DECIDED: dict[str, Callable[..., Any]] = {"macro_f1": multilabel.macro_f1, "micro_f1": multilabel.micro_f1}


def oracle(name: str, truth: Array, probs: Array, weights: Array) -> float:
    present = (truth * weights[:, None]).any(axis=0)
    decided, labelled = probs >= 0.5, truth.any(axis=1)
    if name == "mean_average_precision":
        each = [
            sklearn_metrics.average_precision_score(truth[:, k], probs[:, k], sample_weight=weights)
            for k in np.flatnonzero(present)
        ]
        return float(np.mean(each))
    if name == "coverage":
        return float(sklearn_metrics.coverage_error(truth[labelled], probs[labelled], sample_weight=weights[labelled]))
    if name == "brier":
        return float(np.average(((probs - truth) ** 2).mean(axis=1), weights=weights))
    if name == "calibration_error":
        flat, said, w = truth.ravel(), probs.ravel(), np.repeat(weights, truth.shape[1])
        total = 0.0
        edges = np.linspace(0, 1, 16)
        for low, high in itertools.pairwise(edges):
            inside = (said > low) & (said <= high) | ((low == 0) & (said == 0))
            if w[inside].sum():
                gap = np.average(flat[inside], weights=w[inside]) - np.average(said[inside], weights=w[inside])
                total += w[inside].sum() / w.sum() * abs(gap)
        return total
    average: dict[str, Any] = {"macro_f1": {"average": "macro", "labels": np.flatnonzero(present)}}.get(
        name, {"average": "micro"}
    )
    return float(sklearn_metrics.f1_score(truth, decided, sample_weight=weights, zero_division=0, **average))


@pytest.mark.parametrize("name", [*PROBS, *DECIDED])
def test_values_are_scikit_learns_with_and_without_resamples(name):
    truth, probs = sample()
    rng = np.random.default_rng(1)
    resamples = rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=6)
    figure = PROBS.get(name) or DECIDED[name]
    second = probs if name in PROBS else probs >= 0.5
    assert figure(truth, second) == pytest.approx(oracle(name, truth, probs, np.ones(len(truth))))
    values = figure(truth, second, resamples)
    assert values.shape == (6,)
    for value, weights in zip(values, resamples, strict=True):
        assert value == pytest.approx(oracle(name, truth, probs, weights.astype(float)))


def test_images_without_any_label_leave_the_ranking_figures_undefined():
    truth, probs = np.zeros((4, 2), dtype=bool), np.full((4, 2), 0.3)
    assert np.isnan(multilabel.mean_average_precision(truth, probs))
    assert np.isnan(multilabel.mean_average_precision(truth, probs, np.ones((3, 4)))).all()
    assert np.isnan(multilabel.coverage(truth, probs))
    assert np.isnan(multilabel.macro_f1(truth, probs >= 0.5))


def test_an_absent_label_is_no_part_of_a_macro_average():
    truth, probs = sample()
    for figure, second in ((PROBS["mean_average_precision"], probs), (DECIDED["macro_f1"], probs >= 0.5)):
        assert figure(truth, second) == pytest.approx(float(figure(truth[:, :4], second[:, :4])))


def test_the_calibration_plot_adds_up_to_the_error():
    truth, probs = sample()
    said, was, number = multilabel.reliability(truth, probs)
    assert number.sum() == truth.size
    error = (np.abs(said - was) * number).sum() / number.sum()
    assert error == pytest.approx(float(multilabel.calibration_error(truth, probs)))
