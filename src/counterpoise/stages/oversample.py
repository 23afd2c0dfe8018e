"""Decide how often each training tile is drawn in one epoch, and as which augmented view.

Reads `data/tiles/train`, `data/clusters.csv`, `data/classes.json`. Writes `data/draws.csv` and `data/prior.json`, the
first lines of the prior ledger. No pixels are written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field

from counterpoise import config, labels, seeds
from counterpoise.artifacts import classes, clusters, draws, prior, tiles
from counterpoise.calibration import prior_ledger
from counterpoise.config import Drawn, InputError, Portion, Section, Task
from counterpoise.dataset import subsampling
from counterpoise.imbalance import resampling
from counterpoise.imbalance.label_imbalance import Counts, Members, label_counts, mean_imbalance_ratio, pairs, scumble
from counterpoise.imbalance.resampling import OF_LABEL_SETS, STRATEGIES
from counterpoise.stages import run

MAX_DRAWS = 50_000_000
"""More draws than this in one epoch are refused."""


class Oversample(Drawn):
    """Section `oversample`."""

    model_config = ConfigDict(extra="forbid")

    strategy: Literal[
        "none",
        "over",
        "under",
        "square_root",
        "repeat_factor",
        "lp_ros",
        "lp_rus",
        "ml_ros",
        "ml_rus",
        "single_label",
    ]
    """How often a tile is drawn. `over`, `under`, `square_root` even out classes, or with many labels
    distinct label sets; `repeat_factor` repeats tiles of rare classes. Many labels alone: `lp_ros`, `lp_rus` draw rare
    label sets more often, frequent ones less; `ml_ros`, `ml_rus` the same by single labels; `single_label` repeats
    tiles that bear one rare label and no other."""
    repeat_threshold: float = Field(gt=0, le=1)
    """`repeat_factor` only: classes with a smaller share of the tiles are repeated, in (0, 1]."""
    resize_frac: float = Field(gt=0, le=1)
    """`lp_ros`, `lp_rus`, `ml_ros`, `ml_rus`, `single_label` only: by which share of the tiles of train the draws grow
    or shrink, in (0, 1]; less where nothing is left to even out."""


class Params(Section):
    """What this stage reads."""

    task: Task
    seed: int = Field(ge=0)
    oversample: Oversample
    train: Portion


def draw(
    table: pd.DataFrame, found: classes.Classes, params: Oversample, seed: int, *, task: Task = "multiclass"
) -> tuple[pd.DataFrame, prior.Prior]:
    """Draw one epoch.

    The line `split` of the ledger compares tiles of train with images of the manifest, so that it also holds what
    tiling did: a class of large images has more tiles than its share of images. With many labels the factors are those
    of each label's odds, and the line `oversample.strategy` is unknown unless every tile is drawn once: a tile drawn
    again brings all its labels along, so that resampling does not multiply the odds of each label by one number. Draws
    that hold from a later epoch on alone are unknown, too.

    Args:
        table: Index of the training tiles, or of the part that is learned from.
        found: The classes.
        params: Section `oversample`.
        seed: Decides which tiles get the odd draw.
        task: What the labels mean.

    Returns:
        One row per draw; the j-th draw of a tile shows view j modulo (views + 1). And the counts before and after,
        with the ledger.

    Raises:
        InputError: The strategy draws more than `MAX_DRAWS`.
    """
    members = bearers(table, found, task)
    repeats = resampling.repeats(
        params.strategy,
        members,
        seeds.generator(seed, "draws"),
        threshold=params.repeat_threshold,
        resize_frac=params.resize_frac,
    )
    if repeats.sum() > MAX_DRAWS:
        raise InputError(
            f"{config.PATH}: oversample.strategy {params.strategy!r} draws {repeats.sum()} times from {len(table)} "
            f"tiles, more than {MAX_DRAWS} in one epoch; group rare classes by ingest.rare, or take another strategy"
            + (", such as 'lp_ros', which grows by oversample.resize_frac at most" if task == "multilabel" else "")
        )
    rows = np.repeat(np.arange(len(table)), repeats)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    drawn = pd.DataFrame({"tile_id": table["tile_id"].to_numpy()[rows], "view": nth % (params.views + 1)})
    train_counts, drawn_counts = label_counts(members), label_counts(members, repeats)
    many = task == "multilabel"
    totals = (found.images, len(table)) if many else None
    factors: tuple[float, ...] | None = None
    if not many:
        factors = prior_ledger.factors(train_counts, drawn_counts)
    elif params.strategy == "none":
        factors = (1.0,) * len(found.names)
    draws_line = prior_ledger.Line("oversample.strategy", params.strategy, factors)
    ledger = (
        prior_ledger.Line("split", "train", prior_ledger.factors(found.counts, train_counts, totals)),
        draws_line.deferred() if params.defer_frac else draws_line,
    )
    result = prior.Prior(
        task=task,
        classes=found.names,
        natural_counts=found.counts,
        train_counts=tuple(map(int, train_counts)),
        drawn_counts=tuple(map(int, drawn_counts)),
        natural_total=found.images,
        train_total=len(table),
        drawn_total=len(drawn),
        ledger=ledger,
        train_pairs=_rows(pairs(members)) if many else (),
        drawn_pairs=_rows(pairs(members, repeats)) if many else (),
    )
    return drawn.sort_values(["tile_id", "view"], ignore_index=True, kind="stable"), result


def bearers(table: pd.DataFrame, found: classes.Classes, task: Task) -> Members:
    """Say which classes each tile bears.

    Args:
        table: Index of the training tiles.
        found: The c classes.
        task: With `multiclass` each tile must bear exactly one.

    Returns:
        (n, c) booleans.
    """
    cells = table["labels"].tolist()
    if task == "multilabel":
        return labels.indicators(cells, found.names)
    return np.eye(len(found.names), dtype=np.bool_)[labels.targets(cells, found.names)]


def _rows(matrix: Counts) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def change(table: pd.DataFrame, found: classes.Classes, drawn: pd.DataFrame) -> str:
    """Say in one line what the draws did to tiles with several labels.

    Args:
        table: Index of the training tiles.
        found: The classes.
        drawn: One row per draw.

    Returns:
        From tiles to draws: the mean number of labels, the share with several labels, MeanIR, and SCUMBLE (`nan` where
        there are no labels).
    """
    members = bearers(table, found, "multilabel")
    each = members.sum(axis=1)
    repeats = np.asarray(table["tile_id"].map(drawn["tile_id"].value_counts()).fillna(0), dtype=np.int64)
    both = (np.ones_like(repeats), repeats)
    figures = {
        "labels each": [np.average(each, weights=times) for times in both],
        "with several labels": [np.average(each > 1, weights=times) for times in both],
        "MeanIR": [mean_imbalance_ratio(label_counts(members, times)) for times in both],
        "SCUMBLE": [scumble(members, times) for times in both],
    }
    return "tiles to draws: " + ", ".join(f"{name} {old:.3g} to {new:.3g}" for name, (old, new) in figures.items())


def main(root: Path, params: Params) -> None:
    """Draw and write, and say what changed.

    Raises:
        InputError: The strategy is one for many labels, and the task has one class per image.
    """
    chosen = params.oversample
    if params.task == "multiclass" and chosen.strategy in OF_LABEL_SETS:
        plain = [name for name in STRATEGIES if name not in OF_LABEL_SETS]
        raise InputError(
            f"{config.PATH}: oversample.strategy is {chosen.strategy!r}, which looks at sets of labels, but with task "
            f"'multiclass' each image has one class; set it to one of {plain}"
        )
    table, found = tiles.read(root, "train").table, classes.read(root)
    if params.train.fraction < 1:
        every = len(table)
        table = table.iloc[subsampling.choose(table, clusters.units(root), params.train.fraction, params.seed)]
        print(f"{len(table)} of {every} tiles of train, by train.fraction")
    drawn, opened = draw(table, found, chosen, params.seed, task=params.task)
    draws.write(root, drawn)
    prior.write(root, opened)
    print(
        f"{len(drawn)} draws: "
        + ", ".join(f"{name} {count}" for name, count in zip(opened.classes, opened.drawn_counts, strict=True))
    )
    if params.task == "multilabel":
        print(change(table, found, drawn))


if __name__ == "__main__":
    run(main, Params)
