"""Calibrators of labels, each with a sigmoid of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from counterpoise.calibration.calibrators import (
    LOG_TEMPERATURES,
    Curve,
    Fit,
    Floats,
    check,
    isotonic_curve,
    straight,
)

STRAIGHT: Curve = ((), ())
"""No curve."""


def _binary_loss(scores: Floats, truth: Floats) -> float:
    return float(np.logaddexp(0, np.where(truth > 0.5, -scores, scores)).sum())


def _one_temperature(logits: Floats, truth: Floats, offset: Floats) -> float:
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return _binary_loss(logits / np.exp(log_temperature) + offset, truth)

    return float(np.exp(-minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


def _none(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> Fit:
    count = logits.shape[1]
    return straight(np.ones(count), np.zeros(count))


def _temperatures(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> Fit:
    scale = np.full(logits.shape[1], _one_temperature(logits, truth, offset))
    for index in np.flatnonzero(enough):
        scale[index] = _one_temperature(logits[:, index], truth[:, index], offset[index])
    return Fit(scale, np.zeros_like(scale), ~enough)


def _platt(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> Fit:
    from scipy.optimize import minimize
    from scipy.special import expit

    count = logits.shape[1]

    def objective(parameters: Floats) -> tuple[float, Floats]:
        """One scale for all labels, a bias for each; a gaussian prior worth one example keeps each bias finite."""
        scale, bias = parameters[0], parameters[1:]
        scores = scale * logits + bias
        surplus = expit(scores) - truth
        value = _binary_loss(scores, truth) + float((bias**2).sum()) / 2 + float((scale - 1) ** 2) / 2
        return value, np.concatenate([[(surplus * logits).sum() + scale - 1], surplus.sum(axis=0) + bias])

    best = minimize(objective, np.concatenate([[1.0], np.zeros(count)]), jac=True, method="L-BFGS-B").x
    scale, bias = np.full(count, best[0]), best[1:].copy()
    for index in np.flatnonzero(enough):
        scale[index], bias[index] = _own_platt(logits[:, index], truth[:, index], scale[index], bias[index])
    return Fit(scale, bias, ~enough)


def _own_platt(logits: Floats, truth: Floats, scale: float, bias: float) -> Floats:
    from scipy.optimize import minimize
    from scipy.special import expit

    start = np.array([scale, bias])

    def objective(parameters: Floats) -> tuple[float, Floats]:
        scores = parameters[0] * logits + parameters[1]
        surplus, pull = expit(scores) - truth, parameters - start
        value = _binary_loss(scores, truth) + float(pull @ pull) / 2
        return value, np.array([surplus @ logits, surplus.sum()]) + pull

    return np.asarray(minimize(objective, start, jac=True, method="L-BFGS-B").x)


def _isotonic(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> Fit:
    shared = _platt(logits, truth, offset, np.zeros_like(enough))
    curves = [STRAIGHT] * len(enough)
    for index in np.flatnonzero(enough):
        curves[index] = isotonic_curve(logits[:, index], truth[:, index] > 0.5)
    scale, bias = np.where(enough, 1.0, shared.scale), np.where(enough, 0.0, shared.bias)
    return Fit(scale, bias, ~enough, tuple(curves))


CALIBRATORS: dict[str, Callable[[Floats, Floats, Floats, NDArray[np.bool_]], Fit]] = {
    "none": _none,
    "temperature": _temperatures,
    "platt": _platt,
    "isotonic": _isotonic,
}
DEFAULT_WITH_BIAS = "platt"
ONE_VS_REST: tuple[str, ...] = ()


def fit(name: str, logits: Floats, targets: NDArray[np.bool_], offset: Floats, *, min_positives: int = 10) -> Fit:
    """Fit a calibrator for multilabel on validation, label by label.

    `temperature`: sigmoid(z / T_l + offset_l), T_l in [0.05, 100]; a label with too few positives or negatives takes
    the T that suits all labels together. `platt`: sigmoid(a_l z + b_l), held near the fit of all labels together (one
    a, a b for each label) by a gaussian prior worth one example; a label with too few keeps that fit. `isotonic`: the
    rising step of z_l with the least squared error, between the ends of `calibrators.ends`; a label with too few has no
    curve, and keeps the fit of all labels together that `platt` has.

    Args:
        name: One of `CALIBRATORS`.
        logits: (n, c) raw logits of validation.
        targets: (n, c) what the images have.
        offset: (c,) in nats, what the ledger adds; it stays in place while fitting.
        min_positives: Positives, and negatives, from which on a label is fitted by itself.

    Returns:
        What `apply` needs, and which labels borrowed from all.

    Raises:
        ValueError: The calibrator is unknown, there are no examples, or an offset is given to one with a bias.

    Source: Platt (1999), Probabilistic Outputs for Support Vector Machines; Guo et al. (2017) for the temperature;
        Zadrozny, Elkan (2002) for `isotonic`. Departure: the gaussian prior in place of Platt's smoothed targets.

    Example:
        >>> fit("none", np.zeros((1, 2)), np.array([[True, False]]), np.zeros(2)).scale
        array([1., 1.])
    """
    if name not in CALIBRATORS:
        raise ValueError(f"decide.calibrator is {name!r}; expected one of {list(CALIBRATORS)} for many labels")
    check(name, logits, offset)
    positives = targets.sum(axis=0)
    enough = np.minimum(positives, len(targets) - positives) >= min_positives
    return CALIBRATORS[name](np.asarray(logits, np.float64), targets.astype(np.float64), np.asarray(offset), enough)
