"""Decide how often each training tile is drawn in one epoch, and as which augmented view.

Reads `data/tiles/train`, `data/clusters.csv`, `data/classes.json`. Writes `data/draws.csv`, `data/prior.json` (the
first lines of the prior ledger) and `data/oversample.sums`. No pixels are written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from counterpoise import config, seeds, tasks
from counterpoise.artifacts import classes, clusters, draws, tiles
from counterpoise.artifacts import prior as prior_file
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import prior_ledger
from counterpoise.config import Drawn, InputError, Portion, Section
from counterpoise.dataset import subsampling
from counterpoise.dataset import tasks as dataset_tasks
from counterpoise.imbalance import resampling
from counterpoise.imbalance.label_imbalance import label_counts
from counterpoise.stages import list_counts, run

if TYPE_CHECKING:
    import pandas as pd

MAX_DRAWS = 50_000_000
"""More samples than this in one epoch are refused."""


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
    """How often each tile is sampled in an epoch. `none`: once. `over`, `under` and `square_root` balance classes (for
    multilabel: distinct label sets) fully by repeating, fully by leaving out, or half-way by repeating; `repeat_factor`
    repeats tiles of rare classes. Multilabel only: `lp_ros` and `lp_rus` sample rare label sets more often, or frequent
    ones less often; `ml_ros` and `ml_rus` do the same for single labels; `single_label` repeats tiles that have one
    rare label and no other."""
    repeat_threshold: float = Field(gt=0, le=1)
    """`repeat_factor` only: classes with a smaller share of the tiles than this are repeated, in (0, 1]."""
    resize_frac: float = Field(gt=0, le=1)
    """`lp_ros`, `lp_rus`, `ml_ros`, `ml_rus`, `single_label` only: by which share of the training tiles the samples per
    epoch grow or shrink, in (0, 1]; less once everything is balanced."""


class Params(Section):
    """What this stage reads."""

    task: tasks.Task
    seed: int = Field(ge=0)
    oversample: Oversample
    train: Portion


def draw(
    table: pd.DataFrame, labelled: classes.Classes, params: Oversample, seed: int, *, task: str
) -> tuple[pd.DataFrame, Prior]:
    """Draw one epoch.

    The line `split` of the ledger compares tiles of train with images of the manifest, so that it also holds what
    tiling did: a class of large images has more tiles than its share of images. For multilabel the factors are those of
    each label's odds, and the line `oversample.strategy` is unknown unless every tile is drawn once: a repeated tile
    repeats all its labels, so resampling does not multiply the odds of each label by one number. Oversampling that
    begins in a later epoch is unknown too.

    Args:
        table: Index of the training tiles, or of the part that is learned from.
        labelled: The classes.
        params: Section `oversample`.
        seed: Decides which tiles get the odd draw.
        task: What the labels mean.

    Returns:
        One row per draw; the j-th draw of a tile shows view j modulo (views + 1). And the counts before and after,
        with the ledger.

    Raises:
        InputError: The strategy draws more than `MAX_DRAWS`.
    """
    import pandas as pd

    data = dataset_tasks.find(task)
    members = data.members(table["labels"].tolist(), labelled.names)
    repeats = resampling.repeats(
        params.strategy,
        members,
        seeds.generator(seed, "draws"),
        threshold=params.repeat_threshold,
        resize_frac=params.resize_frac,
    )
    if repeats.sum() > MAX_DRAWS:
        raise InputError(
            f"{config.PATH}: oversample.strategy {params.strategy!r} makes {repeats.sum()} samples of {len(table)} "
            f"tiles, more than {MAX_DRAWS} in one epoch; group rare classes by ingest.rare, or take another strategy"
            f"{data.FEWER_DRAWS}"
        )
    rows = np.repeat(np.arange(len(table)), repeats)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    drawn = pd.DataFrame({"tile_id": table["tile_id"].to_numpy()[rows], "view": nth % (params.views + 1)})
    train_counts, drawn_counts = label_counts(members), label_counts(members, repeats)
    of_split = prior_ledger.factors(labelled.counts, train_counts, (labelled.images, len(table)), task=task)
    of_draws = data.draw_factors(params.strategy, train_counts, drawn_counts, (len(table), len(drawn)))
    draws_line = prior_ledger.Line("oversample.strategy", params.strategy, of_draws)
    ledger = (
        prior_ledger.Line("split", "train", of_split),
        draws_line.deferred() if params.defer_frac else draws_line,
    )
    prior = Prior(
        task=task,
        classes=labelled.names,
        natural_counts=labelled.counts,
        train_counts=tuple(map(int, train_counts)),
        drawn_counts=tuple(map(int, drawn_counts)),
        natural_total=labelled.images,
        train_total=len(table),
        drawn_total=len(drawn),
        ledger=ledger,
        train_pairs=data.pairs(members),
        drawn_pairs=data.pairs(members, repeats),
    )
    return drawn.sort_values(["tile_id", "view"], ignore_index=True, kind="stable"), prior


def repeats_of(table: pd.DataFrame, drawn: pd.DataFrame) -> NDArray[np.int64]:
    """Count how often each of n tiles is drawn, (n,), from a table with a row per draw."""
    return np.asarray(table["tile_id"].map(drawn["tile_id"].value_counts()).fillna(0), dtype=np.int64)


def main(root: Path, params: Params) -> None:
    """Draw and write, and print what changed.

    Raises:
        InputError: The strategy is one for many labels, and the task has one class per image.
    """
    data, strategy = dataset_tasks.find(params.task), params.oversample.strategy
    if strategy in data.REFUSED_STRATEGIES:
        plain = [name for name in resampling.STRATEGIES if name not in data.REFUSED_STRATEGIES]
        raise InputError(
            f"{config.PATH}: oversample.strategy is {strategy!r}, which compares sets of labels, but with task "
            f"{params.task!r} each image has one class; set it to one of {plain}"
        )
    whole, labelled = tiles.read(root, "train"), classes.read(root)
    table = whole.table
    if params.train.fraction < 1:
        tiles_before = len(table)
        table = table.iloc[subsampling.choose(table, clusters.units(root, whole), params.train.fraction, params.seed)]
        print(f"{len(table)} of {tiles_before} training tiles are used (train.fraction {params.train.fraction:g})")
    drawn, prior = draw(table, labelled, params.oversample, params.seed, task=params.task)
    draws.write(root, drawn)
    prior_file.write(root, prior)
    print(f"{len(drawn)} samples per epoch: {list_counts(prior.classes, prior.drawn_counts)}")
    members = data.members(table["labels"].tolist(), labelled.names)
    if summary := data.describe_draws(members, repeats_of(table, drawn)):
        print(summary)


if __name__ == "__main__":
    run(main, Params)
