"""Choose how often each training tile is sampled in one epoch, and with which augmented views.

Reads `data/tiles/train`, `data/boxes.csv`, `data/clusters.csv`, `data/classes.json`. Writes `data/draws.csv`,
`data/prior.json` with the first lines of the prior ledger, and `data/oversample.sums`. It writes no images.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from counterpoise import config, seeds, tasks
from counterpoise.artifacts import boxes as boxes_file
from counterpoise.artifacts import classes, clusters, draws, tile_boxes, tiles
from counterpoise.artifacts import prior as prior_file
from counterpoise.artifacts.prior import BoxPrior, Prior
from counterpoise.calibration import prior_ledger
from counterpoise.config import Drawn, InputError, InputSize, Listed, Name, Portion, Section, Seed
from counterpoise.dataset import subsampling
from counterpoise.dataset import tasks as dataset_tasks
from counterpoise.imbalance import resampling, tile_selection
from counterpoise.imbalance.label_imbalance import Counts, Members, label_counts
from counterpoise.stages import list_counts, run, warn

if TYPE_CHECKING:
    import pandas as pd

LEAST_PX = 2.0
"""An object with a shorter side shows next to nothing."""
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
        "box_repeat_factor",
        "lp_ros",
        "lp_rus",
        "ml_ros",
        "ml_rus",
        "single_label",
    ]
    """How often each tile is sampled in an epoch. `none`: once. `over`, `under` and `square_root` balance classes (for
    multilabel: distinct label sets) fully by repeating, fully by leaving out, or half-way by repeating; `repeat_factor`
    repeats tiles of rare classes; `box_repeat_factor`, for boxes only, those of classes rare among tiles and among
    boxes. Multilabel and boxes only: `lp_ros` and `lp_rus` sample rare label sets more often, or frequent
    ones less often; `ml_ros` and `ml_rus` do the same for single labels; `single_label` repeats tiles that have one
    rare label and no other."""
    repeat_threshold: float = Field(gt=0, le=1)
    """`repeat_factor`: classes with a smaller share of the tiles than this are repeated, in (0, 1].
    `box_repeat_factor`: those for which the geometric mean of their shares of tiles and boxes is smaller."""
    resize_frac: float = Field(gt=0, le=1)
    """`lp_ros`, `lp_rus`, `ml_ros`, `ml_rus`, `single_label` only: by which share of the training tiles the samples per
    epoch grow or shrink, in (0, 1]; less once everything is balanced."""
    empty_ratio: Annotated[float, Field(ge=0, le=1_000_000)] | None
    """Multilabel and boxes only: tiles without any class that are used per tile with one, in 0..1,000,000; null uses
    all. Every image keeps the same share of its empty tiles. This happens before `strategy`."""
    majority_only: Literal["keep", "drop"]
    """Multilabel and boxes only: whether tiles are used that show classes of `majority` and no other."""
    majority: Listed[Name]
    """The classes that `majority_only: drop` is about, such as [roof]."""


class Params(Section):
    """What this stage reads."""

    task: tasks.Task
    seed: Seed
    oversample: Oversample
    train: Portion
    model: InputSize


@dataclass(frozen=True)
class Counted:
    """Boxes that count, without the ignored ones.

    Attributes:
        natural: (c,) boxes of each class in the data before any balancing.
        of_tiles: (n, c) boxes of each class in each training tile.
    """

    natural: Counts
    of_tiles: Counts


def count_boxes(table: pd.DataFrame, boxes: pd.DataFrame, natural: pd.DataFrame, names: tuple[str, ...]) -> Counted:
    """Count boxes per class.

    Args:
        table: Index of n training tiles.
        boxes: The boxes of training tiles, as `tiles/train/boxes.csv` has them.
        natural: All boxes, as `data/boxes.csv` has them.
        names: The c classes.
    """
    import pandas as pd

    seen = boxes[(boxes["ignore"] == 0) & boxes["tile_id"].isin(table["tile_id"])]
    rows = pd.Index(table["tile_id"]).get_indexer(pd.Index(seen["tile_id"]))
    of_tiles = np.zeros((len(table), len(names)), dtype=np.int64)
    np.add.at(of_tiles, (rows, pd.Index(names).get_indexer(pd.Index(seen["label"]))), 1)
    of_all = natural.loc[natural["ignore"] == 0, "label"].value_counts()
    return Counted(np.asarray(of_all.reindex(names, fill_value=0), dtype=np.int64), of_tiles)


def warn_of_small(table: pd.DataFrame, boxes: pd.DataFrame, input_px: int) -> str | None:
    """Warn of objects that the network sees smaller than `LEAST_PX`, in every tile that shows them.

    Args:
        table: Index of the training tiles.
        boxes: Their boxes.
        input_px: Longer side of a tile as the network sees it.
    """
    sides = (table["x1_px"] - table["x0_px"]).combine(table["y1_px"] - table["y0_px"], max)
    factor = dict(zip(table["tile_id"], input_px / sides, strict=True))
    seen = boxes[(boxes["ignore"] == 0) & boxes["tile_id"].isin(table["tile_id"])]
    shorter = (seen["x1_px"] - seen["x0_px"]).combine(seen["y1_px"] - seen["y0_px"], min)
    shown = shorter * np.array([factor[tile_id] for tile_id in seen["tile_id"]], dtype=np.float64)
    widest = shown.groupby([seen["image_id"], seen["box"]]).max()
    small = widest[widest < LEAST_PX]
    if not len(small):
        return None
    image_id, number = small.index[0]
    return (
        f"{len(small)} of {len(widest)} objects of train are less than {LEAST_PX:g} px wide or high where tiles are "
        f"resized to model.input_px {input_px}, such as box {number} of {image_id!r}; raise model.input_px, or lower "
        "tile.size_px"
    )


def refuse_unknown(key: str, stated: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Refuse a parameter that names something that is no class.

    Raises:
        InputError: It does.
    """
    if unknown := [name for name in stated if name not in names]:
        raise InputError(
            f"{config.PATH}: {key} has {unknown[0]!r}, which is no class; {config.suggest(unknown[0], list(names))}"
        )


