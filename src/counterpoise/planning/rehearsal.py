"""Split and tile a surveyed data set in memory, as the stages `split`, `tile` and `oversample` will."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from counterpoise import config, tasks
from counterpoise.artifacts import classes as classes_file
from counterpoise.artifacts import splits
from counterpoise.artifacts.positive import Positive
from counterpoise.artifacts.prior import Prior
from counterpoise.dataset import blocks, coverage, positive_class, stratification, tile_labels, tiling
from counterpoise.dataset import tasks as dataset_tasks
from counterpoise.planning.survey import Survey
from counterpoise.stages import oversample, split, tile

if TYPE_CHECKING:
    import pandas as pd

MOST_TILED = 20_000
"""Images that are tiled one by one; of more, so many are counted for all."""


@dataclass(frozen=True)
class Rehearsal:
    """What the stages will find, but for near duplicates, which only `split` looks for.

    Attributes:
        names: The c classes.
        counts: Split -> (c,) images of each class.
        images: Split -> images.
        units: Groups, or single images.
        positive: The class that matters.
        tiles: Split -> tiles.
        samples: Training samples of an epoch.
        prior: The class counts of train before and after sampling.
        boxes_per_tile: Objects in a training tile, mean.
        warnings: What the stages would say.
    """

    names: tuple[str, ...]
    counts: dict[str, NDArray[np.int64]]
    images: dict[str, int]
    units: int
    positive: Positive
    tiles: dict[str, int]
    samples: int
    prior: Prior
    boxes_per_tile: float
    warnings: tuple[str, ...]


def rehearse(found: Survey, content: Mapping[str, Any]) -> Rehearsal:
    """Split and tile.

    Args:
        found: The data set.
        content: Checked parameters.

    Raises:
        InputError: A stage would refuse the data.
    """
    params = config.validate(split.Params, _part(split.Params, content))
    labelled = found.data.classes
    split.refuse(params, labelled)
    divided = _divide(found, params)
    side, counts = divided.side, divided.counts
    few = coverage.warn_of_few_in_test(labelled.names, counts["test"].tolist())
    settings = config.validate(tile.Params, _part(tile.Params, content)).tile
    tiles, tiled = _tile(divided.table, side, found.data.boxes, settings)
    prior, each = _draw(tiled, found, labelled, content, params.task)
    scale = tiles["train"] / max(1, len(tiled))
    return Rehearsal(
        labelled.names,
        counts,
        {name: int((side == name).sum()) for name in splits.NAMES},
        divided.units,
        divided.positive,
        tiles,
        round(prior.drawn_total * scale),
        prior,
        each,
        (*divided.warnings, *few),
    )


@dataclass(frozen=True)
class _Divided:
    """Images, or blocks of scenes, by split.

    Attributes:
        table: A row for each, as the manifest has it.
        side: (n,) the split of each.
        counts: Split -> (c,) images of each class.
        units: Groups, or single images.
        positive: The class that matters.
        warnings: What `split` would say.
    """

    table: pd.DataFrame
    side: NDArray[np.object_]
    counts: dict[str, NDArray[np.int64]]
    units: int
    positive: Positive
    warnings: tuple[str, ...]


def _divide(found: Survey, params: split.Params) -> _Divided:
    """Assign images to splits, after scenes are cut into blocks, and choose the class that matters."""
    table, labelled, objects = found.data.manifest, found.data.classes, found.data.boxes
    units, copies = _alone(table), np.arange(len(table))
    crossing = np.empty((0, 2), dtype=np.int64)
    given, of_blocks = bool((table["split"] != "").any()), params.split.blocks
    if of_blocks.size_px is not None:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            cut = split.cut_scenes(table, objects, units, crossing, copies, of_blocks.size_px, of_blocks.guard_px)
        table, units, crossing, copies = cut.table, cut.units, cut.crossing, cut.copies
    divide = split.keep if given else split.assign
    dealt = divide(table, labelled, units, crossing, copies, params.split, params.seed, task=params.task)
    listed = dealt.splits
    if of_blocks.size_px is not None:
        listed = blocks.guard(table, listed["split"].tolist(), objects, of_blocks.guard_px)
    side = listed["split"].to_numpy()
    table = table.assign(**{name: listed[name].to_numpy() for name in ("scene_id", *tile.CORNERS) if name in listed})
    data = dataset_tasks.find(params.task)
    members = data.members(table["labels"].tolist(), labelled.names)
    coverage.refuse_empty(side, members, units.assign(group=table["group"].to_numpy()))
    coverage.refuse_unlearnable(dealt.absent, given=given)
    number = np.unique(units["unit"].to_numpy().astype(str), return_inverse=True)[1]
    positive = positive_class.choose(
        params.evaluate.positive,
        labelled,
        side,
        members,
        number,
        {name: why for name, (_, why) in dealt.absent.items()},
        against_absence=data.MEASURED_AGAINST_ABSENCE,
    )
    counts = {name: np.asarray(members[side == name].sum(axis=0), dtype=np.int64) for name in splits.NAMES}
    return _Divided(table, side, counts, len(np.unique(number)), positive, tuple(dealt.warnings))


def _part(params: type[config.Section], content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: content[key] for key in params.model_fields}


def _alone(table: pd.DataFrame) -> pd.DataFrame:
    """List every image as a unit with those of its group."""
    import pandas as pd

    image_ids = table["image_id"].to_numpy()
    unit = stratification.units(table["group"].to_numpy())
    first = np.unique(unit, return_index=True)[1]
    columns = {"image_id": image_ids, "unit": image_ids[first][unit], "centre": image_ids, "kind": "single"}
    return pd.DataFrame(columns | {"correlation": 1.0})


def _tile(
    table: pd.DataFrame, side: NDArray[np.object_], boxes: pd.DataFrame, params: tile.Tile
) -> tuple[dict[str, int], pd.DataFrame]:
    """Count the tiles of each split, and list those of train, or of a part of it, with their labels."""
    import pandas as pd

    of_image = dict(iter(boxes.groupby("image_id"))) if len(boxes) else {}
    at_least = params.min_area_frac if params.label_rule == "area_frac" else params.min_count
    counts = dict.fromkeys(splits.NAMES, 0)
    listed: list[tuple[str, str, str, list[str]]] = []
    for name in splits.NAMES:
        rows = table[side == name]
        step = max(1, len(rows) // MOST_TILED)
        for _, row in rows.iloc[::step].iterrows():
            windows = blocks.windows(tile.area(row), params.size_px, params.overlap_px)
            counts[name] += len(windows)
            if name != "train":
                continue
            own = of_image.get(row.get("scene_id", row["image_id"]))
            for window in windows:
                labels, shown = (row["labels"], []) if own is None else _shown(own, window, params, at_least)
                listed.append((f"{row['image_id']}@{len(listed)}", row["image_id"], labels, shown))
        counts[name] = counts[name] * len(rows) // max(1, len(rows.iloc[::step]))
    return counts, pd.DataFrame(listed, columns=["tile_id", "image_id", "labels", "boxes"])


def _shown(own: pd.DataFrame, window: tiling.Window, params: tile.Tile, at_least: float) -> tuple[str, list[str]]:
    """Give the labels of a tile, and the class of each object in it."""
    corners = own[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy(dtype=np.float64)
    inside, visible = tile_labels.cut(corners, window)
    seen = (visible >= params.min_visible) & (own["ignore"].to_numpy() == 0)
    names = own["label"].to_numpy()[seen].tolist()
    return "|".join(tile_labels.names(inside[seen], names, window, params.label_rule, at_least)), names


def _draw(
    table: pd.DataFrame, found: Survey, labelled: classes_file.Classes, content: Mapping[str, Any], task: str
) -> tuple[Prior, float]:
    """Choose the samples of an epoch, and count the objects in a tile."""
    params = config.validate(oversample.Params, _part(oversample.Params, content))
    counted, each = None, 0.0
    if tasks.find(task).HAS_BOXES:
        of_tiles = np.array([[shown.count(name) for name in labelled.names] for shown in table["boxes"]])
        natural = found.data.boxes.loc[found.data.boxes["ignore"] == 0, "label"].value_counts()
        counted = oversample.Counted(
            np.asarray(natural.reindex(labelled.names, fill_value=0), dtype=np.int64), of_tiles.astype(np.int64)
        )
        each = float(of_tiles.sum(axis=1).mean())
    part = table
    if params.train.fraction < 1:
        part = table.iloc[: max(1, round(params.train.fraction * len(table)))]
        counted = None if counted is None else oversample.Counted(counted.natural, counted.of_tiles[: len(part)])
    _, prior = oversample.draw(part, labelled, params.oversample, params.seed, task=task, boxes=counted)
    return prior, each
