"""From raw logits to probabilities that hold on validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit, log_softmax, logit, logsumexp, softmax

Floats = NDArray[np.float64]
Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Knots of a curve: where they are, rising, and the probability there. Without knots: scale and bias hold instead."""
STRAIGHT: Curve = ((), ())
"""No curve."""


@dataclass(frozen=True)
class Fit:
    """How raw logits become calibrated ones; `apply` says by which formula.

    Attributes:
        scale: (c,) factors.
        bias: (c,) summands.
        pooled: (c,) whether a label has too few positives or negatives of its own, so that it borrowed from all.
        knots: c curves, those of `isotonic`; empty for all other calibrators.
    """

    scale: Floats
    bias: Floats
    pooled: NDArray[np.bool_]
    knots: tuple[Curve, ...] = ()


def _straight(scale: Floats, bias: Floats) -> Fit:
    return Fit(scale, bias, np.zeros(len(scale), dtype=np.bool_))


LOG_TEMPERATURES = (float(np.log(0.05)), float(np.log(100.0)))
"""Where a temperature is looked for, in logarithms."""


def _none(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    return _straight(np.ones(logits.shape[1]), np.zeros(logits.shape[1]))


def _temperature(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    rows = np.arange(len(targets))

    def negative_log_likelihood(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature) + offset, axis=1)[rows, targets].mean())

    found = minimize_scalar(negative_log_likelihood, bounds=LOG_TEMPERATURES, method="bounded")
    return _straight(np.full(logits.shape[1], np.exp(-found.x)), np.zeros(logits.shape[1]))


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
    return _straight(found.x[:count], found.x[count:])