def left_out(
    table: pd.DataFrame, members: Members, names: tuple[str, ...], params: Oversample, seed: int
) -> NDArray[np.bool_]:
    """Choose tiles that no epoch uses: those of the majority alone, and empty ones above `empty_ratio`.

    Returns:
        (n,) booleans.

    Raises:
        InputError: `oversample.majority` names something that is no class, or no tile would be left.
    """
    out = np.zeros(len(members), dtype=np.bool_)
    if params.majority_only == "drop":
        refuse_unknown("oversample.majority", params.majority, names)
        out |= tile_selection.majority_only(members, np.isin(names, params.majority))
    if params.empty_ratio is not None:
        rest, scenes = np.flatnonzero(~out), np.unique(table["image_id"], return_inverse=True)[1]
        rng = seeds.generator(seed, "empty tiles")
        out[rest] = tile_selection.surplus_of_empty(members[rest], scenes[rest], params.empty_ratio, rng)
    if out.all():
        raise InputError(
            f"{config.PATH}: oversample.majority_only and oversample.empty_ratio leave none of {len(out)} tiles; set "
            "oversample.majority_only to keep, or oversample.empty_ratio to null"
        )
    return out


def selection_lines(params: Oversample) -> tuple[prior_ledger.Line, ...]:
    """List what leaving tiles out does to the prior: something that has no closed form."""
    lines = []
    if params.majority_only == "drop":
        lines.append(prior_ledger.Line("oversample.majority_only", params.majority_only, None))
    if params.empty_ratio is not None:
        lines.append(prior_ledger.Line("oversample.empty_ratio", f"{params.empty_ratio:g}", None))
    return tuple(lines)


