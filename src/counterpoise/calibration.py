"""From raw logits to probabilities that hold on validation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

Floats = NDArray[np.float64]
Fit = tuple[Floats, Floats]
"""Scale (c,) and bias (c,): calibrated logits are scale * z + bias."""


def _none(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    return np.ones(logits.shape[1]), np.zeros(logits.shape[1])


def _temperature(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    rows = np.arange(len(targets))

    def negative_log_likelihood(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature) + offset, axis=1)[rows, targets].mean())

    found = minimize_scalar(negative_log_likelihood, bounds=(np.log(0.05), np.log(100.0)), method="bounded")
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
WITH_BIAS = ("vector",)
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


def apply(logits: Floats, scale: Floats, bias: Floats, offset: Floats) -> Floats:
    """Compute softmax(scale * z + bias + offset).

    Args:
        logits: (n, c) raw logits.
        scale: (c,).
        bias: (c,).
        offset: (c,) in nats.

    Returns:
        (n, c) probabilities.

    Example:
        >>> apply(np.zeros((1, 2)), np.ones(2), np.zeros(2), np.log([0.9, 0.1]))
        array([[0.9, 0.1]])
    """
    result: Floats = softmax(np.asarray(logits, dtype=np.float64) * scale + bias + offset, axis=1)
    return result