def _one_vs_rest_platt(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    odds = against_the_rest(logits)
    lines = [_smoothed_platt(odds[:, index], targets == index) for index in range(odds.shape[1])]
    return _straight(np.array([scale for scale, _ in lines]), np.array([bias for _, bias in lines]))


def _smoothed_platt(odds: Floats, positives: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit sigmoid(a s + b) to Platt's targets, the ends of `_range`, with scikit-learn's logistic regression.

    scikit-learn's own fit of these is private (`_SigmoidCalibration`). A target t between 0 and 1 is an example that
    is positive with weight t and negative with weight 1 - t.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import, and applying a calibrator needs none of it

    low, high = _range(positives)
    share = np.where(positives, high, low)
    spread = max(float(odds.std()), 1e-12)
    twice = np.concatenate([odds, odds])[:, None] / spread
    outcome = np.repeat([1, 0], len(odds))
    model = LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000)
    model.fit(twice, outcome, sample_weight=np.concatenate([share, 1 - share]))
    return float(model.coef_[0, 0]) / spread, float(model.intercept_[0])


def _range(positives: NDArray[np.bool_]) -> tuple[float, float]:
    """Say which probabilities so many examples can speak of: from 1 / (negatives + 2) to 1 - 1 / (positives + 2).

    That is the rule of succession for the case that all negatives, or all positives, lay in one place: no place could
    hold evidence for less, or for more. Swapping both sides swaps the ends.
    """
    count = int(positives.sum())
    return 1 / (len(positives) - count + 2), 1 - 1 / (count + 2)


def _one_vs_rest_isotonic(logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    odds = against_the_rest(logits)
    count = odds.shape[1]
    curves = tuple(_isotonic_curve(odds[:, index], targets == index) for index in range(count))
    return Fit(np.ones(count), np.zeros(count), np.zeros(count, dtype=np.bool_), curves)


def _isotonic_curve(scores: Floats, positives: NDArray[np.bool_]) -> Curve:
    from sklearn.isotonic import IsotonicRegression  # slow to import, as above

    low, high = _range(positives)
    model = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip").fit(scores, positives.astype(np.float64))
    return tuple(model.X_thresholds_.tolist()), tuple(model.y_thresholds_.tolist())


CALIBRATORS: dict[str, Callable[[Floats, NDArray[np.int64], Floats], Fit]] = {
    "none": _none,
    "temperature": _temperature,
    "vector": _vector,
    "platt": _one_vs_rest_platt,
    "isotonic": _one_vs_rest_isotonic,
}
WITH_BIAS = ("vector", "platt", "isotonic")
"""Calibrators that learn validation's prior by themselves, so that no ledger correction may precede them."""
ONE_VS_REST = ("platt", "isotonic")
"""Calibrators that look at one class against the rest, where classes exclude each other."""


def against_the_rest(logits: Floats) -> Floats:
    """Compute the log-odds of each class against all others.

    z_k - log sum_{j != k} exp(z_j), the log-odds of softmax(z)_k; of two classes, the difference of their logits.

    Args:
        logits: (n, c), c at least 2.

    Returns:
        (n, c) in nats.

    Example:
        >>> against_the_rest(np.log([[2.0, 1.0, 1.0]])).round(3) + 0.0
        array([[ 0.   , -1.099, -1.099]])
    """
    if logits.shape[1] == 2:
        return logits - logits[:, ::-1]
    logs = log_softmax(logits, axis=1)
    rows, largest = np.arange(len(logits)), logits.argmax(axis=1)
    others = logits.copy()
    others[rows, largest] = -np.inf
    logs[rows, largest] = -1.0  # any; log(1 - p) of a p near 1 would lose its digits
    odds = logs - np.log1p(-np.exp(logs))
    odds[rows, largest] = logits[rows, largest] - logsumexp(others, axis=1)
    result: Floats = odds
    return result


def fit(name: str, logits: Floats, targets: NDArray[np.int64], offset: Floats) -> Fit:
    """Fit a calibrator on validation.

    `temperature`: softmax(z / T + offset), one T in [0.05, 100]; `vector`: softmax(w * z + b + offset), a factor and
    a summand for each class, held near 1 and 0 by a gaussian prior worth one example; both by the log-likelihood.
    With s_k the log-odds of class k against the rest, `platt`: q_k = sigmoid(a_k s_k + b_k), by the log-likelihood of
    Platt's smoothed targets; `isotonic`: q_k the rising step of s_k with the least squared error, straight between its
    knots, at least 1 / (n_other + 2) and at most 1 - 1 / (n_k + 2) of validation's images, so that no probability is
    0 or 1 and the step to another prior stays possible. Both: p_k = q_k / sum_j q_j.

    Args:
        name: One of `CALIBRATORS`.
        logits: (n, c) raw logits of validation.
        targets: (n,) class indices.
        offset: (c,) in nats, what the ledger adds; it stays in place while fitting.

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
    if not len(logits):
        raise ValueError("calibration needs at least one validation image")
    if name in WITH_BIAS and np.any(offset):
        raise ValueError(f"{name!r} learns the prior of validation by itself; an offset would correct it twice")
    return CALIBRATORS[name](np.asarray(logits, dtype=np.float64), targets, np.asarray(offset, dtype=np.float64))


def apply(
    logits: Floats,
    scale: Floats,
    bias: Floats,
    offset: Floats,
    *,
    task: str = "multiclass",
    knots: Sequence[Curve] = (),
    one_vs_rest: bool = False,
) -> Floats:
    """Compute softmax(g(z) + offset), or for many labels sigmoid of the same, with g the fitted calibrator.

    g(z) = scale * z + bias; of a class or label with knots, g(z) = logit of the curve at z, straight between its knots
    and level beyond them. With `one_vs_rest`, s, each class's log-odds against the rest, takes the place of z, and
    log sigmoid(g(s)) that of g(z): softmax then divides the classes' own probabilities by their sum.

    Args:
        logits: (n, c) raw logits.
        scale: (c,).
        bias: (c,).
        offset: (c,) in nats.
        task: `multiclass` or `multilabel`.
        knots: c curves, or none at all.
        one_vs_rest: Whether the calibrator is one of `ONE_VS_REST` and classes exclude each other.

    Returns:
        (n, c) probabilities.

    Example:
        >>> apply(np.zeros((1, 2)), np.ones(2), np.zeros(2), np.log([0.9, 0.1]))
        array([[0.9, 0.1]])
        >>> apply(np.zeros((1, 2)), np.ones(2), np.zeros(2), np.log([3.0, 1.0]), task="multilabel")
        array([[0.75, 0.5 ]])
        >>> curve = ((-1.0, 1.0), (0.25, 0.75))
        >>> apply(np.array([[0.5]]), np.ones(1), np.zeros(1), np.zeros(1), task="multilabel", knots=[curve])
        array([[0.625]])
    """
    raw = np.asarray(logits, dtype=np.float64)
    inputs = against_the_rest(raw) if one_vs_rest else raw
    scores = inputs * scale + bias
    for index, (places, values) in enumerate(knots):
        if places:
            scores[:, index] = logit(np.interp(inputs[:, index], places, values))
    if one_vs_rest:
        scores = log_expit(scores)
    result: Floats = expit(scores + offset) if task == "multilabel" else softmax(scores + offset, axis=1)
    return result


def _binary_loss(scores: Floats, truth: Floats) -> float:
    return float(np.logaddexp(0, np.where(truth > 0.5, -scores, scores)).sum())


def _one_temperature(logits: Floats, truth: Floats, offset: Floats) -> float:
    def loss(log_temperature: float) -> float:
        return _binary_loss(logits / np.exp(log_temperature) + offset, truth)

    return float(np.exp(-minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


def _no_labels(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> Fit:
    count = logits.shape[1]
    return _straight(np.ones(count), np.zeros(count))


def _temperatures(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> Fit:
    scale = np.full(logits.shape[1], _one_temperature(logits, truth, offset))
    for index in np.flatnonzero(enough):
        scale[index] = _one_temperature(logits[:, index], truth[:, index], offset[index])
    return Fit(scale, np.zeros_like(scale), ~enough)


def _platt(logits: Floats, truth: Floats, offset: Floats, enough: NDArray[np.bool_]) -> Fit:
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
    return Fit(scale, bias, ~enough)


def _own_platt(logits: Floats, truth: Floats, scale: float, bias: float) -> Floats:
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
        curves[index] = _isotonic_curve(logits[:, index], truth[:, index] > 0.5)
    scale, bias = np.where(enough, 1.0, shared.scale), np.where(enough, 0.0, shared.bias)
    return Fit(scale, bias, ~enough, tuple(curves))


LABEL_CALIBRATORS: dict[str, Callable[[Floats, Floats, Floats, NDArray[np.bool_]], Fit]] = {
    "none": _no_labels,
    "temperature": _temperatures,
    "platt": _platt,
    "isotonic": _isotonic,
}


def fit_labels(name: str, logits: Floats, truth: NDArray[np.bool_], offset: Floats, *, min_positives: int = 10) -> Fit:
    """Fit a calibrator of many labels on validation, label by label.

    `temperature`: sigmoid(z / T_l + offset_l), T_l in [0.05, 100]; a label with too few positives or negatives takes
    the T that suits all labels together. `platt`: sigmoid(a_l z + b_l), held near the fit of all labels together (one
    a, a b for each label) by a gaussian prior worth one example; a label with too few keeps that fit. `isotonic`: the
    rising step of z_l with the least squared error, between the same ends as in `fit`; a label with too few has no
    curve, and keeps the fit of all labels together that `platt` has.

    Args:
        name: One of `LABEL_CALIBRATORS`.
        logits: (n, c) raw logits of validation.
        truth: (n, c) what the images bear.
        offset: (c,) in nats, what the ledger adds; it stays in place while fitting.
        min_positives: Positives, and negatives, from which on a label is fitted by itself.

    Returns:
        What `apply` needs, and which labels borrowed from all.

    Raises:
        ValueError: The calibrator is unknown, there are no examples, or an offset is given to one with a bias.

    Source: Platt (1999), Probabilistic Outputs for Support Vector Machines; Guo et al. (2017) for the temperature;
        Zadrozny, Elkan (2002) for `isotonic`. Departure: the gaussian prior in place of Platt's smoothed targets.

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
