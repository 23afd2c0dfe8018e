"""Confidence intervals of means of figures that each have an interval of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from counterpoise.metrics.intervals.interval import Interval


def mover(values: ArrayLike, low: ArrayLike, high: ArrayLike, weights: ArrayLike | None = None) -> Interval:
    """Combine intervals of independent figures into that of their mean (method of variance estimates recovery).

    `mean - sqrt(sum (w_k (value_k - low_k))^2)` to `mean + sqrt(sum (w_k (high_k - value_k))^2)`.

    Args:
        values: Figures, shape (k,).
        low: Lower ends of their intervals, (k,).
        high: Upper ends, (k,).
        weights: What each adds to the mean, (k,), which sum to 1; by default 1 / k.

    Returns:
        The interval of the weighted mean. A figure of which nothing is known enters with the ends of its range.

    Source: Zou & Donner 2008, "Construction of confidence limits about effect measures: a general approach"; with
        Wilson's intervals of two shares it is method 10 of Newcombe 1998, "Interval estimation for the difference
        between independent proportions".

    Example:
        >>> from counterpoise.metrics.intervals.proportions import wilson
        >>> found, of = np.array([13, 180]), np.array([21, 204])
        >>> interval = mover(found / of, *wilson(found, of))  # balanced accuracy 0.7507
        >>> round(interval.low, 4), round(interval.high, 4)
        (0.6425, 0.8394)
    """
    v, ends = np.asarray(values, dtype=np.float64), np.asarray([low, high], dtype=np.float64)
    w = np.full(len(v), 1 / len(v)) if weights is None else np.asarray(weights, dtype=np.float64)
    below, above = np.sqrt(((w * (ends - v)) ** 2).sum(axis=1))
    return Interval(float(w @ v - below), float(w @ v + above))
