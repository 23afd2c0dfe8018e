"""Influence values: how much each example moves a figure. They give its variance from one pass, without resampling.

The influence value of example i is the derivative of the figure with respect to the weight of i, where every weight is
1 (the infinitesimal jackknife). The values of a figure that does not change with the scale of the weights sum to 0. The
sum over the examples of a unit is what that unit adds to the error of the figure, so that the squares of these sums
estimate its variance: `unit_variance`.

Every function returns shape (n,), in the unit of its figure; NaN where the figure is undefined.

Source: Jaeckel 1972, "The infinitesimal jackknife"; Efron 1982, "The jackknife, the bootstrap and other resampling
    plans", chapter 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.metrics import confusion, multilabel
from counterpoise.metrics.arguments import (
    FloatArray,
    class_indices,
    class_probabilities,
    distinct,
    ranking,
    unit_codes,
)
from counterpoise.metrics.averages import ratio as quotient

Booleans = NDArray[np.bool_]


def sum_by_unit(values: FloatArray, units: ArrayLike) -> FloatArray:
    """Sum the values of each unit.

    Args:
        values: (n,).
        units: Unit of each example, sortable, shape (n,).

    Returns:
        (m,) in the order of the m sorted units.

    Raises:
        ValueError: Lengths differ.

    Example:
        >>> sum_by_unit(np.array([1.0, 2.0, 4.0]), ["b", "a", "b"])
        array([2., 5.])
    """
    codes = unit_codes(units)
    if codes.shape != np.shape(values):
        raise ValueError(f"units: found shape {codes.shape}; expected {np.shape(values)}, the shape of values")
    return np.asarray(np.bincount(codes, values, minlength=int(codes.max(initial=-1)) + 1), dtype=np.float64)


def unit_variance(values: FloatArray, units: ArrayLike) -> float:
    """Estimate the variance of a figure from its influence values, `m / (m - 1) * sum_u (sum of values in u)^2`.

    Args:
        values: Influence values, shape (n,).
        units: Unit of each example, sortable, shape (n,).

    Returns:
        Variance of the figure between samples of m units; NaN for fewer than two units.

    Raises:
        ValueError: Lengths differ.

    Source: Efron 1982, eq. 6.8, over units. The factor is that of a mean: 1 / (m (m - 1)) sum (x_u - mean)^2.

    Example:
        >>> values = mean(np.array([1.0, 2.0, 3.0, 6.0]))  # (-2, -1, 0, 3) / 4
        >>> round(unit_variance(values, range(4)), 4)  # variance 14 / 3 of one, divided by 4
        1.1667
        >>> unit_variance(values, ["a", "a", "b", "b"])  # 2 * (0.75^2 + 0.75^2)
        2.25
    """
    sums = sum_by_unit(values, units)
    m = len(sums)
    return m / (m - 1) * float(sums @ sums) if m > 1 else float("nan")


class Spread(NamedTuple):
    """What the variance of a figure is made of.

    Attributes:
        sums: (m,) what each unit adds to the error of the figure.
        parts: (k,) the variance that each of k classes adds.
        freedoms: (k,) degrees of freedom of each part.
    """

    sums: FloatArray
    parts: FloatArray
    freedoms: FloatArray

    @property
    def variance(self) -> float:
        """Variance of the figure."""
        return float(self.sums @ self.sums)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the variance, `(sum of parts)^2 / sum (part^2 / its degrees)`; NaN without variance."""
        return float(quotient(self.parts.sum() ** 2, (self.parts**2 / self.freedoms).sum()))


