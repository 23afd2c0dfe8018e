"""What a decision is worth at another prevalence of the class that matters than the one it was measured at.

Precision and average precision follow from the prevalence; recall and false-positive rate do not, as long as images of
each side look as they did.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise import seeds
from counterpoise.metrics import averages, intervals

Floats = NDArray[np.float64]
SIMULATIONS = 20_000
Counts = tuple[int, int, int, int]
INDEPENDENT = (1.0, 1.0)
"""Design effects of examples that do not come in groups."""


def precision_at(recall: ArrayLike, false_positive_rate: ArrayLike, prevalence: float) -> Floats:
    """Compute precision from rates that do not depend on the prevalence.

    `pi r / (pi r + (1 - pi) f)`, from Bayes' rule.

    Args:
        recall: r, share of positives decided for, in [0, 1], any shape.
        false_positive_rate: f, share of negatives decided for, in [0, 1], of the same shape.
        prevalence: pi, share of positives, in (0, 1).

    Returns:
        In [0, 1], of that shape; NaN where nothing is decided for.

    Example:
        >>> float(precision_at(0.86, 0.086, 0.046).round(3)), float(precision_at(0.86, 0.086, 0.5).round(3))
        (0.325, 0.909)
    """
    right = prevalence * np.asarray(recall, dtype=np.float64)
    wrong = (1 - prevalence) * np.asarray(false_positive_rate, dtype=np.float64)
    return np.asarray(averages.ratio(right, right + wrong))


def importance(positives: NDArray[np.bool_], prevalence: float, weights: ArrayLike | None = None) -> Floats:
    """Weigh examples so that positives have a stated share.

    Args:
        positives: (n,) which examples are positive.
        prevalence: Share that they should have, in (0, 1).
        weights: None, (n,), or (b, n): multiplicities in b resamples, which are multiplied by the result.

    Returns:
        (n,) or (b, n): w pi / (sum of w over positives) for a positive, w (1 - pi) / (sum over negatives) for a
        negative. Where one side has no weight, all of it is 0.

    Example:
        >>> importance(np.array([True, False, False]), 0.5)
        array([0.5 , 0.25, 0.25])
    """
    own = np.ones(len(positives)) if weights is None else np.asarray(weights, dtype=np.float64)
    sides = [np.where(side, own, 0.0) for side in (positives, ~positives)]
    totals = [side.sum(axis=-1, keepdims=True) for side in sides]
    both = (totals[0] > 0) & (totals[1] > 0)
    scaled = [
        share * side / np.where(total > 0, total, 1.0)
        for share, side, total in zip((prevalence, 1 - prevalence), sides, totals, strict=True)
    ]
    return np.where(both, scaled[0] + scaled[1], 0.0)


def rate_effects(
    positives: NDArray[np.bool_], decided: NDArray[np.bool_], groups: NDArray[np.generic]
) -> tuple[float, float]:
    """Compute the cautious design effects of recall and of the false-positive rate, as `expected_precision` takes them.

    Args:
        positives: (n,) which examples are positive.
        decided: (n,) which ones are decided for.
        groups: (n,) group of each example, sortable.

    Returns:
        At least 1 each: so many examples have the information of one independent example.

    Example:
        >>> rate_effects(np.array([True, False, False]), np.array([True, False, False]), np.arange(3))
        (1.0, 1.0)
    """
    recall, wrong = (
        intervals.cautious_design_effect(decided[side], groups[side]) if side.any() else 1.0
        for side in (positives, ~positives)
    )
    return recall, wrong


def expected_precision(
    counts: Counts, prevalence: float, effects: tuple[float, float] = INDEPENDENT, *, level: float = 0.95
) -> tuple[float, intervals.Interval]:
    """Compute the precision that a confusion table implies at another prevalence.

    Args:
        counts: True positives, false positives, false negatives, true negatives, as counted elsewhere.
        prevalence: Of the place to which it is carried, in (0, 1).
        effects: Design effects of recall and false-positive rate where examples come in groups; see `rate_effects`.
        level: Coverage meant, in (0, 1).

    Returns:
        The precision from the observed rates, and an interval: quantiles of the precision over recall and
        false-positive rate drawn from their Jeffreys posteriors, Beta(x + 1/2, n - x + 1/2), with x and n divided by
        the design effect. (NaN, (0, 1)) where one side has no example.

    Example:
        >>> value, interval = expected_precision((674, 67, 110, 717), 0.046)  # 86 % recall, 784 : 784
        >>> round(value, 2), round(interval.low, 2), round(interval.high, 2)
        (0.33, 0.28, 0.38)
    """
    return _expected(precision_at, counts, prevalence, effects, level)


def flagged_at(recall: ArrayLike, false_positive_rate: ArrayLike, prevalence: float) -> Floats:
    """Compute the share of images that are decided for, `pi r + (1 - pi) f`.

    Args:
        recall: r, share of positives decided for, in [0, 1], any shape.
        false_positive_rate: f, share of negatives decided for, in [0, 1], of the same shape.
        prevalence: pi, share of positives, in (0, 1).

    Example:
        >>> float(flagged_at(0.8, 0.1, 0.5))
        0.45
    """
    rates = np.asarray(recall, dtype=np.float64), np.asarray(false_positive_rate, dtype=np.float64)
    return np.asarray(prevalence * rates[0] + (1 - prevalence) * rates[1])


def expected_flagged(
    counts: Counts, prevalence: float, effects: tuple[float, float] = INDEPENDENT, *, level: float = 0.95
) -> tuple[float, intervals.Interval]:
    """Compute the share of images decided for that a confusion table implies at another prevalence.

    Args:
        counts: True positives, false positives, false negatives, true negatives, as counted elsewhere.
        prevalence: Of the place to which it is carried, in (0, 1).
        effects: Design effects of recall and false-positive rate, as above.
        level: Coverage meant, in (0, 1).

    Returns:
        The share, and an interval from the same draws as `expected_precision`.
    """
    return _expected(flagged_at, counts, prevalence, effects, level)


def _expected(
    figure: Callable[[ArrayLike, ArrayLike, float], Floats],
    counts: Counts,
    prevalence: float,
    effects: tuple[float, float],
    level: float,
) -> tuple[float, intervals.Interval]:
    """Compute a figure of recall and false-positive rate from the observed rates, and its interval from drawn ones."""
    tp, fp, fn, tn = counts
    if not tp + fn or not fp + tn:
        return float("nan"), intervals.Interval(0.0, 1.0)
    value = float(figure(tp / (tp + fn), fp / (fp + tn), prevalence))
    drawn = intervals.percentile(figure(*_posterior(counts, effects), prevalence), level=level)
    return value, intervals.Interval(min(drawn.low, value), max(drawn.high, value))


@lru_cache(maxsize=4)
def _posterior(counts: Counts, effects: tuple[float, float]) -> tuple[Floats, Floats]:
    """Draw recall and false-positive rate from their Jeffreys posteriors."""
    (tp, fp, fn, tn), (of_recall, of_wrong) = counts, effects
    rng = seeds.generator(0, "expected precision")
    recall = rng.beta(tp / of_recall + 0.5, fn / of_recall + 0.5, SIMULATIONS)
    return recall, rng.beta(fp / of_wrong + 0.5, tn / of_wrong + 0.5, SIMULATIONS)
