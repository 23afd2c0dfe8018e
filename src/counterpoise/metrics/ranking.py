"""Metrics of rankings by score: average precision, ROC AUC, and the precision-recall curve."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.metrics.arguments import FloatArray, Values, example_weights, ranking
from counterpoise.metrics.averages import per_weighting, ratio


class Curve(NamedTuple):
    """Points of a precision-recall curve, by increasing threshold; three arrays of equal length."""

    precision: FloatArray
    recall: FloatArray
    threshold: FloatArray


def average_precision(positives: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Average precision, `sum_k (R_k - R_(k-1)) P_k`. A random ranking scores the share of positives.

    It is computed as a mean over the positives: the precision among all examples with at least the same score.

    Args:
        positives: Whether each example is positive, boolean or 0/1, shape (n,).
        scores: Score of each example, finite, higher is more positive, ties allowed, shape (n,).
        weights: None, (n,) or (b, n); see `metrics.averages`.

    Returns:
        Average precision in [0, 1], shape () or (b,); NaN if no positive has weight.

    Raises:
        ValueError: Lengths differ, a score is not finite, or the weights are invalid.

    Source: scikit-learn's `average_precision_score`. Results are equal, with ties and weights too.
        Departure: NaN without positives, where scikit-learn warns and returns 0.

    Example:
        >>> float(average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]))  # (1/1 + 2/3) / 2
        0.8333333333333333
    """
    y, s = ranking(positives, scores)
    ranked = np.argsort(-s, kind="stable")
    hits = ranked[y[ranked]]
    all_to, hits_to = (np.searchsorted(-s[some], -s[hits], side="right") for some in (ranked, hits))

    def mean_precision(w: FloatArray) -> FloatArray:
        above, hits_above = _running_sum(w, ranked)[:, all_to], _running_sum(w, hits)[:, hits_to]
        precision_at = hits_above / np.maximum(above, np.finfo(float).tiny)
        return np.minimum(ratio((w[:, hits] * precision_at).sum(1), w[:, hits].sum(1)), 1)

    return per_weighting(mean_precision, weights, len(y))


def roc_auc(positives: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Probability that a positive scores higher than a negative. Ties count one half; a random ranking scores 0.5.

    `sum_ij w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / sum_ij w_i w_j` with positives i and negatives j.

    Args:
        positives: Whether each example is positive, boolean or 0/1, shape (n,).
        scores: Score of each example, finite, higher is more positive, ties allowed, shape (n,).
        weights: None, (n,) or (b, n); see `metrics.averages`.

    Returns:
        Area in [0, 1], shape () or (b,); NaN if no positive or no negative has weight.

    Raises:
        ValueError: Lengths differ, a score is not finite, or the weights are invalid.

    Source: Hanley & McNeil 1982, "The meaning and use of the area under a ROC curve". Results are equal to those
        of scikit-learn's `roc_auc_score`.

    Example:
        >>> float(roc_auc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1]))  # (1 + 1 + 1/2 + 1) / 4
        0.875
    """
    y, s = ranking(positives, scores)
    ranked = np.argsort(s, kind="stable")
    hits, others = ranked[y[ranked]], ranked[~y[ranked]]
    below, up_to = (np.searchsorted(s[others], s[hits], side) for side in ("left", "right"))

    def area(w: FloatArray) -> FloatArray:
        passed = _running_sum(w, others)
        wins = (w[:, hits] * (passed[:, below] + passed[:, up_to])).sum(1) / 2
        return np.minimum(ratio(wins, w[:, hits].sum(1) * passed[:, -1]), 1)

    return per_weighting(area, weights, len(y))


def precision_recall_curve(positives: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """Precision and recall of the decision `score >= threshold`, with every distinct score as threshold.

    Args:
        positives: Whether each example is positive, boolean or 0/1, shape (n,).
        scores: Score of each example, finite, higher is more positive, shape (n,).
        weights: None or (n,). Resamples are not supported, since their curves differ in length.

    Returns:
        Precision, recall and threshold, of equal length, by increasing threshold. Empty if no positive has weight.

    Raises:
        ValueError: Lengths differ, a score is not finite, or the weights are invalid.

    Source: scikit-learn's function of the same name, whose import takes a second. Results are bitwise equal.
        Departure: scikit-learn's last point (precision 1, recall 0) has no threshold, and is omitted.

    Example:
        >>> curve = precision_recall_curve([1, 0, 1], [0.9, 0.8, 0.7])
        >>> curve.precision.round(2), curve.recall, curve.threshold
        (array([0.67, 0.5 , 1.  ]), array([1. , 0.5, 0.5]), array([0.7, 0.8, 0.9]))
    """
    y, s = ranking(positives, scores)
    w = np.ones(len(y)) if weights is None else example_weights(weights, len(y)).astype(np.float64)
    if w.ndim != 1:
        raise ValueError(
            f"weights: found shape {w.shape}; expected ({len(y)},), since curves of resamples differ in length"
        )
    if not w[y].sum() > 0:
        return Curve(np.empty(0), np.empty(0), np.empty(0))
    y, s, w = y[w > 0], s[w > 0], w[w > 0]
    ranked = np.argsort(-s, kind="stable")
    last = np.append(np.flatnonzero(np.diff(s[ranked])), len(s) - 1)  # per distinct score, highest first
    true_positives, false_positives = (np.cumsum((w * some)[ranked])[last] for some in (y, ~y))
    precision = true_positives / (true_positives + false_positives)
    return Curve(precision[::-1], (true_positives / true_positives[-1])[::-1], s[ranked][last][::-1])


def _running_sum(weights: FloatArray, order: NDArray[np.intp]) -> FloatArray:
    """Sum the (k, n) weights of the first 0, 1, ... examples in `order`, to shape (k, 1 + len(order))."""
    sums = np.zeros((len(weights), 1 + len(order)))
    np.cumsum(weights[:, order], axis=1, out=sums[:, 1:])
    return sums
