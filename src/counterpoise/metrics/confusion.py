r"""Metrics for one weighting of the examples, or for b bootstrap resamples of them at once.

`weights` is None (every example counts once), an array of shape (n,), or one of shape (b, n): a row per
resample, holding multiplicities or importance weights, finite and at least 0. A metric is then a float, or an
array of shape (b,). Undefined is NaN, never 0 and never a warning. Arguments are checked: what does not fit
raises `ValueError`.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import precision_recall_curve as sklearn_precision_recall_curve

FloatArray: TypeAlias = NDArray[np.float64]
Values: TypeAlias = np.float64 | FloatArray
"""A float for one weighting of the examples, an array of shape (b,) for b of them."""

CHUNK_ELEMENTS = 2**19
"""Weights worked on at a time, in elements (4 MiB): bounds memory, whatever the number of resamples."""


class Reliability(NamedTuple):
    """Points of a calibration plot, each (bins,) or (b, bins); an empty bin has count 0 and NaN."""

    predicted: FloatArray
    observed: FloatArray
    counts: FloatArray


class Curve(NamedTuple):
    """Points of a precision-recall curve, by rising threshold; three arrays of one length."""

    precision: FloatArray
    recall: FloatArray
    threshold: FloatArray


def confusion(
    targets: ArrayLike, decisions: ArrayLike, class_count: int, weights: ArrayLike | None = None
) -> FloatArray:
    """Count examples by class: ROWS ARE THE TRUTH, COLUMNS ARE THE DECISION (as in scikit-learn).

    `confusion[t, d] = sum of w_i where targets_i = t and decisions_i = d`; row sums are supports.

    Args:
        targets: True class of each example, integers in [0, class_count), shape (n,).
        decisions: Decided class of each example, integers in [0, class_count), shape (n,).
        class_count: Number of classes c, at least 1; classes that do not occur keep their row and column.
        weights: None, (n,) or (b, n); see the module.

    Returns:
        Weighted counts, shape (c, c) or (b, c, c).

    Raises:
        ValueError: If lengths differ, a class lies out of range, or a weight is negative or not finite.

    Example:
        >>> confusion(targets=[0, 0, 0, 1], decisions=[0, 0, 1, 1], class_count=2)
        array([[2., 1.],
               [0., 1.]])
    """
    truth = _classes("targets", targets, class_count)
    decided = _classes("decisions", decisions, class_count, n=len(truth))
    cells = truth * class_count + decided

    def count(w: FloatArray) -> FloatArray:
        tables = np.stack([np.bincount(cells, row, minlength=class_count**2) for row in w])
        return tables.reshape(-1, class_count, class_count).astype(np.float64)

    return np.asarray(_per_weighting(count, weights, len(truth)))


def accuracy(confusion: ArrayLike) -> Values:
    """Share of examples decided rightly, `trace / sum`.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Share in [0, 1], shape (...); NaN for an empty table.

    Raises:
        ValueError: If the table is not square, or a count is negative or not finite.

    Example:
        >>> round(float(accuracy([[2615, 247], [15, 122]])), 4)  # high, though 247 of 369 alarms are false
        0.9126
    """
    table = _table(confusion)
    return _ratio(np.trace(table, axis1=-2, axis2=-1), table.sum((-2, -1)))


def recall(confusion: ArrayLike) -> FloatArray:
    """Share of each true class that was found, `diagonal / row sums`; whatever the prevalence.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Share in [0, 1] for each class, shape (..., c); NaN for a class without support.

    Raises:
        ValueError: If the table is not square, or a count is negative or not finite.

    Example:
        >>> recall([[2615, 247], [15, 122]]).round(4)  # 122 / 137 panels were found
        array([0.9137, 0.8905])
    """
    table = _table(confusion)
    return np.asarray(_ratio(_diagonal(table), table.sum(-1)))


def precision(confusion: ArrayLike) -> FloatArray:
    """Share of decisions for each class that were right, `diagonal / column sums`; falls with prevalence.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Share in [0, 1] for each class, shape (..., c); NaN for a class that was never decided.

    Raises:
        ValueError: If the table is not square, or a count is negative or not finite.

    Example:
        >>> precision([[2615, 247], [15, 122]]).round(4)  # 122 / 369 alarms were right
        array([0.9943, 0.3306])
    """
    table = _table(confusion)
    return np.asarray(_ratio(_diagonal(table), table.sum(-2)))


def f1(confusion: ArrayLike) -> FloatArray:
    """Harmonic mean of precision and recall of each class, `2 TP / (2 TP + FP + FN)`.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        F1 in [0, 1] for each class, shape (..., c): 0 for a class that is present and never decided (its
        precision is undefined, this formula is not), NaN for one that is neither present nor decided.

    Raises:
        ValueError: If the table is not square, or a count is negative or not finite.

    Example:
        >>> f1([[3, 0, 0], [1, 0, 0], [0, 0, 0]])  # 6 / 7; present, never decided; absent
        array([0.85714286, 0.        ,        nan])
    """
    table = _table(confusion)
    return np.asarray(_ratio(2 * _diagonal(table), table.sum(-1) + table.sum(-2)))


def balanced_accuracy(confusion: ArrayLike) -> Values:
    """Mean recall over the c classes that are present (support > 0); a constant decision scores 1 / c.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Mean in [0, 1], shape (...); NaN for an empty table.

    Raises:
        ValueError: If the table is not square, or a count is negative or not finite.

    Source: Brodersen et al. 2010, "The balanced accuracy and its posterior distribution", for c classes.

    Example:
        >>> float(balanced_accuracy([[4, 0, 0], [1, 1, 0], [0, 0, 0]]))  # (1 + 1/2) / 2
        0.75
    """
    return _mean_over_present(recall(confusion), confusion)


def macro_f1(confusion: ArrayLike) -> Values:
    """Mean F1 over the classes that are present (support > 0).

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Mean in [0, 1], shape (...); NaN for an empty table. A present class never decided counts as 0.

    Raises:
        ValueError: If the table is not square, or a count is negative or not finite.

    Source: Opitz & Burst 2019, "Macro F1 and Macro F1", the mean of F1s. Departure: scikit-learn also
        averages over absent classes that were decided, as 0.

    Example:
        >>> round(float(macro_f1([[3, 0, 0], [1, 0, 0], [0, 0, 0]])), 4)  # (6/7 + 0) / 2
        0.4286
    """
    return _mean_over_present(f1(confusion), confusion)


def matthews(confusion: ArrayLike) -> Values:
    """Correlation of truth and decision over c classes, R_K (for two classes: Matthews' phi).

    `(s * trace - t . d) / sqrt((s^2 - t . t) (s^2 - d . d))`, t the row sums, d the column sums, s the total.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Correlation in [-1, 1], shape (...); NaN for an empty table. Where all examples share one true class
        or one decided class it is 0 / 0, and 0 by convention, as in scikit-learn: such a decision knows
        nothing.

    Raises:
        ValueError: If the table is not square, or a count is negative or not finite.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".

    Example:
        >>> round(float(matthews([[3, 1], [0, 2]])), 4)  # (3*2 - 1*0) / sqrt(4 * 2 * 3 * 3)
        0.7071
    """
    table = _table(confusion)
    total = table.sum((-2, -1))
    table = table / np.where(total > 0, total, 1)[..., None, None]
    t, d = table.sum(-1), table.sum(-2)
    covariance = np.trace(table, axis1=-2, axis2=-1) - (t * d).sum(-1)
    variances = (1 - (t * t).sum(-1)) * (1 - (d * d).sum(-1))
    # Counting classes is exact, where 1 - sum of squares may round to something other than 0.
    defined = ((t > 0).sum(-1) > 1) & ((d > 0).sum(-1) > 1) & (variances > 0)
    correlation = np.where(defined, covariance / np.sqrt(np.where(defined, variances, 1)), 0)
    return np.where(total > 0, np.clip(correlation, -1, 1), np.nan)[()]


def prevalence(positives: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Share of positives, `sum w_i y_i / sum w_i`: the average precision of scores that know nothing.

    Args:
        positives: Whether each example is positive, boolean or 0/1, shape (n,).
        weights: None, (n,) or (b, n); see the module.

    Returns:
        Share in [0, 1], shape () or (b,); NaN without weight.

    Raises:
        ValueError: If a value is not 0 or 1, or the weights do not fit.

    Example:
        >>> float(prevalence([1, 0, 0, 0]))
        0.25
    """
    return _weighted_mean(_positives(positives).astype(np.float64), weights)


def average_precision(positives: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Step-wise average precision, `sum_k (R_k - R_(k-1)) P_k`; its no-skill value is `prevalence`.

    Computed as the mean, over the positives, of the precision among all examples scored at least as high.

    Args:
        positives: Whether each example is positive, boolean or 0/1, shape (n,).
        scores: Score of each example, finite, higher is more positive, ties allowed, shape (n,).
        weights: None, (n,) or (b, n); see the module.

    Returns:
        Average precision in [0, 1], shape () or (b,); NaN where no positive carries weight.

    Raises:
        ValueError: If lengths differ, a score is not finite, or the weights do not fit.

    Source: scikit-learn's `average_precision_score`, to which it is equal, ties and weights included.
        Departure: NaN without positives, where scikit-learn warns and returns 0.

    Example:
        >>> float(average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]))  # (1/1 + 2/3) / 2
        0.8333333333333333
    """
    y, s = _ranking(positives, scores)
    ranked = np.argsort(-s, kind="stable")
    hits = ranked[y[ranked]]
    seen_to, found_to = (np.searchsorted(-s[some], -s[hits], side="right") for some in (ranked, hits))

    def mean_precision(w: FloatArray) -> FloatArray:
        seen, found = _running_sum(w, ranked)[:, seen_to], _running_sum(w, hits)[:, found_to]
        precision_at = found / np.maximum(seen, np.finfo(float).tiny)
        return np.minimum(_ratio((w[:, hits] * precision_at).sum(1), w[:, hits].sum(1)), 1)

    return _per_weighting(mean_precision, weights, len(y))


def roc_auc(positives: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Probability that a positive scores above a negative, a tie counting one half; 0.5 is no skill.

    `sum_ij w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / sum_ij w_i w_j`, i over positives, j over negatives.

    Args:
        positives: Whether each example is positive, boolean or 0/1, shape (n,).
        scores: Score of each example, finite, higher is more positive, ties allowed, shape (n,).
        weights: None, (n,) or (b, n); see the module.

    Returns:
        Area in [0, 1], shape () or (b,); NaN where positives or negatives carry no weight.

    Raises:
        ValueError: If lengths differ, a score is not finite, or the weights do not fit.

    Source: Hanley & McNeil 1982, "The meaning and use of the area under a ROC curve"; equal to scikit-learn's
        `roc_auc_score`.

    Example:
        >>> float(roc_auc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1]))  # (1 + 1 + 1/2 + 1) / 4
        0.875
    """
    y, s = _ranking(positives, scores)
    ranked = np.argsort(s, kind="stable")
    hits, others = ranked[y[ranked]], ranked[~y[ranked]]
    below, up_to = (np.searchsorted(s[others], s[hits], side) for side in ("left", "right"))

    def area(w: FloatArray) -> FloatArray:
        passed = _running_sum(w, others)
        wins = (w[:, hits] * (passed[:, below] + passed[:, up_to])).sum(1) / 2
        return np.minimum(_ratio(wins, w[:, hits].sum(1) * passed[:, -1]), 1)

    return _per_weighting(area, weights, len(y))


