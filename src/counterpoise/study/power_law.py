"""How an error falls with the number of labels, and what twice as many would bring."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

EXPONENTS = 2.0 ** np.linspace(-4, 1, 161)
"""Exponents of the grid search, from 1/16 to 2. Below, a power law is hardly other than a logarithm; above, a curve is
flat long before all labels are used."""


class Fit(NamedTuple):
    """Power laws through b curves; NaN where none fits.

    Attributes:
        level: (b,) error with all labels.
        gain: (b,) by how much it falls with twice as many; below 0 it rises.
        exponent: (b,) c.
    """

    level: Floats
    gain: Floats
    exponent: Floats

    def at(self, shares: ArrayLike) -> Floats:
        """Compute the errors at shares (f,) of all labels, 2 for twice as many: (b, f)."""
        falls = _falls(np.atleast_1d(np.asarray(shares, dtype=np.float64)), self.exponent)
        return self.level[:, None] + self.gain[:, None] * falls


def fit(shares: ArrayLike, errors: ArrayLike) -> Fit:
    """Fit error(m) = a + b m^-c to curves, by least squares, for the share m of the labels that there are.

    Written as error(m) = level + gain (m^-c - 1) / (1 - 2^-c), it is linear in level and gain, so
    that each exponent has its own best pair, and the best of `EXPONENTS` is taken. Pairs whose error would fall below 0
    with endless labels are left out; a curve for which none is left has no fit.

    Args:
        shares: (f,) at least three different ones, in (0, 1].
        errors: (b, f) in [0, 1], one minus a figure of which 1 is the best.

    Returns:
        Level, gain and exponent of each curve.

    Raises:
        ValueError: There are too few shares, or shapes do not fit.

    Example:
        >>> law = fit([0.25, 0.5, 1.0], [[0.3, 0.2, 0.15]])  # 0.1 + 0.05 / m
        >>> round(float(law.gain[0]), 3), round(float(law.at(2.0)[0, 0]), 3)
        (0.025, 0.125)
    """
    m, y = np.asarray(shares, dtype=np.float64), np.atleast_2d(np.asarray(errors, dtype=np.float64))
    if len(np.unique(m)) < 3 or not ((m > 0) & (m <= 1)).all() or y.shape[1:] != m.shape:
        raise ValueError(
            f"expected at least three different shares in (0, 1], and as many errors; found {m}, {y.shape}"
        )
    falls = _falls(m, EXPONENTS)
    spread = falls - falls.mean(axis=1, keepdims=True)
    gain = y @ spread.T / (spread**2).sum(axis=1)
    level = y.mean(axis=1, keepdims=True) - gain * falls.mean(axis=1)
    squares = ((y[:, None, :] - level[:, :, None] - gain[:, :, None] * falls) ** 2).sum(axis=2)
    possible = level - gain / (1 - 2.0**-EXPONENTS) >= -1e-9  # rounding
    squares = np.where(possible, squares, np.inf)
    best = squares.argmin(axis=1)
    rows = np.arange(len(y))
    fits = possible[rows, best] & np.isfinite(y).all(axis=1)
    best_pairs = (level[rows, best], gain[rows, best], EXPONENTS[best])
    return Fit(*(np.where(fits, values, np.nan) for values in best_pairs))


def _falls(shares: Floats, exponents: Floats) -> Floats:
    """Compute (m^-c - 1) / (1 - 2^-c), (c, m): 0 with all labels, -1 with twice as many."""
    c = exponents[:, None]
    return np.asarray((shares**-c - 1) / (1 - 2.0**-c))


def resampled(errors: ArrayLike, rng: np.random.Generator) -> Floats:
    """Average curves over resampled replicates.

    A mean over r resampled replicates varies less than a mean over r new ones, by (r - 1) / r; its distance from the
    mean of all is stretched accordingly.

    Args:
        errors: (r, f, b) of r replicates at f shares, in b resamples of the validation images.
        rng: Draws the replicates, other ones at each share.

    Returns:
        (b, f).
    """
    values = np.asarray(errors, dtype=np.float64)
    r, f, b = values.shape
    rows = rng.integers(r, size=(r, f, b))
    means = np.take_along_axis(values, rows, axis=0).mean(axis=0)
    centre = values.mean(axis=0)
    stretch = np.sqrt(r / (r - 1)) if r > 1 else 1.0
    return np.asarray((centre + stretch * (means - centre)).T)