def stratified(values: FloatArray, classes: ArrayLike, units: ArrayLike) -> Spread:
    """Estimate the variance of a figure between samples with the same number of examples of each class.

    The influence values are centred in each class and multiplied by `sqrt(m_c / (m_c - 1))` for m_c units with class c,
    then summed by unit and squared.

    Args:
        values: Influence values, shape (n,).
        classes: Class of each example, sortable, shape (n,).
        units: Unit of each example, sortable, shape (n,). A unit may have examples of several classes.

    Returns:
        The variance and its parts; NaN where a class has a single unit.

    Raises:
        ValueError: Lengths differ.

    Source: Satterthwaite 1946, "An approximate distribution of estimates of variance components", for the degrees of
        freedom.

    Example:
        >>> spread = stratified(np.array([2.0, 0, 1, 1]), [0, 0, 1, 1], range(4))
        >>> round(spread.variance, 6), spread.freedom  # 2 * (1 + 1), from one class of two units
        (4.0, 1.0)
    """
    strata, codes = unit_codes(classes, "classes"), unit_codes(units)
    if not strata.shape == codes.shape == np.shape(values):
        raise ValueError(
            f"found shapes {np.shape(values)}, {strata.shape} and {codes.shape}; expected three equal ones"
        )
    count, m = (int(numbers.max(initial=-1)) + 1 for numbers in (strata, codes))
    centred = values - (np.bincount(strata, values, minlength=count) / np.bincount(strata, minlength=count))[strata]
    keys = strata * m + codes
    cells, cell_of = distinct(keys), unit_codes(keys)
    cell_class, cell_unit = cells // max(1, m), cells % max(1, m)
    freedoms = np.bincount(cell_class, minlength=count).astype(np.float64) - 1
    factor = np.sqrt((freedoms + 1) / np.where(freedoms > 0, freedoms, np.nan))
    sums = np.bincount(cell_of, centred) * factor[cell_class]
    by_unit = np.bincount(cell_unit, sums, minlength=m).astype(np.float64)
    by_class = np.bincount(cell_class, sums**2).astype(np.float64)
    return Spread(by_unit, by_class, freedoms)


def joined(spreads: Sequence[Spread]) -> Spread:
    """Add figures of the same units, such as F1 of several labels; their errors may be correlated."""
    sums, parts, freedoms = zip(*spreads, strict=True)
    return Spread(np.sum(sums, axis=0), np.concatenate(parts), np.concatenate(freedoms))


def mean(values: ArrayLike) -> FloatArray:
    """Influence on a mean, `(x_i - mean) / n`.

    Example:
        >>> mean([1.0, 3.0])
        array([-0.5,  0.5])
    """
    x = np.asarray(values, dtype=np.float64)
    return ratio(x, np.ones_like(x))


def ratio(numerators: ArrayLike, denominators: ArrayLike) -> FloatArray:
    """Influence on a ratio of sums, `(x_i - R y_i) / sum y` with `R = sum x / sum y`.

    Args:
        numerators: x, what an example adds to the numerator, shape (n,).
        denominators: y, what it adds to the denominator, shape (n,).

    Example:
        >>> ratio([1.0, 0.0, 0.0], [1.0, 1.0, 0.0])  # one of two
        array([ 0.25, -0.25,  0.  ])
    """
    x, y = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    return np.asarray(quotient(x - quotient(x.sum(), y.sum()) * y, np.full_like(y, y.sum())))


def recall(positives: Booleans, decided: Booleans) -> FloatArray:
    """Influence on recall, the share of the positives that are decided for."""
    return ratio(positives & decided, positives)


def precision(positives: Booleans, decided: Booleans) -> FloatArray:
    """Influence on precision, the share of positives among what is decided for."""
    return ratio(positives & decided, decided)


def f1(positives: Booleans, decided: Booleans) -> FloatArray:
    """Influence on F1, `2 TP / (positives + decided)`."""
    return ratio(2.0 * (positives & decided), positives.astype(np.float64) + decided)


