"""Thresholds on the calibrated probability of one class against the rest, chosen on validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise.calibration import label_shift

Floats = NDArray[np.float64]


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
    ranked = moved(probs, val, target)
    if not search:
        best, _ = f_beta(ranked, ranked, target_weights(probs, val, target), beta)
        return best / (1 + beta**2)
    outcome = truth.astype(np.float64)
    _, lowest = f_beta(ranked, outcome, target_weights(outcome, val, target), beta)
    below = ranked[ranked < lowest]
    return float(min((lowest + (below.max() if len(below) else 0.0)) / 2, 1.0))


def moved(probs: Floats, val: float, target: float) -> Floats:
    """Move probabilities (n,) of one class against the rest from one prior of it, in (0, 1), to another.

    Example:
        >>> moved(np.array([0.5]), 0.5, 0.2)
        array([0.2])
    """
    both = np.stack([1 - probs, probs], axis=1)
    return label_shift.moved(both, np.array([1 - val, val]), np.array([1 - target, target]))[:, 1]
