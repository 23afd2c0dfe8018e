"""The confidence interval of a calibration error, whose estimate is biased upwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from counterpoise.metrics.arguments import FloatArray, unit_codes
from counterpoise.metrics.averages import ratio
from counterpoise.metrics.intervals.bootstrap import percentile
from counterpoise.metrics.intervals.interval import Interval


def unit_gaps(gaps: ArrayLike, bins: ArrayLike, units: ArrayLike, count: int) -> FloatArray:
    """Sum the gaps between truth and probability in each unit and bin.

    Args:
        gaps: Truth minus probability of each example, or pair of example and label, shape (n,).
        bins: Bin of each, integers from 0 to count - 1, shape (n,).
        units: Unit of each, sortable, shape (n,).
        count: Number of bins.

    Returns:
        (m, count) sums.

    Example:
        >>> unit_gaps([0.5, -0.25, 0.25], [0, 1, 1], ["a", "a", "b"], 2)
        array([[ 0.5 , -0.25],
               [ 0.  ,  0.25]])
    """
    codes = unit_codes(units)
    cells = codes * count + np.asarray(bins)
    size = (int(codes.max(initial=-1)) + 1) * count
    return np.asarray(np.bincount(cells, np.asarray(gaps), minlength=size), dtype=np.float64).reshape(-1, count)


def calibration_error(
    sums: FloatArray, total: int, *, resamples: int, rng: np.random.Generator, level: float = 0.95
) -> Interval:
    """Interval of an expected calibration error without the bias that noise adds to it.

    The error adds the absolute gaps of bins. A gap of nothing but noise counts as well, so the error of few examples is
    too large. Here each bin counts `sqrt(max(gap^2 - variance, 0))`, in resamples of the gaps, which are drawn from a
    normal distribution with the variances and covariances that the units show.

    Args:
        sums: Gaps in each of m units and k bins, (m, k); see `unit_gaps`.
        total: Number of examples.
        resamples: Number of draws, at least 1.
        rng: Random generator.
        level: Nominal coverage, in (0, 1).

    Returns:
        Percentiles of the error over the draws.

    Raises:
        ValueError: There are fewer than two units, or `resamples` is below 1.

    Source: Bröcker 2012, "Estimating reliability and resolution of probability forecasts through decomposition of the
        empirical score", for the bias of a squared gap; Kumar, Liang & Ma 2019, "Verified uncertainty calibration".
    """
    m = len(sums)
    if m < 2 or resamples < 1:
        raise ValueError(f"found {m} units and resamples {resamples}; expected at least 2 and 1")
    gaps = sums.sum(axis=0)
    centred = sums - gaps / m
    covariance = m / (m - 1) * centred.T @ centred
    drawn = rng.multivariate_normal(gaps, covariance, size=resamples, method="eigh")
    squared = np.maximum(drawn**2 - np.diag(covariance), 0)
    low, high, _ = percentile(np.asarray(ratio(np.sqrt(squared).sum(axis=1), np.full(resamples, total))), level=level)
    return Interval(low, high)
