"""Confidence intervals of proportions and of bootstrapped metrics, for grouped examples.

Examples of one group share something, such as a roof, a scene or a patient. They carry less information than the same
number of independent examples, so intervals become wider.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Values: TypeAlias = np.float64 | FloatArray
"""A float for scalar arguments, an array for array arguments."""


class Interval(NamedTuple):
    """A percentile interval, and the number of resamples that it ignores because the metric is undefined (NaN)."""

    low: float
    high: float
    undefined: int


def wilson(
    successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95, design_effect: ArrayLike = 1.0
) -> tuple[Values, Values]:
    """Wilson's score interval of a proportion.

    `(x + z^2 / 2 -+ z sqrt(x (n - x) / n + z^2 / 4)) / (n + z^2)`, where x and n are divided by the design effect.

    Args:
        successes: Number x of successes, 0 <= x <= n; integer or weighted; any shape.
        trials: Number n of trials, at least 0; a shape that broadcasts with `successes`.
        level: Nominal coverage, in (0, 1).
        design_effect: Number of grouped trials with the information of one independent trial, at least 1.

    Returns:
        Lower and upper bound in [0, 1], in the broadcast shape. Without trials they are (0, 1).

    Raises:
        ValueError: x, n, the level or the design effect is out of range.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference". Dividing x
        and n: Rao & Scott 1992, "A simple method for the analysis of clustered binary data".

    Example:
        >>> low, high = wilson(0, 21)
        >>> float(low), round(float(high), 4)  # 0 and z^2 / (21 + z^2) = 3.8415 / 24.8415
        (0.0, 0.1546)
    """
    from scipy.special import ndtri

    x, n = _counts(successes, trials)
    effect = np.asarray(design_effect, dtype=np.float64)
    if not (np.isfinite(effect) & (effect >= 1)).all():
        raise ValueError(f"design_effect: found {effect}; expected finite values of at least 1")
    x, n, _ = np.broadcast_arrays(x / effect, n / effect, effect)
    z = -ndtri((1 - _level(level)) / 2)
    spread = z * np.sqrt(x * (n - x) / np.where(n > 0, n, 1) + z**2 / 4)
    low, high = ((x + z**2 / 2 + sign * spread) / (n + z**2) for sign in (-1, 1))
    return _closed(low, high, x, n)


def design_effect(successes: ArrayLike, groups: ArrayLike) -> float:
    """Variance of a proportion over grouped examples, relative to the same number of independent examples.

    `v / (p (1 - p) / n)` with the variance of a ratio over m groups, `v = m / (m - 1) * sum_g r_g^2 / n^2`,
    where `r_g = x_g - n_g p` for x_g successes among the n_g examples of group g.

    Args:
        successes: Whether each example succeeded, boolean or 0/1, shape (n,).
        groups: Group of each example, sortable values, shape (n,).

    Returns:
        Design effect d of at least 1: n examples have the information of n / d independent examples. It is 1.0 if
        every group has one example. It is also 1.0 if it cannot be estimated (no examples, one group, or p of 0 or
        1); this does not mean that the examples are independent. With fewer than about 20 groups the estimate is
        itself uncertain.

    Raises:
        ValueError: Lengths differ, or a success is not 0 or 1.

    Source: Rao & Scott 1992, "A simple method for the analysis of clustered binary data".
        Departure: values below 1 become 1, so grouping never narrows an interval.

    Example:
        >>> design_effect([1, 1, 0, 0], groups=["a", "a", "b", "b"])  # r = 1, -1: (2 * 2 / 16) / (1 / 16)
        4.0
    """
    y, codes = np.asarray(successes), _codes(groups)
    if y.shape != codes.shape or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"successes: found shape {y.shape}, values {np.unique(y)[:5]}; expected shape {codes.shape}, the shape of "
            "groups, with values 0 and 1"
        )
    n, total = len(y), float(y.sum())
    m = int(codes.max(initial=-1)) + 1
    if m < 2 or m == n or total in (0, n):
        return 1.0
    p = total / n
    residuals = np.bincount(codes, y - p)
    return max(1.0, float(m / (m - 1) * (residuals**2).sum() / (n * p * (1 - p))))


def bootstrap_weights(groups: ArrayLike, *, resamples: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Resample whole groups with replacement, and count how often each resample has each example.

    Each resample draws m of the m groups (a multinomial with equal probabilities), so its number of examples
    varies if groups differ in size. Use one call for all models of a comparison, so their differences are paired.

    Args:
        groups: Group of each example, sortable values, shape (n,). If all are distinct, this is the plain bootstrap.
        resamples: Number b of resamples, at least 1; 1000 is usual.
        rng: Random generator; the same seed gives the same resamples.

    Returns:
        Counts of at least 0, int32, shape (b, n), to pass as `weights` to every metric.

    Raises:
        ValueError: There are no examples, or `resamples` is below 1.

    Source: Davison & Hinkley 1997, "Bootstrap methods and their application", section 3.8.

    Example:
        >>> weights = bootstrap_weights(["a", "a", "b"], resamples=1000, rng=np.random.default_rng(0))
        >>> np.unique(weights, axis=0).tolist()  # b twice; one of each; a twice
        [[0, 0, 2], [1, 1, 1], [2, 2, 0]]
    """
    codes = _codes(groups)
    if len(codes) == 0 or resamples < 1:
        raise ValueError(f"found {len(codes)} examples and resamples {resamples}; expected at least 1 of both")
    m = int(codes.max()) + 1
    weights = np.empty((resamples, len(codes)), dtype=np.int32)
    for row in weights:
        row[:] = np.bincount(rng.integers(m, size=m), minlength=m)[codes]
    return weights


