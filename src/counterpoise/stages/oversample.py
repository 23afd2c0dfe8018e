"""Choose how often each training tile is sampled in one epoch, and with which augmented views.

Reads `data/tiles/train`, `data/clusters.csv`, `data/classes.json`. Writes `data/draws.csv`, `data/prior.json` with
the first lines of the prior ledger, and `data/oversample.sums`. It writes no images.
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
from counterpoise.config import Drawn, InputError, Portion, Section, Seed
from counterpoise.dataset import subsampling
from counterpoise.dataset import tasks as dataset_tasks
from counterpoise.imbalance import resampling
from counterpoise.imbalance.label_imbalance import label_counts
from counterpoise.stages import list_counts, run

if TYPE_CHECKING:
    import pandas as pd

MAX_DRAWS = 50_000_000
"""Maximum number of samples in one epoch."""


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
    seed: Seed
    oversample: Oversample
    train: Portion


def draw(
    table: pd.DataFrame, labelled: classes.Classes, params: Oversample, seed: int, *, task: str
) -> tuple[pd.DataFrame, Prior]:
    """Choose the samples of one epoch.

    The ledger line `split` compares training tiles with images of the manifest, so it includes the effect of tiling: a
    class with large images has more tiles than its share of images.

    For multilabel, the factors multiply the odds of each label. The line `oversample.strategy` is unknown unless every
    tile is sampled once: a repeated tile repeats all its labels, so resampling does not multiply the odds of each label
    by one number. Oversampling that starts in a later epoch is unknown too.

    Args:
        table: Index of the training tiles, or of the subset that `train.fraction` chooses.
        labelled: The classes.
        params: Section `oversample`.
        seed: Decides which tiles are repeated once more than others.
        task: `multiclass` or `multilabel`.

    Returns:
        A table with one row per sample, in which the j-th sample of a tile has view j modulo (views + 1); and the class
        counts before and after sampling, with the ledger.

    Raises:
        InputError: The strategy gives more than `MAX_DRAWS` samples.
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
            f"{config.PATH}: oversample.strategy {params.strategy!r} gives {repeats.sum()} samples of {len(table)} "
            f"tiles, more than the maximum of {MAX_DRAWS} in one epoch; group rare classes with ingest.rare, or choose "
            f"another strategy{data.FEWER_DRAWS}"
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
    """Count the samples of each of n tiles, (n,), in a table with one row per sample."""
    return np.asarray(table["tile_id"].map(drawn["tile_id"].value_counts()).fillna(0), dtype=np.int64)


def main(root: Path, params: Params) -> None:
    """Choose and write the samples, and print the class counts.

    Raises:
        InputError: The strategy is for multilabel, but the task is multiclass.
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
