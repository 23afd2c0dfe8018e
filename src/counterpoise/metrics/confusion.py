"""Metrics of decisions, computed from one confusion matrix or from many at once."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.metrics.arguments import FloatArray, Values, class_indices, confusion_table
from counterpoise.metrics.averages import mean_over_present, per_weighting, ratio


def confusion_matrix(
    targets: ArrayLike, decisions: ArrayLike, class_count: int, weights: ArrayLike | None = None
) -> FloatArray:
    """Count examples by class: ROWS ARE THE TRUTH, COLUMNS ARE THE DECISION (as in scikit-learn).

    `confusion[t, d] = sum of w_i where targets_i = t and decisions_i = d`. Row sums are the supports of the classes.

    Args:
        targets: True class of each example, integers in [0, class_count), shape (n,).
        decisions: Decided class of each example, integers in [0, class_count), shape (n,).
        class_count: Number of classes c, at least 1. Absent classes also have a row and a column.
        weights: None, (n,) or (b, n); see `metrics.averages`.

    Returns:
        Weighted counts, shape (c, c) or (b, c, c).

    Raises:
        ValueError: Lengths differ, a class is out of range, or a weight is negative or not finite.

    Example:
        >>> confusion_matrix(targets=[0, 0, 0, 1], decisions=[0, 0, 1, 1], class_count=2)
        array([[2., 1.],
               [0., 1.]])
    """
    truth = class_indices("targets", targets, class_count)
    decided = class_indices("decisions", decisions, class_count, n=len(truth))
    cells = truth * class_count + decided

    def count(w: FloatArray) -> FloatArray:
        tables = np.stack([np.bincount(cells, row, minlength=class_count**2) for row in w])
        return tables.reshape(-1, class_count, class_count).astype(np.float64)

    return np.asarray(per_weighting(count, weights, len(truth)))


def recall(confusion: ArrayLike) -> FloatArray:
    """Recall of each class, `diagonal / row sums`. It does not depend on the prevalence.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Recall in [0, 1] of each class, shape (..., c); NaN for a class without support.

    Raises:
        ValueError: The table is not square, or a count is negative or not finite.

    Example:
        >>> recall([[2615, 247], [15, 122]]).round(4)  # 122 / 137 panels were found
        array([0.9137, 0.8905])
    """
    table = confusion_table(confusion)
    return np.asarray(ratio(_diagonal(table), table.sum(-1)))


def f1(confusion: ArrayLike) -> FloatArray:
    """Harmonic mean of precision and recall of each class, `2 TP / (2 TP + FP + FN)`.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        F1 in [0, 1] of each class, shape (..., c). It is 0 for a class that is present and never decided (its
        precision is undefined, but this formula is not), and NaN for a class that is neither present nor decided.

    Raises:
        ValueError: The table is not square, or a count is negative or not finite.

    Example:
        >>> f1([[3, 0, 0], [1, 0, 0], [0, 0, 0]])  # 6 / 7; present, never decided; absent
        array([0.85714286, 0.        ,        nan])
    """
    table = confusion_table(confusion)
    return np.asarray(ratio(2 * _diagonal(table), table.sum(-1) + table.sum(-2)))


def balanced_accuracy(confusion: ArrayLike) -> Values:
    """Mean recall over the c classes that are present (support > 0). A constant decision scores 1 / c.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Mean in [0, 1], shape (...); NaN for an empty table.

    Raises:
        ValueError: The table is not square, or a count is negative or not finite.

    Source: Brodersen et al. 2010, "The balanced accuracy and its posterior distribution", for c classes.

    Example:
        >>> float(balanced_accuracy([[4, 0, 0], [1, 1, 0], [0, 0, 0]]))  # (1 + 1/2) / 2
        0.75
    """
    return mean_over_present(recall(confusion), _present(confusion))


def macro_f1(confusion: ArrayLike) -> Values:
    """Mean F1 over the classes that are present (support > 0).

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Mean in [0, 1], shape (...); NaN for an empty table. A class that is present and never decided counts as 0.

    Raises:
        ValueError: The table is not square, or a count is negative or not finite.

    Source: Opitz & Burst 2019, "Macro F1 and Macro F1", the mean of F1s. Departure: scikit-learn also
        includes absent classes that were decided, with an F1 of 0.

    Example:
        >>> round(float(macro_f1([[3, 0, 0], [1, 0, 0], [0, 0, 0]])), 4)  # (6/7 + 0) / 2
        0.4286
    """
    return mean_over_present(f1(confusion), _present(confusion))


def matthews(confusion: ArrayLike) -> Values:
    """Matthews correlation coefficient of truth and decision over c classes, R_K (phi for two classes).

    `(s * trace - t . d) / sqrt((s^2 - t . t) (s^2 - d . d))` with row sums t, column sums d, and total s.

    Args:
        confusion: Counts, rows the truth, columns the decision, shape (..., c, c).

    Returns:
        Correlation in [-1, 1], shape (...); NaN for an empty table. If all examples have the same true class or
        the same decided class, the formula is 0 / 0, and the result is 0 by convention, as in scikit-learn.

    Raises:
        ValueError: The table is not square, or a count is negative or not finite.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".

    Example:
        >>> round(float(matthews([[3, 1], [0, 2]])), 4)  # (3*2 - 1*0) / sqrt(4 * 2 * 3 * 3)
        0.7071
    """
    table = confusion_table(confusion)
    total = table.sum((-2, -1))
    table = table / np.where(total > 0, total, 1)[..., None, None]
    t, d = table.sum(-1), table.sum(-2)
    covariance = np.trace(table, axis1=-2, axis2=-1) - (t * d).sum(-1)
    variances = (1 - (t * t).sum(-1)) * (1 - (d * d).sum(-1))
    # Counting classes is exact, while 1 - sum of squares may not round to 0.
    defined = ((t > 0).sum(-1) > 1) & ((d > 0).sum(-1) > 1) & (variances > 0)
    correlation = np.where(defined, covariance / np.sqrt(np.where(defined, variances, 1)), 0)
    return np.where(total > 0, np.clip(correlation, -1, 1), np.nan)[()]


def _present(confusion: ArrayLike) -> NDArray[np.bool_]:
    return np.asarray(confusion_table(confusion).sum(-1) > 0)


def _diagonal(table: FloatArray) -> FloatArray:
    return np.diagonal(table, axis1=-2, axis2=-1)
