"""Splitting and drawing where an image bears any number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from counterpoise import labels
from counterpoise.dataset import stratification
from counterpoise.dataset.tasks import Floats, Ints, Members
from counterpoise.imbalance import label_imbalance

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

NO_BALANCE: str | None = (
    "no choice of images has equally many of each class, since an image of a rare class brings its frequent ones "
    "along; set it to false, and even out train with oversample.strategy or weighting.scheme"
)
REFUSED_STRATEGIES: tuple[str, ...] = ()
FEWER_DRAWS = ", such as 'lp_ros', which grows by oversample.resize_frac at most"


def members(cells: Sequence[str], classes: Sequence[str]) -> Members:
    """Say which labels each cell bears, (n, c).

    Raises:
        ValueError: A cell bears what is no class.
    """
    return labels.indicators(cells, classes)


def strata(table: pd.DataFrame, members: Members, least_frac: float) -> Members:
    """Deal each image by its labels, and by the absence of any as by one label more: (n, c + 1)."""
    return np.column_stack([members, ~members.any(axis=1)])


def improve(dealt: Ints, members: Ints | csr_array, wanted: Floats, rng: np.random.Generator, sizes: Ints) -> Ints:
    """Even out: the last units were dealt by what they hold of one label, whatever that did to others."""
    return stratification.even_out(dealt, members, wanted, rng, sizes)


def draw_factors(strategy: str, train: Ints, drawn: Ints, totals: tuple[int, int]) -> tuple[float, ...] | None:
    """Return ones where every tile is drawn once, and else `None`.

    A tile drawn again brings all its labels along, so that resampling does not multiply the odds of each label by one
    number.
    """
    return (1.0,) * len(train) if strategy == "none" else None


def pairs(members: Members, repeats: Ints | None = None) -> tuple[tuple[int, ...], ...]:
    """Count the draws that bear two labels together, (c, c), the diagonal 0."""
    return tuple(map(tuple, label_imbalance.pairs(members, repeats).tolist()))


def describe_draws(members: Members, repeats: Ints) -> str | None:
    """Say in one line what draws did to tiles with several labels.

    Args:
        members: (n, c) labels of each tile.
        repeats: (n,) how often each tile is drawn.

    Returns:
        From tiles to draws: the mean number of labels, the share with several labels, MeanIR, and SCUMBLE (`nan` where
        there are no labels).
    """
    each = members.sum(axis=1)
    both = (np.ones_like(repeats), repeats)
    figures = {
        "labels each": [np.average(each, weights=times) for times in both],
        "with several labels": [np.average(each > 1, weights=times) for times in both],
        "MeanIR": [
            label_imbalance.mean_imbalance_ratio(label_imbalance.label_counts(members, times)) for times in both
        ],
        "SCUMBLE": [label_imbalance.scumble(members, times) for times in both],
    }
    return "tiles to draws: " + ", ".join(f"{name} {old:.3g} to {new:.3g}" for name, (old, new) in figures.items())
