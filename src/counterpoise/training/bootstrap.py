"""The samples of one member of an ensemble whose fit has no randomness of its own: a bootstrap of the units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from counterpoise import seeds
from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.training.examples import Examples


def resample(drawn: Examples, truth: NDArray[np.bool_], units: NDArray[np.str_], seed: int) -> Examples:
    """Draw units with replacement, as many as there are, with all their samples.

    Units are drawn within strata, so that no class is lost: the stratum of a unit is the rarest class that it has.

    Args:
        drawn: n samples on stored features.
        truth: (n, c) which classes each sample has.
        units: (n,) unit of each sample: images that must stay together, with all their tiles.
        seed: Decides which units are drawn.

    Returns:
        The samples of the units, each as often as its unit was drawn, in their order.

    Source: Efron, Tibshirani (1993), An Introduction to the Bootstrap, chapter 8, for the resampling of units.
    """
    assert isinstance(drawn.inputs, FeatureInputs)
    _, firsts, of = np.unique(units, return_index=True, return_inverse=True)
    has = np.zeros((len(firsts), truth.shape[1]), dtype=bool)
    np.logical_or.at(has, of, truth)
    rarest_first = np.argsort(has.sum(axis=0), kind="stable")
    stratum = np.where(has.any(axis=1), has[:, rarest_first].argmax(axis=1), truth.shape[1])
    rng, times = seeds.generator(seed, "bootstrap"), np.zeros(len(firsts), dtype=np.int64)
    for value in np.unique(stratum):
        members = np.flatnonzero(stratum == value)
        times[members] = np.bincount(rng.integers(len(members), size=len(members)), minlength=len(members))
    rows = np.repeat(np.arange(len(units)), times[of])
    return replace(
        drawn,
        inputs=replace(drawn.inputs, rows=drawn.inputs.rows[rows]),
        targets=drawn.targets[torch.from_numpy(rows)],
        tiles=None if drawn.tiles is None else drawn.tiles[rows],
    )