def average_precision(positives: ArrayLike, scores: ArrayLike) -> FloatArray:
    """Influence on average precision, from one sort.

    With H_i positives and A_i examples that score at least s_i, and n+ positives, example k of class y_k adds
    `(y_k (H_k / A_k - AP) + sum over positives i with s_i <= s_k of (y_k / A_i - H_i / A_i^2)) / n+`.

    Args:
        positives: Whether each example is positive, boolean or 0/1, shape (n,).
        scores: Score of each example, finite, ties allowed, shape (n,).

    Returns:
        (n,); NaN without positives.

    Raises:
        ValueError: Lengths differ, or a score is not finite.

    Example:
        >>> average_precision([1, 0, 1], [0.9, 0.8, 0.7]).round(4)  # AP 5 / 6
        array([ 0.1389, -0.1111, -0.0278])
    """
    y, s = ranking(positives, scores)
    if not y.any():
        return np.full(len(y), np.nan)
    every, hits = np.sort(-s), np.sort(-s[y])
    above, hits_above = (np.searchsorted(some, hits, side="right").astype(np.float64) for some in (every, hits))
    precision_at = hits_above / above
    first = np.searchsorted(hits, -s, side="left")  # the hits from here on score at most as much
    of_ranks, of_hits = (_suffix_sums(values)[first] for values in (precision_at / above, 1 / above))
    own = np.zeros(len(y))
    own[y] = precision_at[first[y]] - precision_at.mean()  # the first of hits that tie has the precision of all
    return (own - of_ranks + y * of_hits) / len(hits)


def roc_auc(positives: ArrayLike, scores: ArrayLike) -> FloatArray:
    """Influence on the area under the ROC curve, from one sort: DeLong's structural components, centred.

    `(share of negatives below k - AUC) / n+` for a positive, `(share of positives above k - AUC) / n-` for a negative,
    where ties count one half.

    Args:
        positives: Whether each example is positive, boolean or 0/1, shape (n,).
        scores: Score of each example, finite, ties allowed, shape (n,).

    Returns:
        (n,); NaN without positives or without negatives.

    Raises:
        ValueError: Lengths differ, or a score is not finite.

    Source: DeLong, DeLong & Clarke-Pearson 1988, "Comparing the areas under two or more correlated receiver
        operating characteristic curves"; units as in Obuchowski 1997, "Nonparametric analysis of clustered ROC curve
        data".

    Example:
        >>> roc_auc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])  # AUC 7 / 8
        array([ 0.0625, -0.0625, -0.0625,  0.0625])
    """
    y, s = ranking(positives, scores)
    if not y.any() or y.all():
        return np.full(len(y), np.nan)
    wins = np.empty(len(y))
    for side in (True, False):
        others = np.sort(s[y != side])
        below, up_to = (np.searchsorted(others, s[y == side], end) for end in ("left", "right"))
        lower = (below + up_to) / (2 * len(others))
        wins[y == side] = lower if side else 1 - lower
    return np.asarray((wins - wins[y].mean()) / np.where(y, y.sum(), (~y).sum()))


def mean_average_precision(truth: Booleans, probs: FloatArray) -> FloatArray:
    """Influence on the mean average precision over the labels that are present, of (n, c) truth and scores."""
    each = [average_precision(truth[:, k], probs[:, k]) for k in np.flatnonzero(truth.any(axis=0))]
    return np.asarray(np.mean(each, axis=0)) if each else np.full(len(truth), np.nan)


def accuracy(targets: ArrayLike, decided: ArrayLike) -> FloatArray:
    """Influence on accuracy, of true and decided classes, shape (n,) each."""
    return mean(np.asarray(targets) == np.asarray(decided))


def balanced_accuracy(targets: ArrayLike, decided: ArrayLike, count: int) -> FloatArray:
    """Influence on the mean recall of the classes present, `(ok_i - recall_c) / (n_c * classes present)`.

    Args:
        targets: True class of each example, integers in [0, count), shape (n,).
        decided: Decided class of each example, shape (n,).
        count: Number of classes.

    Raises:
        ValueError: Lengths differ, or a class is out of range.

    Example:
        >>> balanced_accuracy([0, 0, 1], [0, 1, 1], 2)
        array([ 0.125, -0.125,  0.   ])
    """
    t, d = _indices(targets, decided, count)
    recalls, supports = confusion.recall(confusion.confusion_matrix(t, d, count)), np.bincount(t, minlength=count)
    return np.asarray(((t == d) - recalls[t]) / (supports[t] * (supports > 0).sum()))


