"""Decide how often each training tile is drawn in one epoch, and as which augmented view.

Reads `data/tiles/train`, `data/classes.json`. Writes `data/draws.csv` and `data/prior.json`, the first lines of the
prior ledger. No pixels are written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field

from counterpoise import labels, priors, sampling, seeds
from counterpoise.artifacts import classes, draws, prior, tiles
from counterpoise.config import Section, Views
from counterpoise.stages import run


class Oversample(Views):
    """Section `oversample`."""

    model_config = ConfigDict(extra="forbid")

    strategy: Literal["none", "over", "under", "square_root", "repeat_factor"]
    """How often a tile is drawn (`sampling.py`)."""
    repeat_threshold: float = Field(gt=0, le=1)
    """`repeat_factor` only: classes with a smaller share of the tiles are repeated, in (0, 1]."""


class Params(Section):
    """What this stage reads."""

    seed: int = Field(ge=0)
    oversample: Oversample


def draw(
    table: pd.DataFrame, found: classes.Classes, params: Oversample, seed: int
) -> tuple[pd.DataFrame, prior.Prior]:
    """Draw one epoch.

    Args:
        table: Index of the training tiles.
        found: The classes.
        params: Section `oversample`.
        seed: Decides which tiles get the odd draw.

    Returns:
        One row per draw; the j-th draw of a tile shows view j modulo (views + 1). And the counts before and after,
        with the ledger.
    """
    cells = table["labels"].tolist()
    targets = labels.targets(cells, found.names)
    rng = seeds.generator(seed, "draws")
    repeats = sampling.repeats(params.strategy, targets, len(found.names), rng, threshold=params.repeat_threshold)
    rows = np.repeat(np.arange(len(table)), repeats)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    drawn = pd.DataFrame({"tile_id": table["tile_id"].to_numpy()[rows], "view": nth % (params.views + 1)})
    train_counts = labels.counts(cells, found.names)
    drawn_counts = labels.counts(table["labels"].iloc[rows], found.names)
    ledger = (
        priors.Line("split", "train", priors.factors(found.counts, train_counts)),
        priors.Line("oversample.strategy", params.strategy, priors.factors(train_counts, drawn_counts)),
    )
    result = prior.Prior(
        found.names, found.counts, tuple(map(int, train_counts)), tuple(map(int, drawn_counts)), ledger
    )
    return drawn.sort_values(["tile_id", "view"], ignore_index=True, kind="stable"), result


def main(root: Path, params: Params) -> None:
    """Draw and write."""
    drawn, opened = draw(tiles.read(root, "train").table, classes.read(root), params.oversample, params.seed)
    draws.write(root, drawn)
    prior.write(root, opened)
    print(
        f"{len(drawn)} draws: "
        + ", ".join(f"{name} {count}" for name, count in zip(opened.classes, opened.drawn_counts, strict=True))
    )


if __name__ == "__main__":
    run(main, Params)
