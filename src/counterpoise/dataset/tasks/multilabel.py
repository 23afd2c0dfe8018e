"""Splitting and sampling for multilabel: an image has any number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from counterpoise import labels
from counterpoise.dataset import stratification
from counterpoise.dataset.tasks import Floats, Ints, Members
from counterpoise.imbalance import label_imbalance
from counterpoise.imbalance.resampling import OF_BOXES

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

NO_BALANCE: str | None = (
    "no choice of images balances the classes, since images of a rare class also have frequent ones; set split.balance "
    "to false, and rebalance with oversample.strategy or weighting.scheme instead"
)
REFUSED_STRATEGIES: tuple[str, ...] = OF_BOXES
MEASURED_AGAINST_ABSENCE = True
FEWER_DRAWS = ", such as 'lp_ros', which adds at most the share oversample.resize_frac"


def members(cells: Sequence[str], classes: Sequence[str]) -> Members:
    """Return which labels each cell of the label column has, (n, c).

    Raises:
        ValueError: A cell has a label that is not a class.
    """
    return labels.indicators(cells, classes)


def strata(table: pd.DataFrame, members: Members, least_frac: float) -> Members:
    """Stratify images by each label, and by the absence of all labels as one more stratum: (n, c + 1)."""
    return np.column_stack([members, ~members.any(axis=1)])


def improve(dealt: Ints, members: Ints | csr_array, wanted: Floats, rng: np.random.Generator, sizes: Ints) -> Ints:
    """Improve the splits for all labels, since the last units were placed by only one of their labels."""
    return stratification.even_out(dealt, members, wanted, rng, sizes)


def draw_factors(strategy: str, train: Ints, drawn: Ints, totals: tuple[int, int]) -> tuple[float, ...] | None:
    """Return ones without oversampling, otherwise `None`.

    A repeated tile repeats all its labels, so resampling does not multiply the odds of each label by one number.
    """
    return (1.0,) * len(train) if strategy == "none" else None


def pairs(members: Members, repeats: Ints | None = None) -> tuple[tuple[int, ...], ...]:
    """Count the samples that have both of two labels, (c, c), with a diagonal of 0."""
    return tuple(map(tuple, label_imbalance.pairs(members, repeats).tolist()))


def describe_draws(members: Members, repeats: Ints) -> str | None:
    """Describe in one line how sampling changed the labels per tile.

    Args:
        members: (n, c) labels of each tile.
        repeats: (n,) number of samples of each tile.

    Returns:
        The mean number of labels, the share of tiles with several labels, MeanIR, and SCUMBLE (`nan` if there are no
        labels), before and after oversampling.
    """
    each = members.sum(axis=1)
    both = (np.ones_like(repeats), repeats)
    figures = {
        "labels per tile": [np.average(each, weights=times) for times in both],
        "share with several labels": [np.average(each > 1, weights=times) for times in both],
        "MeanIR": [
            label_imbalance.mean_imbalance_ratio(label_imbalance.label_counts(members, times)) for times in both
        ],
        "SCUMBLE": [label_imbalance.scumble(members, times) for times in both],
    }
    if (repeats == 1).all():
        return ", ".join(f"{name} {before:.3g}" for name, (before, _) in figures.items())
    changes = ", ".join(f"{name} {before:.3g} -> {after:.3g}" for name, (before, after) in figures.items())
    return f"before -> after oversampling: {changes}"
