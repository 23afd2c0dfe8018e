"""Resamples of whole groups, and percentile intervals of what is computed on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.metrics.arguments import unit_codes
from counterpoise.metrics.intervals.interval import tail


class Percentiles(NamedTuple):
    """A percentile interval, and the number of resamples that it ignores because the metric is undefined (NaN)."""

    low: float
    high: float
    undefined: int


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
    codes = unit_codes(groups, "groups")
    if len(codes) == 0 or resamples < 1:
        raise ValueError(f"found {len(codes)} examples and resamples {resamples}; expected at least 1 of both")
    m = int(codes.max()) + 1
    weights = np.empty((resamples, len(codes)), dtype=np.int32)
    for row in weights:
        row[:] = np.bincount(rng.integers(m, size=m), minlength=m)[codes]
    return weights


def percentile(values: ArrayLike, *, level: float = 0.95) -> Percentiles:
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
        Percentiles(low=1.0, high=3.0, undefined=1)
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"values: found shape {array.shape}; expected (b,) with at least one resample")
    outside = tail(level)
    defined = array[~np.isnan(array)]
    low, high = np.quantile(defined, [outside, 1 - outside]) if defined.size else (np.nan, np.nan)
    return Percentiles(float(low), float(high), int(array.size - defined.size))
