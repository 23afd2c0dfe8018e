"""Calibrators of classes that exclude each other, which share one softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from counterpoise.calibration.calibrators import (
    LOG_TEMPERATURES,
    Fit,
    Floats,
    against_the_rest,
    check,
    ends,
    isotonic_curve,
    straight,
)


def _none(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    return straight(np.ones(logits.shape[1]), np.zeros(logits.shape[1]))


def _temperature(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows = np.arange(len(targets))

    def negative_log_likelihood(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature) + offset, axis=1)[rows, targets].mean())

    best = minimize_scalar(negative_log_likelihood, bounds=LOG_TEMPERATURES, method="bounded")
    return straight(np.full(logits.shape[1], np.exp(-best.x)), np.zeros(logits.shape[1]))


def _vector(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    from scipy.optimize import minimize
    from scipy.special import log_softmax, softmax

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
    best = minimize(objective, start, jac=True, method="L-BFGS-B")
    return straight(best.x[:count], best.x[count:])


def _one_vs_rest_platt(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    odds = against_the_rest(logits)
    lines = [_smoothed_platt(odds[:, index], targets == index) for index in range(odds.shape[1])]
    return straight(np.array([scale for scale, _ in lines]), np.array([bias for _, bias in lines]))


def _smoothed_platt(odds: Floats, positives: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit sigmoid(a s + b) to Platt's targets, the ends of `ends`, with scikit-learn's logistic regression.

    scikit-learn's own fit of these is private (`_SigmoidCalibration`). A target t between 0 and 1 is an example that
    is positive with weight t and negative with weight 1 - t.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import, and applying a calibrator needs none of it

    low, high = ends(positives)
    share = np.where(positives, high, low)
    spread = max(float(odds.std()), 1e-12)
    twice = np.concatenate([odds, odds])[:, None] / spread
    outcome = np.repeat([1, 0], len(odds))
    model = LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000)
    model.fit(twice, outcome, sample_weight=np.concatenate([share, 1 - share]))
    return float(model.coef_[0, 0]) / spread, float(model.intercept_[0])


def _one_vs_rest_isotonic(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    odds = against_the_rest(logits)
    count = odds.shape[1]
    curves = tuple(isotonic_curve(odds[:, index], targets == index) for index in range(count))
    return Fit(np.ones(count), np.zeros(count), np.zeros(count, dtype=np.bool_), curves)


CALIBRATORS: dict[str, Callable[[Floats, NDArray[np.int64], Floats], Fit]] = {
    "none": _none,
    "temperature": _temperature,
    "vector": _vector,
    "platt": _one_vs_rest_platt,
    "isotonic": _one_vs_rest_isotonic,
}
DEFAULT_WITH_BIAS = "vector"
ONE_VS_REST = ("platt", "isotonic")


def fit(name: str, logits: Floats, targets: NDArray[np.int64], offset: Floats, *, min_positives: int = 10) -> Fit:
    """Fit a calibrator on validation.

    `temperature`: softmax(z / T + offset), one T in [0.05, 100]; `vector`: softmax(w * z + b + offset), a factor and
    a bias for each class, held near 1 and 0 by a gaussian prior worth one example; both by the log-likelihood.
    With s_k the log-odds of class k against the rest, `platt`: q_k = sigmoid(a_k s_k + b_k), by the log-likelihood of
    Platt's smoothed targets; `isotonic`: q_k the rising step of s_k with the least squared error, straight between its
    knots, at least 1 / (n_other + 2) and at most 1 - 1 / (n_k + 2) of validation's images, so that no probability is
    0 or 1 and the step to another prior stays possible. Both: p_k = q_k / sum_j q_j.

    Args:
        name: One of `CALIBRATORS`.
        logits: (n, c) raw logits of validation.
        targets: (n,) class indices.
        offset: (c,) in nats, what the ledger adds; it stays in place while fitting.
        min_positives: Not looked at: every class helps to fit all.

    Returns:
        What `apply` needs.

    Raises:
        ValueError: The calibrator is unknown, there are no examples, or an offset is given to one with a bias, which
            would correct the prior twice.

    Source: Guo et al. (2017), On Calibration of Modern Neural Networks, section 4.2; Platt (1999), Probabilistic
        Outputs for Support Vector Machines, section 2.2; Zadrozny, Elkan (2002), Transforming Classifier Scores into
        Accurate Multiclass Probability Estimates, for `isotonic` and for one class against the rest. As scikit-learn's
        CalibratedClassifierCV does them; departure: the ends of `isotonic`.

    Example:
        >>> fitted = fit("none", np.zeros((1, 2)), np.array([0]), np.zeros(2))
        >>> fitted.scale, fitted.bias
        (array([1., 1.]), array([0., 0.]))
    """
    if name not in CALIBRATORS:
        raise ValueError(f"decide.calibrator is {name!r}; expected one of {list(CALIBRATORS)}")
    check(name, logits, offset)
    return CALIBRATORS[name](np.asarray(logits, dtype=np.float64), targets, np.asarray(offset, dtype=np.float64))
