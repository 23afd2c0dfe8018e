"""Thresholds on the calibrated probability of one class against the rest, chosen on validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise.calibration import label_shift
from counterpoise.metrics import intervals

Floats = NDArray[np.float64]
CANDIDATES = 16
"""So many thresholds a precision floor is tried at, at most."""


def target_weights(outcome: Floats, val: float, target: float) -> Floats:
    """Weigh images of validation so that positives have the share that they have in deployment.

    Args:
        outcome: (n,) share of each image that is positive: 0 or 1, or its probability at validation's prior.
        val: Share of positives in validation, in (0, 1).
        target: Share of positives in deployment, in (0, 1).

    Returns:
        (n,) y target / val + (1 - y) (1 - target) / (1 - val).

    Example:
        >>> target_weights(np.array([1.0, 0.0]), 0.5, 0.2)
        array([0.4, 1.6])
    """
    return np.asarray(outcome * target / val + (1 - outcome) * (1 - target) / (1 - val))


def f_beta(scores: Floats, outcome: Floats, weights: Floats, beta: float) -> tuple[float, float]:
    """Find the set of highest scores with the largest F_beta.

    F_beta = (1 + beta^2) TP / (beta^2 P + decided), each a weighted sum; with probabilities as `outcome` it is the
    expected one (plug-in), with truths the empirical one.

    Args:
        scores: (n,) by which images are ranked.
        outcome: (n,) in [0, 1].
        weights: (n,) at least 0.
        beta: How much more recall counts than precision, positive.

    Returns:
        The largest F_beta, and the lowest score decided for; (0, inf) where nothing is positive.

    Example:
        >>> f_beta(np.array([0.9, 0.6, 0.2]), np.array([1.0, 1.0, 0.0]), np.ones(3), 1.0)
        (1.0, 0.6)
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum((outcome * weights)[order])
    decided = np.cumsum(weights[order])
    if not len(order) or hits[-1] <= 0:
        return 0.0, float("inf")
    values = (1 + beta**2) * hits / (beta**2 * hits[-1] + decided)
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # equal scores are decided together
    best = ends[np.argmax(values[ends])]
    return float(values[best]), float(scores[order][best])


def for_f_beta(
    probs: Floats, truth: NDArray[np.bool_], val: float, target: float, beta: float, *, search: bool
) -> float:
    """Choose the threshold with the largest F_beta at the prior of deployment.

    Plug-in: with F* the largest expected F_beta, F* / (1 + beta^2), the threshold at which one more decision no longer
    raises it. Searched: half-way between the lowest probability decided for and the next one below.

    Args:
        probs: (n,) calibrated probabilities at the prior of validation.
        truth: (n,) what the images are; only a search looks at it.
        val: Prior of validation.
        target: Prior of deployment.
        beta: Positive.
        search: Whether to search validation's own truths instead of its probabilities.

    Returns:
        Threshold on the probability at the prior of deployment, in [0, 1].

    Source: Zhao, Edakunni, Pocock, Brown (2013), Beyond Fano's Inequality, theorem 3, and Lipton, Elkan, Narayanaswamy
        (2014), Optimal Thresholding of Classifiers to Maximize F1 Measure, for F* / 2.

    Example:
        >>> round(for_f_beta(np.array([0.9, 0.1]), np.array([True, False]), 0.5, 0.5, 1.0, search=False), 4)
        0.45
    """
    moved = _moved(probs, val, target)
    if not search:
        best, _ = f_beta(moved, moved, target_weights(probs, val, target), beta)
        return best / (1 + beta**2)
    outcome = truth.astype(np.float64)
    _, lowest = f_beta(moved, outcome, target_weights(outcome, val, target), beta)
    below = moved[moved < lowest]
    return float(min((lowest + (below.max() if len(below) else 0.0)) / 2, 1.0))


def for_precision_floor(
    probs: Floats,
    truth: NDArray[np.bool_],
    groups: NDArray[np.str_],
    val: float,
    target: float,
    floor: float,
    *,
    level: float = 0.95,
) -> float | None:
    """Choose the lowest threshold whose precision in deployment is at least `floor` with confidence.

    At most 16 thresholds are tried, those that decide for 1, 2, 4, ... images and more. Each has x right of n decided;
    Wilson's lower bound of x / n, one-sided at 1 - (1 - level) / tried and widened where groups resemble each other, is
    moved to deployment by odds * [target / (1 - target)] / [val / (1 - val)], and compared with the floor. Trying
    several is thus paid for: the bound holds for all of them together.

    Args:
        probs: (n,) calibrated probabilities at the prior of validation.
        truth: (n,) what the images are.
        groups: (n,) group of each image.
        val: Prior of validation.
        target: Prior of deployment.
        floor: Wanted precision, in (0, 1).
        level: Confidence, in (0, 1).

    Returns:
        Threshold on the probability at the prior of deployment, in [0, 1]; `None` where no threshold reaches the
        floor on validation.

    Example:
        >>> many = np.repeat([0.9, 0.1], 200)
        >>> for_precision_floor(many, many > 0.5, np.arange(400).astype(str), 0.5, 0.5, 0.9)
        0.5
        >>> for_precision_floor(many[198:202], many[198:202] > 0.5, np.array(list("abcd")), 0.5, 0.5, 0.9)  # 2 of 2
    """
    order = np.argsort(-probs, kind="stable")
    ranked = probs[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True)) + 1  # how many each threshold decides for
    sizes = np.unique(np.geomspace(1, len(ranked), CANDIDATES).round().astype(int))
    tried = np.unique(ends[np.searchsorted(ends, sizes)])
    confidence = 1 - 2 * (1 - level) / len(tried)  # of a two-sided interval, whose lower end is one-sided
    passed = None
    for size in tried:
        right = truth[order[:size]]
        effect = intervals.design_effect(right, groups[order[:size]])
        low, _ = intervals.wilson(int(right.sum()), int(size), level=confidence, design_effect=effect)
        if _moved(np.array([float(low)]), val, target)[0] >= floor:
            passed = size
    if passed is None:
        return None
    edge = (ranked[passed - 1] + (ranked[passed] if passed < len(ranked) else 0.0)) / 2
    return float(_moved(np.array([edge]), val, target)[0])


def _moved(probs: Floats, val: float, target: float) -> Floats:
    """Move probabilities (n,) of one class against the rest from one prior of it to another."""
    both = np.stack([1 - probs, probs], axis=1)
    return label_shift.moved(both, np.array([1 - val, val]), np.array([1 - target, target]))[:, 1]
