"""Multilabel metrics, for one weighting of the examples or for b bootstrap resamples at once.

`metrics.averages` explains `weights`. Truth, decisions and probabilities have shape (n, c): n examples, c labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.metrics.arguments import FloatArray, Values
from counterpoise.metrics.averages import mean_over_present, ratio
from counterpoise.metrics.ranking import average_precision

Booleans = NDArray[np.bool_]


def counts(truth: Booleans, decided: Booleans, weights: ArrayLike | None = None) -> FloatArray:
    """Count true positives, false positives and false negatives of each label.

    Args:
        truth: (n, c).
        decided: (n, c).
        weights: None, (n,) or (b, n).

    Returns:
        Weighted counts, shape (3, c) or (b, 3, c).

    Example:
        >>> counts(np.array([[True, False]]), np.array([[True, True]])).tolist()
        [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    cells = np.stack([truth & decided, ~truth & decided, truth & ~decided], axis=1).astype(np.float64)
    return _weighted_sum(cells.reshape(len(truth), -1), weights).reshape(*_shape(weights), 3, truth.shape[1])


def macro_f1(truth: Booleans, decided: Booleans, weights: ArrayLike | None = None) -> Values:
    """Mean F1, `2 TP / (2 TP + FP + FN)`, over the labels that are present in an example with weight.

    Returns:
        Mean in [0, 1], shape () or (b,); NaN if no label is present. A label that is present and never decided counts
        as 0.

    Example:
        >>> float(macro_f1(np.array([[True, False], [True, False]]), np.array([[True, True], [False, False]])).round(4))
        0.6667
    """
    tp, fp, fn = np.moveaxis(counts(truth, decided, weights), -2, 0)
    return mean_over_present(np.asarray(ratio(2 * tp, 2 * tp + fp + fn)), tp + fn > 0)


def micro_f1(truth: Booleans, decided: Booleans, weights: ArrayLike | None = None) -> Values:
    """F1 over all pairs of example and label, `2 sum TP / (2 sum TP + sum FP + sum FN)`.

    Returns:
        F1 in [0, 1], shape () or (b,); NaN if no label is present or decided.

    Example:
        >>> float(micro_f1(np.array([[True, False]]), np.array([[True, True]])).round(4))
        0.6667
    """
    tp, fp, fn = np.moveaxis(counts(truth, decided, weights), -2, 0).sum(axis=-1)
    return ratio(2 * tp, 2 * tp + fp + fn)


def mean_average_precision(truth: Booleans, probs: FloatArray, weights: ArrayLike | None = None) -> Values:
    """Mean average precision over the labels that are present.

    Returns:
        Mean in [0, 1], shape () or (b,); NaN if no label is present.

    Example:
        >>> float(mean_average_precision(np.array([[True, False], [False, False]]), np.array([[0.2, 0.1], [0.8, 0.3]])))
        0.5
    """
    present = np.flatnonzero(truth.any(axis=0))
    if not len(present):
        return np.full(_shape(weights), np.nan)[()]
    each = np.stack([average_precision(truth[:, k], probs[:, k], weights) for k in present], axis=-1)
    return mean_over_present(np.nan_to_num(each), ~np.isnan(each))


def coverage(truth: Booleans, probs: FloatArray, weights: ArrayLike | None = None) -> Values:
    """Coverage error: how many top-ranked labels include all true labels of an example, on average.

    Returns:
        Number of labels, at least the mean number of labels per example, shape () or (b,); NaN if no example has a
        label. Examples without a label are ignored.

    Source: scikit-learn's `coverage_error`. Departure: there, examples without a label count as 0.

    Example:
        >>> float(coverage(np.array([[True, False, True]]), np.array([[0.9, 0.5, 0.1]])))
        3.0
    """
    labelled = truth.any(axis=1)
    sums = _weighted_sum(np.stack([depths(truth, probs), labelled], axis=1), weights)
    return ratio(sums[..., 0], sums[..., 1])


def depths(truth: Booleans, probs: FloatArray) -> FloatArray:
    """Count for each example, (n,), the labels at least as probable as its least probable true one; 0 without one."""
    least = np.where(truth, probs, np.inf).min(axis=1, initial=np.inf)
    return np.asarray((probs >= least[:, None]).sum(axis=1), dtype=np.float64)


def calibration_error(truth: Booleans, probs: FloatArray, weights: ArrayLike | None = None, bins: int = 15) -> Values:
    """Expected calibration error over all pairs of example and label, in bins of equal width.

    `sum_m (w_m / w) |share of positives in bin m - mean probability in bin m|`.

    Returns:
        Error in [0, 1], shape () or (b,); NaN if all weights are 0.

    Source: Guo et al. 2017, eq. 3. Departure: it uses the probability of every label instead of the top class.

    Example:
        >>> float(calibration_error(np.array([[True], [False]]), np.array([[0.9], [0.9]])).round(4))
        0.4
    """
    member = np.digitize(probs, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    gaps = np.stack([((member == m) * (truth - probs)).sum(axis=1) for m in range(bins)], axis=1)
    total = _weighted_sum(np.full((len(truth), 1), float(truth.shape[1])), weights)[..., 0]
    return ratio(np.abs(_weighted_sum(gaps, weights)).sum(axis=-1), total)


def reliability(truth: Booleans, probs: FloatArray, bins: int = 15) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean probability, share of positives, and number of pairs, (k,) each, for the k bins that have any."""
    member = np.digitize(probs, np.linspace(0, 1, bins + 1)[1:-1], right=True).ravel()
    number, said, yes = (
        np.bincount(member, values, minlength=bins) for values in (None, probs.ravel(), truth.ravel().astype(float))
    )
    full = number > 0
    return said[full] / number[full], yes[full] / number[full], number[full].astype(np.float64)


def brier(truth: Booleans, probs: FloatArray, weights: ArrayLike | None = None) -> Values:
    """Mean squared difference of probability and truth over all pairs of example and label.

    Returns:
        Score in [0, 1], shape () or (b,); NaN if all weights are 0.

    Example:
        >>> float(brier(np.array([[True, False]]), np.array([[0.8, 0.4]])).round(4))  # (0.04 + 0.16) / 2
        0.1
    """
    each = ((probs - truth) ** 2).mean(axis=1)
    sums = _weighted_sum(np.stack([each, np.ones_like(each)], axis=1), weights)
    return ratio(sums[..., 0], sums[..., 1])


def _shape(weights: ArrayLike | None) -> tuple[int, ...]:
    return () if weights is None else np.shape(weights)[:-1]


def _weighted_sum(values: FloatArray, weights: ArrayLike | None) -> FloatArray:
    """Sum (n, k) values over the examples, to (k,) or (b, k)."""
    return np.asarray(values.sum(axis=0) if weights is None else np.asarray(weights, dtype=np.float64) @ values)