def precision_recall_curve(positives: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """Precision and recall of deciding "positive" at `score >= threshold`, for every distinct score.

    Args:
        positives: Whether each example is positive, boolean or 0/1, shape (n,).
        scores: Score of each example, finite, higher is more positive, shape (n,).
        weights: None or (n,); no resamples here, as their curves differ in length.

    Returns:
        Precision, recall and threshold, of one length, by rising threshold. Empty if no positive has weight.

    Raises:
        ValueError: If lengths differ, a score is not finite, or the weights do not fit.

    Source: scikit-learn's function of the same name. Departure: its last point (precision 1, recall 0)
        belongs to no threshold, and is left out.

    Example:
        >>> curve = precision_recall_curve([1, 0, 1], [0.9, 0.8, 0.7])
        >>> curve.precision.round(2), curve.recall, curve.threshold
        (array([0.67, 0.5 , 1.  ]), array([1. , 0.5, 0.5]), array([0.7, 0.8, 0.9]))
    """
    y, s = _ranking(positives, scores)
    w = np.ones(len(y)) if weights is None else _weights(weights, len(y)).astype(np.float64)
    if w.ndim != 1:
        raise ValueError(f"weights: found shape {w.shape}; expected ({len(y)},): resampled curves differ in length")
    if not w[y].sum() > 0:
        return Curve(np.empty(0), np.empty(0), np.empty(0))
    precisions, recalls, thresholds = sklearn_precision_recall_curve(y, s, sample_weight=w)
    return Curve(precisions[:-1], recalls[:-1], thresholds)


def expected_calibration_error(
    probs: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None, bins: int = 15
) -> Values:
    """Mean gap of the top label's accuracy and confidence, `sum_m (w_m / w) |accuracy_m - confidence_m|`.

    Where one class is rare, this sees the majority almost alone; plot `reliability` of the minority too.

    Args:
        probs: Probability of each class, each row summing to 1 within 1e-4, shape (n, c).
        targets: True class of each example, integers in [0, c), shape (n,).
        weights: None, (n,) or (b, n); see the module.
        bins: Number M of bins of confidence of equal width, ((m - 1) / M, m / M], at least 1.

    Returns:
        Error in [0, 1], shape () or (b,); NaN without weight.

    Raises:
        ValueError: If shapes disagree, the probabilities are none, or `bins` is below 1.

    Source: Guo et al. 2017, "On calibration of modern neural networks", eq. 3. Of equal probabilities, the
        first class is the top label.

    Example:
        >>> probs = [[0.9, 0.1], [0.9, 0.1]]
        >>> round(float(expected_calibration_error(probs, targets=[0, 1])), 4)  # |1/2 - 0.9|
        0.4
    """
    p, t = _probs(probs, targets)
    top, confidence = p.argmax(1), p.max(1)
    gaps = _one_hot_bins(confidence, _inner_edges(bins)) * ((top == t) - confidence)[:, None]

    def error(w: FloatArray) -> FloatArray:
        return np.asarray(_ratio(np.abs(w @ gaps).sum(1), w.sum(1)))

    return _per_weighting(error, weights, len(t))


def reliability(
    probs_of_class: ArrayLike,
    positives: ArrayLike,
    weights: ArrayLike | None = None,
    bins: int = 15,
    *,
    equal_count: bool = False,
) -> Reliability:
    """Mean prediction and observed frequency of one class, by bins of its probability: the calibration plot.

    Args:
        probs_of_class: Probability of the class, in [0, 1], shape (n,).
        positives: Whether each example is of the class, boolean or 0/1, shape (n,).
        weights: None, (n,) or (b, n); see the module.
        bins: Number M of bins ((m - 1) / M, m / M], the first with 0 included, at least 1.
        equal_count: Cut at quantiles (of the unweighted examples) instead, as rare classes crowd near 0.

    Returns:
        Mean predicted probability, observed frequency, and weight, for each bin.

    Raises:
        ValueError: If lengths differ, a probability lies out of range, or `bins` is below 1.

    Source: Niculescu-Mizil & Caruana 2005, "Predicting good probabilities with supervised learning".

    Example:
        >>> reliability([0.2, 0.4, 0.9], [0, 1, 1], bins=2)
        Reliability(predicted=array([0.3, 0.9]), observed=array([0.5, 1. ]), counts=array([2., 1.]))
    """
    y, p = _ranking(positives, probs_of_class, name="probs_of_class")
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise ValueError(f"probs_of_class: found values from {p.min()} to {p.max()}; expected 0 to 1")
    edges = _inner_edges(bins)
    member = _one_hot_bins(p, np.quantile(p, edges) if equal_count and p.size else edges)
    sums = np.hstack([member * p[:, None], member * y[:, None], member])
    totals = np.asarray(_per_weighting(lambda w: w @ sums, weights, len(p)))
    predicted, observed, counts = (totals[..., i * bins : (i + 1) * bins] for i in range(3))
    return Reliability(np.asarray(_ratio(predicted, counts)), np.asarray(_ratio(observed, counts)), counts)


def brier(probs: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Mean squared distance of the probabilities and the truth, `mean_i sum_k (p_ik - [k = t_i])^2`.

    Args:
        probs: Probability of each class, each row summing to 1 within 1e-4, shape (n, c).
        targets: True class of each example, integers in [0, c), shape (n,).
        weights: None, (n,) or (b, n); see the module.

    Returns:
        Score from 0 (certain and right) to 2 (certain and wrong), shape () or (b,); NaN without weight. For
        two classes it is twice the score that looks at one of them alone.

    Raises:
        ValueError: If shapes disagree, the probabilities are none, or the weights do not fit.

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".

    Example:
        >>> round(float(brier([[0.8, 0.2], [0.8, 0.2]], targets=[0, 1])), 4)  # (2 * 0.2^2 + 2 * 0.8^2) / 2
        0.68
    """
    p, t = _probs(probs, targets)
    return _weighted_mean(((p - np.eye(p.shape[1])[t]) ** 2).sum(1), weights)


def log_loss(probs: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Mean negative log-likelihood of the truth, `mean_i -ln p_(i, t_i)`.

    Args:
        probs: Probability of each class, each row summing to 1 within 1e-4, shape (n, c).
        targets: True class of each example, integers in [0, c), shape (n,).
        weights: None, (n,) or (b, n); see the module.

    Returns:
        Loss in nats, at least 0, shape () or (b,); NaN without weight. Probabilities below 2.2e-16 count as
        that (36.04 nats), as in scikit-learn, so that one certain error does not hide all others behind
        infinity.

    Raises:
        ValueError: If shapes disagree, the probabilities are none, or the weights do not fit.

    Source: Good 1952, "Rational decisions".

    Example:
        >>> round(float(log_loss([[0.5, 0.5], [0.75, 0.25]], targets=[0, 1])), 4)  # (ln 2 + ln 4) / 2
        1.0397
    """
    p, t = _probs(probs, targets)
    return _weighted_mean(np.log(1 / np.clip(p[np.arange(len(t)), t], np.finfo(float).eps, 1)), weights)


def _per_weighting(compute: Callable[[FloatArray], FloatArray], weights: ArrayLike | None, n: int) -> Values:
    """Apply `compute`, from (k, n) weights to (k, ...) results, to a few resamples at a time."""
    w = np.ones(n) if weights is None else _weights(weights, n)
    rows, step = np.atleast_2d(w), max(1, CHUNK_ELEMENTS // max(1, n))
    results = np.concatenate([compute(rows[i : i + step].astype(np.float64)) for i in range(0, len(rows), step)])
    return results if w.ndim == 2 else results.reshape(results.shape[1:])[()]


def _weighted_mean(values: FloatArray, weights: ArrayLike | None) -> Values:
    return _per_weighting(lambda w: np.asarray(_ratio(w @ values, w.sum(1))), weights, len(values))


def _running_sum(weights: FloatArray, order: NDArray[np.intp]) -> FloatArray:
    """Sum the (k, n) weights of the first 0, 1, ... examples in an order: shape (k, 1 + len(order))."""
    sums = np.zeros((len(weights), 1 + len(order)))
    np.cumsum(weights[:, order], axis=1, out=sums[:, 1:])
    return sums


def _mean_over_present(values: FloatArray, confusion: ArrayLike) -> Values:
    present = _table(confusion).sum(-1) > 0
    return _ratio(np.where(present, values, 0).sum(-1), present.sum(-1))


def _ratio(numerator: Values, denominator: Values) -> Values:
    """Divide; NaN where the denominator is 0."""
    nothing = np.full(np.shape(denominator), np.nan)
    return np.divide(numerator, denominator, out=nothing, where=np.asarray(denominator) > 0)[()]


def _diagonal(table: FloatArray) -> FloatArray:
    return np.diagonal(table, axis1=-2, axis2=-1)


def _inner_edges(bins: int) -> FloatArray:
    if bins < 1:
        raise ValueError(f"bins: found {bins}; expected at least 1")
    return np.linspace(0, 1, bins + 1)[1:-1]


def _one_hot_bins(values: FloatArray, inner_edges: FloatArray) -> FloatArray:
    return np.eye(len(inner_edges) + 1)[np.digitize(values, inner_edges, right=True)]


def _table(confusion: ArrayLike) -> FloatArray:
    table = np.asarray(confusion, dtype=np.float64)
    if table.ndim < 2 or table.shape[-1] != table.shape[-2]:
        raise ValueError(f"confusion: found shape {table.shape}; expected (..., c, c)")
    if table.size and not (table.min() >= 0 and table.max() < np.inf):
        raise ValueError(f"confusion: found values from {table.min()} to {table.max()}; expected finite, 0 or more")
    return table


def _weights(weights: ArrayLike, n: int) -> NDArray[np.number]:
    w = np.asarray(weights)
    shape_fits = w.ndim in (1, 2) and w.shape[-1] == n and (w.ndim == 1 or len(w) > 0)
    if w.dtype.kind not in "biuf" or not shape_fits:
        raise ValueError(f"weights: found {w.dtype} of shape {w.shape}; expected numbers of shape ({n},) or (b, {n})")
    if w.size and not (w.min() >= 0 and w.max() < np.inf):
        raise ValueError(f"weights: found values from {w.min()} to {w.max()}; expected finite, 0 or more")
    return w


def _classes(name: str, values: ArrayLike, class_count: int, n: int | None = None) -> NDArray[np.int64]:
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


def _positives(positives: ArrayLike) -> NDArray[np.bool_]:
    y = np.asarray(positives)
    if y.ndim != 1 or not np.isin(y, (0, 1)).all():
        raise ValueError(f"positives: found shape {y.shape}, values {np.unique(y)[:5]}; expected (n,) of 0 and 1")
    return y.astype(np.bool_)


def _ranking(positives: ArrayLike, scores: ArrayLike, name: str = "scores") -> tuple[NDArray[np.bool_], FloatArray]:
    y, s = _positives(positives), np.asarray(scores, dtype=np.float64)
    if s.shape != y.shape:
        raise ValueError(f"{name}: found shape {s.shape}; expected {y.shape}, as positives")
    if not np.isfinite(s).all():
        raise ValueError(f"{name}: found {(~np.isfinite(s)).sum()} of {len(s)} not finite; expected none")
    return y, s


def _probs(probs: ArrayLike, targets: ArrayLike) -> tuple[FloatArray, NDArray[np.int64]]:
    p = np.asarray(probs, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] == 0:
        raise ValueError(f"probs: found shape {p.shape}; expected (n, c)")
    wrong = ~((p >= 0).all(1) & (np.abs(p.sum(1) - 1) <= 1e-4))  # true for NaN as well
    if wrong.any():
        raise ValueError(
            f"probs: found {wrong.sum()} of {len(p)} rows such as row {wrong.argmax()}, {p[wrong.argmax()]}; "
            "expected finite values of at least 0 that sum to 1 within 1e-4 (were logits passed?)"
        )
    return p, _classes("targets", targets, p.shape[1], n=len(p))
