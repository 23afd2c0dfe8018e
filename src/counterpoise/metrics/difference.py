"""Confidence intervals of differences: of two independent estimates, and of two figures of the same examples."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from counterpoise.metrics.arguments import FloatArray, unit_codes
from counterpoise.metrics.influence import sum_by_unit


class Difference(NamedTuple):
    """The second value minus the first, with its interval; the ends are NaN where none can be given."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0.

        Example:
            >>> Difference(0.2, 0.1, 0.3).clear, Difference(0.2, -0.1, 0.5).clear
            (True, False)
        """
        return self.low > 0 or self.high < 0


def of_independent(first: tuple[float, float, float], second: tuple[float, float, float]) -> Difference:
    """Interval of the difference of two independent estimates, from the interval of each (MOVER).

    With estimates a, b and intervals [l, u]: `d - sqrt((b - l_b)^2 + (u_a - a)^2)` to
    `d + sqrt((u_b - b)^2 + (a - l_a)^2)` for `d = b - a`. With Wilson's intervals of two proportions this is Newcombe's
    hybrid score interval.

    Args:
        first: Estimate a, and the low and high end of its interval.
        second: The same of b.

    Returns:
        b - a with its interval, of the level of the two intervals.

    Source: Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10; Zou &
        Donner 2008, "Construction of confidence limits about effect measures".

    Example:
        >>> from counterpoise.metrics.intervals import wilson
        >>> one, other = ((x / n, *map(float, wilson(x, n))) for x, n in ((48, 80), (56, 70)))
        >>> [round(float(end), 4) for end in of_independent(one, other)]  # Newcombe 1998, table II
        [0.2, 0.0524, 0.3339]
    """
    (a, low_a, high_a), (b, low_b, high_b) = first, second
    value = b - a
    return Difference(value, value - math.hypot(b - low_b, high_a - a), value + math.hypot(high_b - b, a - low_a))


def of_paired(value: float, influences: FloatArray, units: NDArray[np.int64], strata: NDArray[np.int64]) -> Difference:
    """Interval of the difference of two figures of the same examples, `value -+ t sqrt(V)`.

    `V = m / (m - 1) * sum_u s_u^2` over the m units, where s_u is the sum of the influence values in unit u. Degrees of
    freedom of t are Satterthwaite's, `V^2 / sum_k V_k^2 / (m_k - 1)` over strata k, so that a rare class with few units
    counts with these.

    Args:
        value: The difference.
        influences: Influence of each example on the second figure minus that on the first, shape (n,).
        units: Unit of each example, shape (n,).
        strata: Stratum of each example, at least 0, shape (n,), such as its class; a unit has the largest stratum of
            its examples.

    Returns:
        The difference with its 95 % interval; NaN as ends with fewer than two units.

    Source: Efron 1982, "The jackknife, the bootstrap and other resampling plans", chapter 6; Satterthwaite 1946.

    Example:
        >>> ends = of_paired(0.0, np.array([1.0, -1.0]), np.array([0, 1]), np.array([0, 0]))
        >>> round(ends.high, 2)  # V = 2 * 2, t with one degree of freedom 12.706
        25.41
    """
    from scipy.special import stdtrit

    codes = unit_codes(units)
    squares = sum_by_unit(influences, codes) ** 2
    m = len(squares)
    if m < 2:
        return Difference(value, math.nan, math.nan)
    stratum = np.zeros(m, dtype=np.int64)
    np.maximum.at(stratum, codes, strata)
    variance = squares.sum() * m / (m - 1)
    shares, sizes = np.bincount(stratum, squares), np.bincount(stratum)
    spread = float((shares**2 / np.maximum(sizes - 1, 1)).sum())
    degrees = float(squares.sum() ** 2 / spread) if spread > 0 else 1.0
    half = float(stdtrit(degrees, 0.975) * np.sqrt(variance))
    return Difference(value, value - half, value + half)