def percentile(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Percentile interval of a bootstrapped metric: its central quantiles over the resamples.

    Args:
        values: Metric in each resample, NaN where undefined, shape (b,).
        level: Nominal coverage, in (0, 1).

    Returns:
        Lower and upper bound, in the unit of the metric, and the number of NaN resamples, which are ignored. If
        many are ignored, the interval describes only samples in which the metric is defined. The bounds are NaN if
        all values are NaN.

    Raises:
        ValueError: `values` is empty or does not have shape (b,), or the level is out of range.

    Source: Efron & Tibshirani 1993, "An introduction to the bootstrap", chapter 13; quantiles are interpolated
        linearly.

    Example:
        >>> percentile([0.0, 1.0, 2.0, 3.0, 4.0, float("nan")], level=0.5)
        Interval(low=1.0, high=3.0, undefined=1)
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"values: found shape {array.shape}; expected (b,) with at least one resample")
    tail = (1 - _level(level)) / 2
    defined = array[~np.isnan(array)]
    low, high = np.quantile(defined, [tail, 1 - tail]) if defined.size else (np.nan, np.nan)
    return Interval(float(low), float(high), int(array.size - defined.size))


def centred(values: ArrayLike, estimate: float, *, level: float = 0.95) -> Interval:
    """Percentile interval minus the bias of resampling, for metrics that are larger on resamples.

    A calibration error averages absolute values of noisy gaps. Resamples are noisier, so their values are larger, and
    all their percentiles may exceed the estimate. This function subtracts the bias from both bounds: the mean over the
    resamples minus the estimate.

    Args:
        values: Metric in each resample, at least 0, NaN where undefined, shape (b,).
        estimate: Metric of the sample, at least 0.
        level: Nominal coverage, in (0, 1).

    Returns:
        As `percentile`, with bounds of at least 0 that contain the estimate.

    Source: Davison & Hinkley 1997, "Bootstrap methods and their application", section 2.4, for the bias.

    Example:
        >>> centred([1.0, 2.0, 3.0, 4.0, 5.0], 1.5, level=0.5)
        Interval(low=0.5, high=2.5, undefined=0)
    """
    interval = percentile(values, level=level)
    if math.isnan(interval.low):
        return interval
    bias = float(np.nanmean(np.asarray(values, dtype=np.float64))) - estimate
    low, high = max(0.0, interval.low - bias), max(0.0, interval.high - bias)
    return Interval(min(low, estimate), max(high, estimate), interval.undefined)


def _closed(low: FloatArray, high: FloatArray, x: FloatArray, n: FloatArray) -> tuple[Values, Values]:
    """Clip to [0, 1]. The lower bound is exactly 0 for 0 successes, the upper exactly 1 for n of n."""
    return np.where(x == 0, 0, np.clip(low, 0, 1))[()], np.where(x == n, 1, np.clip(high, 0, 1))[()]


def _counts(successes: ArrayLike, trials: ArrayLike) -> tuple[FloatArray, FloatArray]:
    x, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    wrong = ~((x >= 0) & (x <= n) & np.isfinite(n))
    if wrong.any():
        raise ValueError(
            f"found {x[wrong][0]:g} successes of {n[wrong][0]:g} trials ({wrong.sum()} of {wrong.size} are wrong); "
            "expected 0 <= successes <= trials"
        )
    return x, n


def _level(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}; expected a number between 0 and 1, such as 0.95")
    return level


def _codes(groups: ArrayLike) -> NDArray[np.intp]:
    """Number the groups 0 to m - 1."""
    array = np.asarray(groups)
    if array.ndim != 1:
        raise ValueError(f"groups: found shape {array.shape}; expected (n,)")
    return np.unique(array, return_inverse=True)[1]
