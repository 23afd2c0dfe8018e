"""Weighted means and ratios, for one weighting of the examples or for many.

`weights` is None (every example counts once), has shape (n,) for one weighting of n examples, or (b, n) for b
weightings, such as bootstrap resamples. A metric then has shape () or (b,). It is NaN where it is undefined.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from counterpoise.metrics.arguments import FloatArray, Values, example_weights

CHUNK_ELEMENTS = 2**19
"""Number of weights to process at once (4 MiB). It limits memory for any number of resamples."""


def per_weighting(compute: Callable[[FloatArray], FloatArray], weights: ArrayLike | None, n: int) -> Values:
    """Apply `compute`, which maps (k, n) weights to (k, ...) results, to a few resamples at a time."""
    w = np.ones(n) if weights is None else example_weights(weights, n)
    rows, step = np.atleast_2d(w), max(1, CHUNK_ELEMENTS // max(1, n))
    results = np.concatenate([compute(rows[i : i + step].astype(np.float64)) for i in range(0, len(rows), step)])
    return results if w.ndim == 2 else results.reshape(results.shape[1:])[()]


def weighted_mean(values: FloatArray, weights: ArrayLike | None) -> Values:
    """Average (n,) values with the weights of their examples; NaN if all weights are 0."""
    return per_weighting(lambda w: np.asarray(ratio(w @ values, w.sum(1))), weights, len(values))


def ratio(numerator: Values, denominator: Values) -> Values:
    """Divide; NaN where the denominator is 0."""
    nothing = np.full(np.shape(denominator), np.nan)
    return np.divide(numerator, denominator, out=nothing, where=np.asarray(denominator) > 0)[()]


def mean_over_present(values: FloatArray, present: ArrayLike) -> Values:
    """Average (..., c) values over the classes that are `present`, (..., c); NaN if no class is present."""
    return ratio(np.where(present, values, 0).sum(axis=-1), np.sum(present, axis=-1))
