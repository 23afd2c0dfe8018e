"""Class weights from class counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Weights = NDArray[np.float64]


def _none(counts: Weights, beta: float) -> Weights:
    return np.ones_like(counts)


def _balanced(counts: Weights, beta: float) -> Weights:
    return 1 / counts


def _square_root(counts: Weights, beta: float) -> Weights:
    return 1 / np.sqrt(counts)


def _effective_number(counts: Weights, beta: float) -> Weights:
    return (1 - beta) / (1 - beta**counts)


def _one_minus_share(counts: Weights, beta: float) -> Weights:
    return np.asarray(1 - counts / counts.sum())


SCHEMES: dict[str, Callable[[Weights, float], Weights]] = {
    "none": _none,
    "balanced": _balanced,
    "square_root": _square_root,
    "effective_number": _effective_number,
    "one_minus_share": _one_minus_share,
}


def class_weights(scheme: str, class_counts: ArrayLike, *, beta: float = 0.999) -> Weights:
    """Compute the weight of each class, averaging 1 over the drawn examples.

    With n_k draws of class k: `none` 1; `balanced` 1 / n_k; `square_root` 1 / sqrt(n_k); `effective_number`
    (1 - beta) / (1 - beta^n_k); `one_minus_share` 1 - n_k / sum n; each times a constant so that
    sum_k n_k w_k = sum_k n_k. A class that is never drawn gets weight 0: nothing is known of it.

    Args:
        scheme: One of the names above.
        class_counts: (c,) draws of each class in one epoch.
        beta: In [0, 1), for `effective_number` alone.

    Returns:
        (c,) weights, 0 or more.

    Raises:
        ValueError: The scheme is unknown, beta is out of range, nothing is drawn, or the scheme leaves no weight
            (`one_minus_share` of a single class).

    Source: Cui et al. (2019), Class-Balanced Loss Based on Effective Number of Samples, equation 2, for
        `effective_number`; they normalise to a sum of c instead.

    Example:
        >>> class_weights("balanced", [30, 10])
        array([0.66666667, 2.        ])
    """
    if scheme not in SCHEMES:
        raise ValueError(f"weighting.scheme is {scheme!r}; expected one of {list(SCHEMES)}")
    if not 0 <= beta < 1:
        raise ValueError(f"weighting.beta is {beta}; expected a number in [0, 1)")
    counts = np.asarray(class_counts, dtype=np.float64)
    drawn = counts > 0
    if not drawn.any():
        raise ValueError("class weights need at least one drawn example")
    weights = np.zeros_like(counts)
    weights[drawn] = SCHEMES[scheme](counts[drawn], beta)
    total = float(counts @ weights)
    if total <= 0:
        raise ValueError(f"weighting.scheme {scheme!r} gives no class a weight, with counts {counts.tolist()}")
    return np.asarray(weights * counts.sum() / total)


def _ones(positives: Weights, total: float) -> Weights:
    return np.ones_like(positives)


def _negatives_over_positives(positives: Weights, total: float) -> Weights:
    return (total - positives) / positives


def _inverse_share(positives: Weights, total: float) -> Weights:
    return np.asarray(positives.sum() / positives)


LABEL_SCHEMES: dict[str, Callable[[Weights, float], Weights]] = {
    "none": _ones,
    "negatives_over_positives": _negatives_over_positives,
    "inverse_share": _inverse_share,
}


def label_weights(scheme: str, label_counts: ArrayLike, total: float) -> Weights:
    """Compute by how much a positive entry of each label counts more than a negative one (PyTorch's `pos_weight`).

    With k_l positives of label l among n draws: `none` 1; `negatives_over_positives` (n - k_l) / k_l; `inverse_share`
    sum k / k_l. They are not normalised. A weight w turns a true probability p into w p / (w p + 1 - p), so that the
    threshold 0.5 means p = 1 / (1 + w): the ledger holds w as the factor of the odds. A label that is never drawn, or
    present in every draw, gets weight 1: there is nothing to weigh against each other.

    Args:
        scheme: One of the names above.
        label_counts: (c,) draws that have each label, in one epoch.
        total: n, draws in one epoch.

    Returns:
        (c,) positive weights.

    Raises:
        ValueError: The scheme is unknown, or a count exceeds the total.

    Example:
        >>> label_weights("negatives_over_positives", [25, 50], 100), label_weights("inverse_share", [25, 50], 100)
        (array([3., 1.]), array([3. , 1.5]))
    """
    if scheme not in LABEL_SCHEMES:
        raise ValueError(f"weighting.scheme is {scheme!r}; expected one of {list(LABEL_SCHEMES)} for many labels")
    counts = np.asarray(label_counts, dtype=np.float64)
    if (counts < 0).any() or (counts > total).any():
        raise ValueError(f"label counts {counts.tolist()} must be between 0 and the number of samples, {total:g}")
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = LABEL_SCHEMES[scheme](counts, total)
    return np.where((counts > 0) & (counts < total), weights, 1.0)
