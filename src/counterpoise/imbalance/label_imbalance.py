"""How uneven labels are, and which of them come together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Counts = NDArray[np.int64]


Floats = NDArray[np.float64]


Members = NDArray[np.bool_]
"""(n, c): which classes each tile has; of one class per tile, one in each row."""


def label_sets(members: Members) -> Counts:
    """Number the distinct label sets (the label powerset); where each tile has one class, they are its index.

    Args:
        members: (n, c) labels of each tile; no label at all is a set of its own.

    Returns:
        (n,) number of each tile's label set, in 0..s-1; sets with the first class come first.

    Example:
        >>> label_sets(np.array([[0, 1], [1, 0], [1, 1], [0, 0], [0, 1]], dtype=bool))
        array([2, 1, 0, 3, 2])
    """
    packed = np.ascontiguousarray(np.packbits(members, axis=1))
    number = np.unique(packed.view(np.dtype((np.void, packed.shape[1]))).ravel(), return_inverse=True)[1]
    return np.asarray(number.max() - number, dtype=np.int64)


def label_counts(members: Members, repeats: Counts | None = None) -> Counts:
    """Count the draws that have each label.

    Args:
        members: (n, c) labels of each tile.
        repeats: (n,) how often each tile is drawn; once without it.

    Returns:
        (c,) counts.

    Example:
        >>> label_counts(np.array([[1, 0], [1, 1]], dtype=bool), np.array([1, 3]))
        array([4, 3])
    """
    return np.asarray(_table(members).T @ _once(members, repeats))


def pairs(members: Members, repeats: Counts | None = None) -> Counts:
    """Count the draws that have two labels together.

    Args:
        members: (n, c) labels of each tile.
        repeats: (n,) how often each tile is drawn; once without it.

    Returns:
        (c, c) counts, symmetric; the diagonal is 0.

    Example:
        >>> pairs(np.array([[1, 0, 1], [1, 1, 1]], dtype=bool), np.array([1, 3])).tolist()
        [[0, 3, 4], [3, 0, 3], [4, 3, 0]]
    """
    table = _table(members)
    result: Counts = (table.T @ table.multiply(_once(members, repeats)[:, None])).toarray()
    np.fill_diagonal(result, 0)
    return result


def imbalance_ratios(counts: ArrayLike) -> Floats:
    """Say by how much the most frequent label outnumbers each label: IRLbl, max_k n_k / n_l.

    Args:
        counts: (c,) examples that have each label.

    Returns:
        (c,) ratios, 1 or more; infinite for a label that nothing has.

    Source: Charte, Rivera, del Jesus, Herrera (2015), as in `repeats`.

    Example:
        >>> imbalance_ratios([4, 2, 1])
        array([1., 2., 4.])
    """
    numbers = np.asarray(counts, dtype=np.float64)
    return np.asarray(np.divide(numbers.max(), numbers, out=np.full(len(numbers), np.inf), where=numbers > 0))


def mean_imbalance_ratio(counts: ArrayLike) -> float:
    """Average the imbalance ratios: MeanIR. Labels that nothing has are left out (nan if nothing has any).

    A label's ratio lies above the mean if and only if its count lies below the harmonic mean of the counts, since
    max_k n_k cancels.

    Args:
        counts: (c,) examples that have each label.

    Source: Charte, Rivera, del Jesus, Herrera (2015), as in `repeats`.

    Example:
        >>> mean_imbalance_ratio([4, 2, 1, 0])  # (1 + 2 + 4) / 3
        2.3333333333333335
    """
    ratios = imbalance_ratios(counts)
    finite = ratios[np.isfinite(ratios)]
    return float(finite.mean()) if len(finite) else float("nan")


def scumble(members: Members, repeats: Counts | None = None) -> float:
    """Measure how much rare labels come together with frequent ones, from 0 (they never do) to 1.

    For each draw 1 - geometric mean / arithmetic mean of the imbalance ratios of its labels (an Atkinson index); then
    the mean over draws. Where it is high, drawing a rare label again draws frequent ones along.

    Args:
        members: (n, c) labels of each tile.
        repeats: (n,) how often each tile is drawn; once without it. The imbalance ratios are those of the draws.

    Returns:
        The mean over draws that have a label; nan if there are none.

    Source: Charte, Rivera, del Jesus, Herrera (2014), Concurrence among imbalanced labels and its influence on
        multilabel resampling algorithms. Both means run over the labels that an example has, as in the authors'
        `mldr`; examples without any label, which would divide by zero, are left out of the last mean.

    Example:
        >>> scumble(np.array([[1, 0]] * 3 + [[1, 1]], dtype=bool))  # ratios 1 and 4: (1 - 2 / 2.5) / 4
        0.05
    """
    times = _once(members, repeats)
    ratios = imbalance_ratios(label_counts(members, times))
    labels = members.sum(axis=1)
    drawn = (times > 0) & (labels > 0)
    if not drawn.any():
        return float("nan")
    table, finite = _table(members[drawn]), np.where(np.isfinite(ratios), ratios, 1.0)
    arithmetic, geometric = table @ finite / labels[drawn], np.exp(table @ np.log(finite) / labels[drawn])
    value = float(np.average(1 - geometric / arithmetic, weights=times[drawn]))
    return max(round(value, 12), 0.0)  # two means of equal ratios differ in their last digits


def _table(members: Members) -> csr_array:
    """Hold as sparse integers: with a thousand labels hardly any of them is present."""
    from scipy.sparse import csr_array

    rows, columns = np.nonzero(members)
    return csr_array((np.ones(len(rows), dtype=np.int64), (rows, columns)), shape=members.shape)


def _once(members: Members, repeats: Counts | None) -> Counts:
    return np.ones(len(members), dtype=np.int64) if repeats is None else repeats