def macro_f1(
    targets: ArrayLike, decided: ArrayLike, count: int, among: NDArray[np.integer] | None = None
) -> FloatArray:
    """Influence on the mean F1 of the classes present; arguments as of `balanced_accuracy`.

    `among` are the indices of the classes that the mean is about, by default all that are present.
    """
    t, d = _indices(targets, decided, count)
    table = confusion.confusion_matrix(t, d, count)
    both, present = table.sum(1) + table.sum(0), table.sum(1) > 0
    if among is not None:
        present &= np.isin(np.arange(count), among)
    values = np.where(present, confusion.f1(table), 0.0)
    share = np.where(present, 1 / np.where(both > 0, both, 1), 0.0) / max(1, present.sum())
    gradient = 2 * np.diag(share) - (values * share)[:, None] - (values * share)[None, :]
    return np.asarray(gradient[t, d])


def matthews(targets: ArrayLike, decided: ArrayLike, count: int) -> FloatArray:
    """Influence on the Matthews correlation of truth and decision; arguments as of `balanced_accuracy`.

    With total s, trace, row sums t and column sums d, the correlation is `cov / sqrt(v_t v_d)`: see
    `metrics.confusion.matthews`. It is 0 where one class alone is true or decided, and so is the influence.
    """
    rows, columns = _indices(targets, decided, count)
    table = confusion.confusion_matrix(rows, columns, count)
    total, trace, t, d = table.sum(), np.trace(table), table.sum(1), table.sum(0)
    if min((t > 0).sum(), (d > 0).sum()) < 2:
        return np.zeros(len(rows))
    cov, v_t, v_d = total * trace - t @ d, total**2 - t @ t, total**2 - d @ d
    of_cov = trace + total * np.eye(count) - d[:, None] - t[None, :]
    of_v = (total - t)[:, None] / v_t + (total - d)[None, :] / v_d  # half the logarithmic derivative of v_t v_d
    gradient = of_cov / np.sqrt(v_t * v_d) - cov / np.sqrt(v_t * v_d) * of_v
    return np.asarray(gradient[rows, columns])


def brier(probs: ArrayLike, targets: ArrayLike) -> FloatArray:
    """Influence on the Brier score of (n, c) probabilities of c classes and (n,) true classes."""
    p, t = class_probabilities(probs, targets)
    return mean(((p - np.eye(p.shape[1])[t]) ** 2).sum(axis=1))


def multilabel_macro_f1(truth: Booleans, decided: Booleans) -> FloatArray:
    """Influence on the mean F1 of the labels that are present, of (n, c) truth and decisions."""
    each = [f1(truth[:, k], decided[:, k]) for k in np.flatnonzero(truth.any(axis=0))]
    return np.asarray(np.mean(each, axis=0)) if each else np.full(len(truth), np.nan)


def micro_f1(truth: Booleans, decided: Booleans) -> FloatArray:
    """Influence on F1 over all pairs of example and label, of (n, c) truth and decisions."""
    return ratio(2.0 * (truth & decided).sum(axis=1), truth.sum(axis=1, dtype=np.float64) + decided.sum(axis=1))


def exact_match(truth: Booleans, decided: Booleans) -> FloatArray:
    """Influence on the share of examples all of whose labels are right, of (n, c) truth and decisions."""
    return mean((truth == decided).all(axis=1))


def coverage(truth: Booleans, probs: FloatArray) -> FloatArray:
    """Influence on the mean depth of the ranking that covers the labels of an example; 0 without a label."""
    return ratio(multilabel.depths(truth, probs), truth.any(axis=1))


def multilabel_brier(truth: Booleans, probs: FloatArray) -> FloatArray:
    """Influence on the mean squared difference over all pairs of example and label, of (n, c) truth and scores."""
    return mean(((probs - truth) ** 2).mean(axis=1))


def _suffix_sums(values: FloatArray) -> FloatArray:
    """Sum the values from each place to the end, and 0 behind the end, to shape (len + 1,)."""
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)


def _indices(targets: ArrayLike, decided: ArrayLike, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    t = class_indices("targets", targets, count)
    return t, class_indices("decided", decided, count, n=len(t))
