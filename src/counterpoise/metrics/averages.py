"""Weighted means and ratios, for one weighting of the examples or for many.

`weights` are None (every example counts once), (n,) for one weighting of n examples, or (b, n) for b of them, such as
bootstrap resamples. A figure has then shape () or (b,), and is NaN where it is undefined.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from counterpoise.metrics.arguments import FloatArray, Values, example_weights

CHUNK_ELEMENTS = 2**19
"""Weights worked on at a time, in elements (4 MiB): bounds memory, whatever the number of resamples."""


def per_weighting(compute: Callable[[FloatArray], FloatArray], weights: ArrayLike | None, n: int) -> Values:
    """Apply `compute`, from (k, n) weights to (k, ...) results, to a few resamples at a time."""
    w = np.ones(n) if weights is None else example_weights(weights, n)
    rows, step = np.atleast_2d(w), max(1, CHUNK_ELEMENTS // max(1, n))
    results = np.concatenate([compute(rows[i : i + step].astype(np.float64)) for i in range(0, len(rows), step)])
    return results if w.ndim == 2 else results.reshape(results.shape[1:])[()]


def weighted_mean(values: FloatArray, weights: ArrayLike | None) -> Values:
    """Average (n,) values by the weights of their examples; NaN where no example weighs anything."""
    return per_weighting(lambda w: np.asarray(ratio(w @ values, w.sum(1))), weights, len(values))


def ratio(numerator: Values, denominator: Values) -> Values:
    """Divide; NaN where the denominator is 0."""
    nothing = np.full(np.shape(denominator), np.nan)
    return np.divide(numerator, denominator, out=nothing, where=np.asarray(denominator) > 0)[()]


def mean_over_present(values: FloatArray, present: ArrayLike) -> Values:
    """Average (..., c) values over the c classes that are `present`, (..., c); NaN where none is."""
    return ratio(np.where(present, values, 0).sum(axis=-1), np.sum(present, axis=-1))
