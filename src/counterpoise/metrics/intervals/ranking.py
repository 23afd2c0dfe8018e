"""Confidence intervals of figures of a ranking, from the figure and the number of independent examples behind it."""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import Polynomial

from counterpoise.metrics.intervals.interval import Interval, tail

ROUNDING = 1e-6
"""Imaginary part below which a root of a polynomial counts as real."""


def newcombe(auc: float, positives: float, negatives: float, *, level: float = 0.95) -> Interval:
    """Newcombe's score interval of an area under the ROC curve.

    The ends solve `|auc - t| = z sqrt(v(t))` with the variance of Hanley and McNeil at t itself,
    `v(t) = t (1 - t) (1 + ((m + n) / 2 - 1) ((1 - t) / (2 - t) + t / (1 + t))) / (m n)`. So the interval has a width
    even where every positive scores above every negative.

    Args:
        auc: The area, in [0, 1].
        positives: Number m of positives, above 0; divided by the design effect where examples are grouped.
        negatives: Number n of negatives, as m.
        level: Nominal coverage, in (0, 1).

    Returns:
        An interval in [0, 1] that contains the area.

    Raises:
        ValueError: The level is out of range.

    Source: Newcombe 2006, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part
        2", method 5.

    Example:
        >>> interval = newcombe(0.965, 21, 504)
        >>> round(interval.low, 4), round(interval.high, 4)
        (0.8929, 0.9885)
    """
    from scipy.special import ndtri

    t = Polynomial([0.0, 1.0])
    both, each = (2 - t) * (1 + t), (1 - t) * (1 + t) + t * (2 - t)
    variance = t * (1 - t) * (both + ((positives + negatives) / 2 - 1) * each) / (positives * negatives)
    roots = ((auc - t) ** 2 * both - ndtri(tail(level)) ** 2 * variance).roots()
    ends = np.real(roots[np.abs(np.imag(roots)) < ROUNDING]).clip(0, 1)
    low = ends[ends <= auc].max(initial=0.0) if auc > 0 else 0.0
    high = ends[ends >= auc].min(initial=1.0) if auc < 1 else 1.0
    return Interval(float(low), float(high))


def boyd(average_precision: float, positives: float, *, level: float = 0.95) -> Interval:
    """Boyd's interval of an average precision, on the scale of log-odds.

    `logit(AP) -+ z / sqrt(P AP (1 - AP))` for P positives.

    Args:
        average_precision: AP, in [0, 1].
        positives: Number P of positives, above 0; divided by the design effect where examples are grouped.
        level: Nominal coverage, in (0, 1).

    Returns:
        An interval in [0, 1] that contains AP.

    Raises:
        ValueError: The level is out of range.

    Source: Boyd, Eng & Page 2013, "Area under the precision-recall curve: point estimates and confidence intervals",
        eq. 5. Departure: an AP nearer to 0 or 1 than half of one positive, 1 / (2 P), is moved to there before, since
        the width on the scale of log-odds has no limit.

    Example:
        >>> interval = boyd(0.22, 21)
        >>> round(interval.low, 4), round(interval.high, 4)
        (0.0913, 0.442)
    """
    from scipy.special import ndtri

    edge = min(0.5, 0.5 / positives)
    inner = min(max(average_precision, edge), 1 - edge)
    centre, half = math.log(inner / (1 - inner)), -ndtri(tail(level)) / math.sqrt(positives * inner * (1 - inner))
    low, high = (1 / (1 + math.exp(-max(-700.0, centre + side * half))) for side in (-1, 1))
    return Interval(min(low, average_precision), max(high, average_precision))
