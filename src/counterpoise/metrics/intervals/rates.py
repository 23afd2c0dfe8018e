"""Confidence intervals of counts per exposure, such as false alarms per image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from counterpoise.metrics.arguments import FloatArray, distinct, unit_codes
from counterpoise.metrics.intervals.interval import Interval, tail


def garwood(counts: FloatArray, exposures: FloatArray, units: ArrayLike, *, level: float = 0.95) -> Interval:
    """Garwood's interval of a rate, with count and exposure divided by how much counts vary beyond chance.

    `Gamma(a / 2; x / d) d / n` to `Gamma(1 - a / 2; x / d + 1) d / n` for x events in the exposure n. The dispersion d
    is the variance of x between units over x, at least 1, times the square of Student's over the normal quantile, with
    the units less one as degrees of freedom.

    Args:
        counts: Events in each image, shape (n,).
        exposures: Exposure of each image, such as 1 or its area, above 0, shape (n,).
        units: Unit of each image, integers, shape (n,), at least two different ones.
        level: Nominal coverage, in (0, 1).

    Returns:
        An interval from 0 on, in events per exposure. Without any event, d is the number of images per unit.

    Raises:
        ValueError: The level is out of range, or there are fewer than two units.

    Source: Garwood 1936, "Fiducial limits for the Poisson distribution"; dispersion as in McCullagh & Nelder 1989,
        "Generalized linear models", section 6.2.

    Example:
        >>> interval = garwood(np.zeros(10), np.ones(10), np.arange(10))
        >>> interval.low, round(interval.high, 4)  # -log(0.025) / 10
        (0.0, 0.3689)
    """
    from scipy.special import gammaincinv, ndtri, stdtrit

    codes, outside, total, whole = unit_codes(units), tail(level), float(counts.sum()), float(exposures.sum())
    number = len(distinct(codes))
    if number < 2:
        raise ValueError(f"units: found {number} different; expected at least 2")
    dispersion = len(counts) / number
    if total > 0:
        gaps = np.bincount(codes, counts - exposures * total / whole)
        factor = float((stdtrit(number - 1, 1 - outside) / ndtri(1 - outside)) ** 2)
        dispersion = max(1.0, number / (number - 1) * float((gaps**2).sum()) / total) * factor
    events, scale = total / dispersion, dispersion / whole
    low = float(gammaincinv(events, outside)) * scale if events > 0 else 0.0
    return Interval(low, float(gammaincinv(events + 1, 1 - outside)) * scale)
