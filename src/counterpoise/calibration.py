"""From raw logits to probabilities that hold on validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, softmax

Floats = NDArray[np.float64]
Fit = tuple[Floats, Floats]
"""Scale (c,) and bias (c,): calibrated logits are scale * z + bias."""


LOG_TEMPERATURES = (float(np.log(0.05)), float(np.log(100.0)))
"""Where a temperature is looked for, in logarithms."""


def _none(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    return np.ones(logits.shape[1]), np.zeros(logits.shape[1])


def _temperature(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    rows = np.arange(len(targets))

    def negative_log_likelihood(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature) + offset, axis=1)[rows, targets].mean())

    found = minimize_scalar(negative_log_likelihood, bounds=LOG_TEMPERATURES, method="bounded")
    return np.full(logits.shape[1], np.exp(-found.x)), np.zeros(logits.shape[1])


def _vector(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    count = logits.shape[1]
    truth = np.eye(count)[targets]
    # A gaussian prior around "change nothing", worth one example: it keeps the fit finite where a class has no
    # validation image or is perfectly separated.
    strength = 1.0 / len(targets)

    def objective(parameters: Floats) -> tuple[float, Floats]:
        scale, bias = parameters[:count], parameters[count:]
        scores = scale * logits + bias + offset
        surplus = softmax(scores, axis=1) - truth
        value = -float((truth * log_softmax(scores, axis=1)).sum(axis=1).mean())
        value += strength / 2 * float(((scale - 1) ** 2).sum() + (bias**2).sum())
        slope_scale = (surplus * logits).mean(axis=0) + strength * (scale - 1)
        return value, np.concatenate([slope_scale, surplus.mean(axis=0) + strength * bias])

    start = np.concatenate([np.ones(count), np.zeros(count)])
    found = minimize(objective, start, jac=True, method="L-BFGS-B")
    return found.x[:count], found.x[count:]


CALIBRATORS: dict[str, Callable[[Floats, NDArray[np.int64], Floats], Fit]] = {
    "none": _none,
    "temperature": _temperature,
    "vector": _vector,
}
WITH_BIAS = ("vector", "platt")
"""Calibrators that learn validation's prior by themselves, so that no ledger correction may precede them."""


