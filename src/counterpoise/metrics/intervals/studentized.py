"""Confidence intervals of figures whose variance is known from influence values."""

from __future__ import annotations

import math

from counterpoise.metrics.intervals.interval import Interval, tail


def logit_t(
    value: float, variance: float, freedom: float, *, low: float = 0.0, high: float = 1.0, level: float = 0.95
) -> Interval:
    """Student's interval on the scale of log-odds of a figure between two limits.

    With p = (value - low) / (high - low): `logit(p) -+ t sqrt(variance) / ((high - low) p (1 - p))`, then back.

    Args:
        value: The figure, inside its range.
        variance: Of the figure, above 0; see `metrics.influence`.
        freedom: Degrees of freedom of the variance, above 0: they count units, not examples.
        low: Lower limit of the range of the figure.
        high: Upper limit.
        level: Nominal coverage, in (0, 1).

    Returns:
        An interval inside the range.

    Raises:
        ValueError: The figure lies at or beyond a limit, where log-odds have no end, or the variance is not above 0.

    Source: Efron & Tibshirani 1993, "An introduction to the bootstrap", section 12.6, on transformations; Barndorff-
        Nielsen & Cox 1994, "Inference and asymptotics", on the delta method.

    Example:
        >>> interval = logit_t(0.5, 0.01, 20)  # 0 -+ 2.086 * 0.1 / 0.25 in log-odds
        >>> round(interval.low, 4), round(interval.high, 4)
        (0.3027, 0.6973)
    """
    from scipy.special import stdtrit

    share = (value - low) / (high - low)
    if not (0 < share < 1 and 0 < variance < math.inf and freedom > 0):
        raise ValueError(
            f"found value {value}, variance {variance} and {freedom} degrees of freedom; expected a value between "
            f"{low} and {high}, and a variance and degrees of freedom above 0"
        )
    centre = math.log(share / (1 - share))
    half = float(stdtrit(freedom, 1 - tail(level))) * math.sqrt(variance) / ((high - low) * share * (1 - share))
    below, above = (1 / (1 + math.exp(-min(700.0, max(-700.0, centre + side * half)))) for side in (-1, 1))
    return Interval(low + (high - low) * below, low + (high - low) * above)
