"""Exactly one class per image: a head on stored features, or a whole network, gives a logit for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts import features
from counterpoise.artifacts.model import Card
from counterpoise.artifacts.prior import Prior
from counterpoise.artifacts.tiles import Tiles
from counterpoise.training import members
from counterpoise.training.examples import Examples, feature_width, from_tiles
from counterpoise.training.members import Member
from counterpoise.training.members import fit_members as fit_members
from counterpoise.training.settings import Settings


def examples(
    root: Path,
    split: str,
    part: Tiles,
    rows: NDArray[np.int64],
    views: NDArray[np.int64],
    prior: Prior,
    params: Settings,
) -> Examples:
    """Build examples of tiles, or of their stored features."""
    return from_tiles(part, features.read(root, split, part), rows, views, prior, params, split)


def describe(fitted: Sequence[Member], prior: Prior, params: Settings, drawn: Examples) -> Card:
    """Describe heads, or networks."""
    return members.describe(fitted, prior, params.loss, params.model, feature_width(drawn))