def fit(name: str, logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    """Fit a calibrator by the log-likelihood of validation.

    `temperature`: softmax(z / T + offset), one T in [0.05, 100]; `vector`: softmax(w * z + b + offset), a factor and
    a summand for each class, held near 1 and 0 by a gaussian prior worth one example.

    Args:
        name: `none`, `temperature` or `vector`.
        logits: (n, c) raw logits of validation.
        targets: (n,) class indices.
        offset: (c,) in nats, what the ledger adds; it stays in place while fitting.

    Returns:
        scale (c,) and bias (c,).

    Raises:
        ValueError: The calibrator is unknown, there are no examples, or an offset is given to one with a bias, which
            would correct the prior twice.

    Source: Guo et al. (2017), On Calibration of Modern Neural Networks, section 4.2.

    Example:
        >>> scale, bias = fit("none", np.zeros((1, 2)), np.array([0]), np.zeros(2))
        >>> scale, bias
        (array([1., 1.]), array([0., 0.]))
    """
    if name not in CALIBRATORS:
        raise ValueError(f"decide.calibrator is {name!r}; expected one of {list(CALIBRATORS)}")
    if not len(logits):
        raise ValueError("calibration needs at least one validation image")
    if name in WITH_BIAS and np.any(offset):
        raise ValueError(f"{name!r} learns the prior of validation by itself; an offset would correct it twice")
    return CALIBRATORS[name](np.asarray(logits, dtype=np.float64), targets, np.asarray(offset, dtype=np.float64))


def apply(logits: Floats, scale: Floats, bias: Floats, offset: Floats, *, task: str = "multiclass") -> Floats:
    """Compute softmax(scale * z + bias + offset), or for many labels sigmoid of the same.

    Args:
        logits: (n, c) raw logits.
        scale: (c,).
        bias: (c,).
        offset: (c,) in nats.
        task: `multiclass` or `multilabel`.

    Returns:
        (n, c) probabilities.

    Example:
        >>> apply(np.zeros((1, 2)), np.ones(2), np.zeros(2), np.log([0.9, 0.1]))
        array([[0.9, 0.1]])
        >>> apply(np.zeros((1, 2)), np.ones(2), np.zeros(2), np.log([3.0, 1.0]), task="multilabel")
        array([[0.75, 0.5 ]])
    """
    scores = np.asarray(logits, dtype=np.float64) * scale + bias + offset
    result: Floats = expit(scores) if task == "multilabel" else softmax(scores, axis=1)
    return result


@dataclass(frozen=True)
class LabelFit:
    """Calibration of many labels.

    Attributes:
        scale: (c,) factors.
        bias: (c,) summands.
        pooled: (c,) whether a label has too few positives or negatives of its own, so that it borrowed from all.
    """

    scale: Floats
    bias: Floats
    pooled: NDArray[np.bool_]


def _binary_loss(scores: Floats, truth: Floats) -> float:
    return float(np.logaddexp(0, np.where(truth > 0.5, -scores, scores)).sum())


def _one_temperature(logits: Floats, truth: Floats, offset: Floats) -> float:
    def loss(log_temperature: float) -> float:
        return _binary_loss(logits / np.exp(log_temperature) + offset, truth)

    return float(np.exp(-minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


def _no_labels(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> LabelFit:
    count = logits.shape[1]
    return LabelFit(np.ones(count), np.zeros(count), np.zeros(count, dtype=np.bool_))


def _temperatures(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> LabelFit:
    scale = np.full(logits.shape[1], _one_temperature(logits, truth, offset))
    for index in np.flatnonzero(enough):
        scale[index] = _one_temperature(logits[:, index], truth[:, index], offset[index])
    return LabelFit(scale, np.zeros_like(scale), ~enough)


def _platt(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> LabelFit:
    count = logits.shape[1]

    def objective(parameters: Floats) -> tuple[float, Floats]:
        """One scale for all labels, a bias for each; a gaussian prior worth one example keeps each bias finite."""
        scale, bias = parameters[0], parameters[1:]
        scores = scale * logits + bias
        surplus = expit(scores) - truth
        value = _binary_loss(scores, truth) + float((bias**2).sum()) / 2 + float((scale - 1) ** 2) / 2
        return value, np.concatenate([[(surplus * logits).sum() + scale - 1], surplus.sum(axis=0) + bias])

    found = minimize(objective, np.concatenate([[1.0], np.zeros(count)]), jac=True, method="L-BFGS-B").x
    scale, bias = np.full(count, found[0]), found[1:].copy()
    for index in np.flatnonzero(enough):
        scale[index], bias[index] = _own_platt(logits[:, index], truth[:, index], scale[index], bias[index])
    return LabelFit(scale, bias, ~enough)


def _own_platt(logits: Floats, truth: Floats, scale: float, bias: float) -> Floats:
    start = np.array([scale, bias])

    def objective(parameters: Floats) -> tuple[float, Floats]:
        scores = parameters[0] * logits + parameters[1]
        surplus, pull = expit(scores) - truth, parameters - start
        value = _binary_loss(scores, truth) + float(pull @ pull) / 2
        return value, np.array([surplus @ logits, surplus.sum()]) + pull

    return np.asarray(minimize(objective, start, jac=True, method="L-BFGS-B").x)


LABEL_CALIBRATORS: dict[str, Callable[[Floats, Floats, Floats, NDArray[np.bool_]], LabelFit]] = {
    "none": _no_labels,
    "temperature": _temperatures,
    "platt": _platt,
}


def fit_labels(
    name: str, logits: Floats, truth: NDArray[np.bool_], offset: Floats, *, min_positives: int = 10
) -> LabelFit:
    """Fit a calibrator of many labels by the log-likelihood of validation, label by label.

    `temperature`: sigmoid(z / T_l + offset_l), T_l in [0.05, 100]; a label with too few positives or negatives takes
    the T that suits all labels together. `platt`: sigmoid(a_l z + b_l), held near the fit of all labels together (one
    a, a b for each label) by a gaussian prior worth one example; a label with too few keeps that fit.

    Args:
        name: `none`, `temperature` or `platt`.
        logits: (n, c) raw logits of validation.
        truth: (n, c) what the images bear.
        offset: (c,) in nats, what the ledger adds; it stays in place while fitting.
        min_positives: Positives, and negatives, from which on a label is fitted by itself.

    Returns:
        Scale and bias of each label, and which of them borrowed from all.

    Raises:
        ValueError: The calibrator is unknown, there are no examples, or an offset is given to one with a bias.

    Source: Platt (1999), Probabilistic Outputs for Support Vector Machines; Guo et al. (2017) for the temperature.
        Departure: the gaussian prior in place of Platt's smoothed targets.

    Example:
        >>> fit_labels("none", np.zeros((1, 2)), np.array([[True, False]]), np.zeros(2)).scale
        array([1., 1.])
    """
    if name not in LABEL_CALIBRATORS:
        raise ValueError(f"decide.calibrator is {name!r}; expected one of {list(LABEL_CALIBRATORS)} for many labels")
    if not len(logits):
        raise ValueError("calibration needs at least one validation image")
    if name in WITH_BIAS and np.any(offset):
        raise ValueError(f"{name!r} learns the prior of validation by itself; an offset would correct it twice")
    positives = truth.sum(axis=0)
    enough = np.minimum(positives, len(truth) - positives) >= min_positives
    return LABEL_CALIBRATORS[name](np.asarray(logits, np.float64), truth.astype(np.float64), np.asarray(offset), enough)
