"""Labels that are probably wrong, by confident learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.config import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
FILTER = "low_normalized_margin"
"""How cleanlab chooses: the confident joint says how many labels are wrong, and those are the ones with the lowest
margin. `benchmarks/suspects.py` compares it with the others."""


@dataclass(frozen=True)
class Suspect:
    """An image whose labels are probably wrong.

    Attributes:
        row: Of the image.
        given: Columns of its labels.
        suggested: Columns of the labels that it probably has.
        margin: Probability of a given label minus that of the suggested one, -1 to 0: the lower, the surer. With many
            labels, of the least probable of those that are in question; each is compared with its opposite.
    """

    row: int
    given: tuple[int, ...]
    suggested: tuple[int, ...]
    margin: float


def check_installed() -> None:
    """Check that cleanlab is there, before anything takes long.

    Raises:
        InputError: It is not.
    """
    import importlib.util

    if importlib.util.find_spec("cleanlab") is None:
        raise InputError("suspects needs cleanlab, which is not installed; run `pip install 'counterpoise[labels]'`")


def find(truth: Bools, probs: Floats, *, one_class: bool, columns: Sequence[int], by: str = FILTER) -> list[Suspect]:
    """Find images whose labels are probably wrong, the surest first.

    Args:
        truth: (n, c) the labels.
        probs: (n, c) probabilities by models that never saw the image.
        one_class: Whether each image has exactly one class.
        columns: Labels that are examined, where an image has any number of them; each is a question of its own.
        by: How cleanlab chooses, `filter_by` there.

    Source: Northcutt, Jiang and Chuang (2021), Confident Learning: Estimating Uncertainty in Dataset Labels; cleanlab.

    Example:
        >>> truth = np.eye(2, dtype=bool)[[0] * 20 + [1] * 20]
        >>> probs = np.where(truth, 0.9, 0.1)
        >>> truth[0] = [False, True]
        >>> find(truth, probs, one_class=True, columns=[0, 1])
        [Suspect(row=0, given=(1,), suggested=(0,), margin=-0.8)]
    """
    if one_class:
        return _of_classes(truth.argmax(axis=1), probs, by)
    return _of_labels(truth, probs, columns, by)


def _issues(given: NDArray[np.int64], probs: Floats, by: str) -> Bools:
    """Ask cleanlab which of (n,) classes are probably wrong, given probabilities (n, c)."""
    from cleanlab.filter import find_label_issues

    if len(np.unique(given)) < 2:  # with a single class there is nothing to confuse it with
        return np.zeros(len(given), dtype=np.bool_)
    return np.asarray(find_label_issues(given, probs, filter_by=by, n_jobs=1), dtype=np.bool_)


def _of_classes(given: NDArray[np.int64], probs: Floats, by: str) -> list[Suspect]:
    rows = np.arange(len(given))
    others = probs.copy()
    others[rows, given] = -1.0
    best = others.argmax(axis=1)
    margin = np.round(probs[rows, given] - others[rows, best], 6)
    found = np.flatnonzero(_issues(given, probs, by) & (margin < 0))
    ranked = found[np.argsort(margin[found], kind="stable")]
    return [Suspect(int(row), (int(given[row]),), (int(best[row]),), float(margin[row])) for row in ranked]


def _of_labels(truth: Bools, probs: Floats, columns: Sequence[int], by: str) -> list[Suspect]:
    margin = np.round(np.where(truth, 2 * probs - 1, 1 - 2 * probs), 6)
    wrong = np.zeros_like(truth)
    for column in columns:
        both = np.stack([1 - probs[:, column], probs[:, column]], axis=1)
        wrong[:, column] = _issues(truth[:, column].astype(np.int64), both, by) & (margin[:, column] < 0)
    lowest = np.where(wrong, margin, 1.0).min(axis=1, initial=1.0)
    found = np.flatnonzero(wrong.any(axis=1))
    ranked = found[np.argsort(lowest[found], kind="stable")]
    return [
        Suspect(
            int(row),
            tuple(np.flatnonzero(truth[row]).tolist()),
            tuple(np.flatnonzero(truth[row] ^ wrong[row]).tolist()),
            float(lowest[row]),
        )
        for row in ranked
    ]
