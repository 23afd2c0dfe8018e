"""Confidence intervals of figures of a ranking, from the figure and the number of independent examples behind it."""

from __future__ import annotations

import math

from counterpoise.metrics.intervals.interval import Interval, tail

HALVINGS = 60
"""Steps of bisection: more than the digits of a float."""


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

    z = -ndtri(tail(level))

    def beyond(t: float) -> bool:
        """Say whether t is too far from the area."""
        scale = 1 + ((positives + negatives) / 2 - 1) * ((1 - t) / (2 - t) + t / (1 + t))
        return bool(abs(auc - t) > z * math.sqrt(t * (1 - t) * max(scale, 0.0) / (positives * negatives)))

    def end(outside: float) -> float:
        inside = auc
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if beyond(middle) else (middle, outside)
        return outside

    return Interval(end(0.0), end(1.0))


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
