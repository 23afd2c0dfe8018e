"""Splitting and sampling for multiclass: each image has exactly one class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from counterpoise import labels
from counterpoise.calibration import prior_ledger
from counterpoise.dataset.tasks import Floats, Ints, Members
from counterpoise.imbalance.resampling import OF_BOXES, OF_LABEL_SETS

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

NO_BALANCE: str | None = None
REFUSED_STRATEGIES = (*OF_BOXES, *OF_LABEL_SETS)
MEASURED_AGAINST_ABSENCE = True
FEWER_DRAWS = ""


def members(cells: Sequence[str], classes: Sequence[str]) -> Members:
    """Return which class each cell of the label column has, (n, c), one class per row.

    Raises:
        ValueError: A cell is not a class name.
    """
    return np.eye(len(classes), dtype=np.bool_)[labels.targets(cells, classes)]


def strata(table: pd.DataFrame, members: Members, least_frac: float) -> Members:
    """Stratify images by their label before merging.

    If a label has so few images that the smallest split would get none, its images are stratified by class.

    Args:
        table: The manifest.
        members: (n, c), not used.
        least_frac: Share of the smallest split.

    Returns:
        (n, k) booleans, one stratum per row.
    """
    import pandas as pd

    sizes = table.groupby(["labels", "raw_labels"])["image_id"].transform("size").to_numpy()
    raw = np.where(sizes * least_frac >= 1, table["raw_labels"].to_numpy(), "")
    numbers, distinct = pd.factorize(pd.MultiIndex.from_arrays([table["labels"], raw]), sort=True)
    return np.eye(len(distinct), dtype=np.bool_)[numbers]


def improve(dealt: Ints, members: Ints | csr_array, wanted: Floats, rng: np.random.Generator, sizes: Ints) -> Ints:
    """Return the splits (u,) unchanged: with one class per image, stratification needs no second pass."""
    return dealt


def draw_factors(strategy: str, train: Ints, drawn: Ints, totals: tuple[int, int]) -> tuple[float, ...] | None:
    """Return class shares of the samples divided by class shares of the training set, (c,)."""
    return prior_ledger.factors(train, drawn, totals, task="multiclass")


def pairs(members: Members, repeats: Ints | None = None) -> tuple[tuple[int, ...], ...]:
    """Return nothing, since no image has two classes."""
    return ()


def describe_draws(members: Members, repeats: Ints) -> str | None:
    """Return `None`, since no tile has several labels."""
    return None
