"""Checks of the arguments of metrics. Errors say what was found and what was expected."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]


Values: TypeAlias = np.float64 | FloatArray
"""A float for one weighting of the examples, an array of shape (b,) for b of them."""


def confusion_table(confusion: ArrayLike) -> FloatArray:
    """Check confusion matrices: counts or weights, shape (..., c, c)."""
    table = np.asarray(confusion, dtype=np.float64)
    if table.ndim < 2 or table.shape[-1] != table.shape[-2]:
        raise ValueError(f"confusion: found shape {table.shape}; expected (..., c, c)")
    if table.size and not (table.min() >= 0 and table.max() < np.inf):
        raise ValueError(f"confusion: found values from {table.min()} to {table.max()}; expected finite, 0 or more")
    return table


def example_weights(weights: ArrayLike, n: int) -> NDArray[np.number]:
    """Check weights of n examples: shape (n,), or (b, n) for b weightings."""
    w = np.asarray(weights)
    shape_fits = w.ndim in (1, 2) and w.shape[-1] == n and (w.ndim == 1 or len(w) > 0)
    if w.dtype.kind not in "biuf" or not shape_fits:
        raise ValueError(f"weights: found {w.dtype} of shape {w.shape}; expected numbers of shape ({n},) or (b, {n})")
    if w.size and not (w.min() >= 0 and w.max() < np.inf):
        raise ValueError(f"weights: found values from {w.min()} to {w.max()}; expected finite, 0 or more")
    return w


def class_indices(name: str, values: ArrayLike, class_count: int, n: int | None = None) -> NDArray[np.int64]:
    """Check class indices: shape (n,), from 0 to class_count - 1. Error messages call the array `name`."""
    if class_count < 1:
        raise ValueError(f"class_count: found {class_count}; expected at least 1")
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "biu" or (n is not None and len(array) != n):
        length = "n" if n is None else n
        raise ValueError(f"{name}: found {array.dtype} of shape {array.shape}; expected integers of shape ({length},)")
    if array.size and not (array.min() >= 0 and array.max() < class_count):
        raise ValueError(f"{name}: found values from {array.min()} to {array.max()}; expected 0 to {class_count - 1}")
    return array.astype(np.int64)


def binary(positives: ArrayLike) -> NDArray[np.bool_]:
    """Check which examples are positive: shape (n,), values 0 and 1."""
    y = np.asarray(positives)
    if y.ndim != 1 or not np.isin(y, (0, 1)).all():
        raise ValueError(f"positives: found shape {y.shape}, values {np.unique(y)[:5]}; expected (n,) of 0 and 1")
    return y.astype(np.bool_)


def ranking(positives: ArrayLike, scores: ArrayLike, name: str = "scores") -> tuple[NDArray[np.bool_], FloatArray]:
    """Check which of n examples are positive, and that their scores are finite. Errors call the scores `name`."""
    y, s = binary(positives), np.asarray(scores, dtype=np.float64)
    if s.shape != y.shape:
        raise ValueError(f"{name}: found shape {s.shape}; expected {y.shape}, the shape of positives")
    if not np.isfinite(s).all():
        raise ValueError(f"{name}: {(~np.isfinite(s)).sum()} of {len(s)} values are not finite; expected finite values")
    return y, s


def class_probabilities(probs: ArrayLike, targets: ArrayLike) -> tuple[FloatArray, NDArray[np.int64]]:
    """Check probabilities, shape (n, c), whose rows sum to 1, and class indices, shape (n,)."""
    p = np.asarray(probs, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] == 0:
        raise ValueError(f"probs: found shape {p.shape}; expected (n, c)")
    invalid = ~((p >= 0).all(1) & (np.abs(p.sum(1) - 1) <= 1e-4))  # true for NaN as well
    if invalid.any():
        raise ValueError(
            f"probs: {invalid.sum()} of {len(p)} rows are not probabilities, such as row {invalid.argmax()}, "
            f"{p[invalid.argmax()]}; expected finite values of at least 0 that sum to 1 within 1e-4 (are they logits?)"
        )
    return p, class_indices("targets", targets, p.shape[1], n=len(p))


def unit_codes(units: ArrayLike, name: str = "units") -> NDArray[np.int64]:
    """Number the m units of n examples 0 to m - 1, in their sorted order. Error messages call the array `name`.

    Small integers, such as the codes of all units when some examples are left out, are numbered without a sort.
    """
    array = np.asarray(units)
    if array.ndim != 1:
        raise ValueError(f"{name}: found shape {array.shape}; expected (n,)")
    if _is_small(array):
        return np.asarray((np.cumsum(np.bincount(array) > 0) - 1)[array], dtype=np.int64)
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def distinct(codes: NDArray[np.integer]) -> NDArray[np.int64]:
    """List the different values of integers, shape (n,), in ascending order; small ones are found without a sort.

    Example:
        >>> distinct(np.array([3, 1, 3])).tolist()
        [1, 3]
    """
    return np.asarray(np.flatnonzero(np.bincount(codes)) if _is_small(codes) else np.unique(codes), dtype=np.int64)


def _is_small(array: NDArray[np.generic]) -> bool:
    """Say whether there is room for a counter of each value up to the largest."""
    return bool(array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() < 16 * array.size + 1024)