def draw(
    table: pd.DataFrame,
    labelled: classes.Classes,
    params: Oversample,
    seed: int,
    *,
    task: str,
    boxes: Counted | None = None,
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
        task: What the labels mean.
        boxes: Their boxes, of a task that has them.

    Returns:
        A table with one row per sample, in which the j-th sample of a tile has view j modulo (views + 1); and the class
        counts before and after sampling, with the ledger.

    Raises:
        InputError: The strategy gives more than `MAX_DRAWS` samples, or `left_out` refuses.
    """
    import pandas as pd

    data = dataset_tasks.find(task)
    members = data.members(table["labels"].tolist(), labelled.names)
    kept = np.flatnonzero(~left_out(table, members, labelled.names, params, seed))
    repeats = np.zeros(len(members), dtype=np.int64)
    repeats[kept] = resampling.repeats(
        params.strategy,
        members[kept],
        seeds.generator(seed, "draws"),
        threshold=params.repeat_threshold,
        resize_frac=params.resize_frac,
        boxes=None if boxes is None else boxes.of_tiles[kept],
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
    lines = (*selection_lines(params), prior_ledger.Line("oversample.strategy", params.strategy, of_draws))
    ledger = (
        prior_ledger.Line("split", "train", of_split),
        *(line.deferred() if params.defer_frac else line for line in lines),
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
    if boxes is not None:
        prior = with_boxes(prior, boxes, repeats, int(repeats[~members.any(axis=1)].sum()))
    return drawn.sort_values(["tile_id", "view"], ignore_index=True, kind="stable"), prior


def with_boxes(prior: Prior, boxes: Counted, repeats: Counts, empty: int) -> BoxPrior:
    """Add the counts of boxes before and after sampling to the prior."""
    return BoxPrior(
        **{field.name: getattr(prior, field.name) for field in fields(prior)},
        natural_boxes=tuple(map(int, boxes.natural)),
        train_boxes=tuple(map(int, boxes.of_tiles.sum(axis=0))),
        drawn_boxes=tuple(map(int, repeats @ boxes.of_tiles)),
        drawn_empty=empty,
    )


def repeats_of(table: pd.DataFrame, drawn: pd.DataFrame) -> NDArray[np.int64]:
    """Count the samples of each of n tiles, (n,), in a table with one row per sample."""
    return np.asarray(table["tile_id"].map(drawn["tile_id"].value_counts()).fillna(0), dtype=np.int64)


def main(root: Path, params: Params) -> None:
    """Choose and write the samples, and print the class counts.

    Raises:
        InputError: The strategy is for another task.
    """
    data, strategy = dataset_tasks.find(params.task), params.oversample.strategy
    if strategy in data.REFUSED_STRATEGIES:
        plain = [name for name in resampling.STRATEGIES if name not in data.REFUSED_STRATEGIES]
        reason = (
            "counts boxes, but with task {} there are none"
            if strategy in resampling.OF_BOXES
            else "compares sets of labels, but with task {} each image has one class"
        )
        raise InputError(
            f"{config.PATH}: oversample.strategy is {strategy!r}, which {reason.format(repr(params.task))}; set it to "
            f"one of {plain}"
        )
    whole, labelled = tiles.read(root, "train"), classes.read(root)
    if params.oversample.copy_paste.frac:
        refuse_unknown("oversample.copy_paste.classes", params.oversample.copy_paste.classes, labelled.names)
    table = whole.table
    if params.train.fraction < 1:
        tiles_before = len(table)
        table = table.iloc[subsampling.choose(table, clusters.units(root, whole), params.train.fraction, params.seed)]
        print(f"{len(table)} of {tiles_before} training tiles are used (train.fraction {params.train.fraction:g})")
    boxes = None
    if tasks.find(params.task).HAS_BOXES:
        shown = tile_boxes.read(root, "train")
        boxes = count_boxes(table, shown, boxes_file.read(root), labelled.names)
        if message := warn_of_small(table, shown, params.model.input_px):
            warn(message)
    drawn, prior = draw(table, labelled, params.oversample, params.seed, task=params.task, boxes=boxes)
    draws.write(root, drawn)
    prior_file.write(root, prior)
    print(f"{len(drawn)} samples per epoch: {list_counts(prior.classes, prior.drawn_counts)}")
    members = data.members(table["labels"].tolist(), labelled.names)
    if summary := data.describe_draws(members, repeats_of(table, drawn)):
        print(summary)
    if isinstance(prior, BoxPrior):
        print(
            f"boxes per epoch: {list_counts(prior.classes, prior.drawn_boxes)}; {prior.drawn_empty} samples are empty"
        )


if __name__ == "__main__":
    run(main, Params)
