"""One training of a detector on stored maps, from settings, artifacts and seeds to decided boxes of scenes.

The pure functions of the stages are composed here. Nothing is written but the maps, which are kept for other trainings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from counterpoise import config, storage
from counterpoise.artifacts import boxes as boxes_file
from counterpoise.artifacts import predictions, tile_boxes, tiles
from counterpoise.artifacts.decision import Boxes
from counterpoise.artifacts.detections import Tables
from counterpoise.boxes.scenes import Merging
from counterpoise.config import Section
from counterpoise.dataset import box_examples, scene_detections, subsampling
from counterpoise.dataset.box_examples import Pasting
from counterpoise.dataset.box_inputs import BoxInputs
from counterpoise.detection import building
from counterpoise.networks import devices
from counterpoise.stages import decide, oversample, predict, train
from counterpoise.study import experiment, shuffle_split
from counterpoise.study.detection import maps, training
from counterpoise.study.experiment import Data

if TYPE_CHECKING:
    import pandas as pd

S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Scenes:
    """Artifacts in memory.

    Attributes:
        data: Tiles, classes and units.
        boxes: Boxes of all tiles, in pixels of the tile.
        objects: The rows of `data/boxes.csv` of these scenes, in pixels of the scene.
        digest: Of the tiles and their boxes.
    """

    data: Data
    boxes: pd.DataFrame
    objects: pd.DataFrame
    digest: str


@dataclass(frozen=True)
class Outcome:
    """What a detector found in the scenes of a split.

    Attributes:
        images: The scenes, with their units and labels.
        tables: What was found, and what is there.
    """

    images: predictions.Predictions
    tables: Tables


@cache
def read(root: Path, names: tuple[str, ...]) -> Scenes:
    """Read the artifacts that `dvc repro` built, once in a process.

    Args:
        root: A repository.
        names: The splits that are needed; no file of another is read.

    Raises:
        ArtifactError: The pipeline was not run yet.
    """
    import pandas as pd

    data = experiment.read(root, names)
    shown = pd.concat([tile_boxes.read(root, name) for name in names], ignore_index=True)
    scenes = {image_id for part in data.splits.values() for image_id in part.tiles.table["image_id"]}
    every = boxes_file.read(root)
    sums = [(root / tiles.sums_path(name)).read_bytes() for name in names]
    digest = storage.checksum(b"\0".join(sums))
    return Scenes(data, shown, every[every["image_id"].isin(scenes)].reset_index(drop=True), digest)


def _pooled(data: Data) -> tiles.Tiles:
    """Put the tiles of all splits into one table."""
    scenes = {image_id for part in data.splits.values() for image_id in part.tiles.table["image_id"]}
    return shuffle_split.resplit(data, dict.fromkeys(scenes, "train")).splits["train"].tiles


def plain_maps(root: Path, scenes: Scenes, content: Mapping[str, Any]) -> Path:
    """Store the maps of all tiles in all views that are no paste-up, unless they are there; return their folder."""
    part, views = _pooled(scenes.data), content["oversample"]["views"]
    return _stored(root, scenes, content, part, views, None)


def pasted_maps(root: Path, scenes: Scenes, content: Mapping[str, Any], part: tiles.Tiles) -> Path | None:
    """Store the maps of training tiles onto whose views objects are pasted; `None` if nothing is pasted.

    Only objects of these tiles are pasted, so that no fold shows another fold its objects.
    """
    params = section(train.Params, content).oversample
    asked = params.copy_paste
    if not asked.frac:
        return None
    shown = scenes.boxes[scenes.boxes["tile_id"].isin(part.table["tile_id"])]
    donors = box_examples.collect(
        part,
        shown,
        scenes.data.classes.names,
        asked.classes,
        margin_px=asked.margin_px,
        min_visible=content["tile"]["min_visible"],
        seed=content["seed"],
    )
    return _stored(root, scenes, content, part, params.views, Pasting(donors, asked.frac, asked.objects))


def section(of: type[S], content: Mapping[str, Any]) -> S:
    """Take what a stage reads."""
    return config.validate(of, {key: content[key] for key in of.model_fields})


def _stored(
    root: Path,
    scenes: Scenes,
    content: Mapping[str, Any],
    part: tiles.Tiles,
    views: int,
    pasting: Pasting | None,
) -> Path:
    model, detector = content["model"], section(train.Params, content).detector
    names = scenes.data.classes.names
    paste = content["oversample"]["copy_paste"] if pasting is not None else None
    decides = {
        "digest": scenes.digest,
        "tiles": part.table["tile_id"].tolist(),
        "model": [model["backbone"], model["weights"], model["input_px"]],
        "levels": [detector.levels, detector.extra_levels],
        "views": [views, content["oversample"]["policy"] if views else "none", content["seed"], paste],
        "tile": [content["tile"]["min_visible"], names],
    }
    folder = maps.path(root, decides)
    if maps.is_whole(folder):
        return folder
    count, shown = len(part.table), scenes.boxes
    inputs = BoxInputs(
        tiles=part,
        boxes={str(tile_id): own for tile_id, own in shown.groupby("tile_id")},
        names=names,
        rows=np.repeat(np.arange(count), views + 1),
        views=np.tile(np.arange(views + 1), count),
        input_px=model["input_px"],
        multiple_px=building.coarsest_px(model["backbone"], detector),
        policy=content["oversample"]["policy"],
        seed=content["seed"],
        on_the_fly="none",
        backbone=model["backbone"],
        min_visible=content["tile"]["min_visible"],
        class_counts=np.array(scenes.data.classes.counts),  # a crop keeps a box of the class in the fewest scenes
        pasting=pasting,
    )
    maps.compute(folder, inputs, model, detector.levels, content["seed"], "store maps")
    return folder


def run(
    root: Path, scenes: Scenes, content: Mapping[str, Any], split_of: Mapping[str, str], seed: int
) -> tuple[Boxes, dict[str, Outcome]]:
    """Draw, train, find and decide.

    Args:
        root: A repository.
        scenes: Its artifacts.
        content: Parameters; `train.seed` decides initialisation and order.
        split_of: image_id -> split of this fold.
        seed: Decides the draws.

    Returns:
        The decision of boxes, and what was found in the scenes of `val` and `test`.

    Raises:
        InputError: Settings do not suit each other, or the training diverged.
    """
    data = shuffle_split.resplit(scenes.data, split_of)
    params, settings = section(train.Params, content), section(predict.Params, content).predict
    whole, names = data.splits["train"].tiles, data.classes.names
    rows = subsampling.choose(whole.table, data.units, params.train.fraction, seed)
    part = replace(whole, table=whole.table.iloc[rows].reset_index(drop=True))
    plain = maps.read(plain_maps(root, scenes, content))
    pasted = pasted_maps(root, scenes, content, part)
    learned = scenes.objects[[split_of.get(image_id) in ("train", "val") for image_id in scenes.objects["image_id"]]]
    drawing = section(oversample.Params, content)
    counted = oversample.count_boxes(part.table, scenes.boxes, learned, names)
    drawn, prior = oversample.draw(part.table, data.classes, drawing.oversample, seed, task=drawing.task, boxes=counted)
    examples = training.Examples(plain if pasted is None else maps.read(pasted), plain, part, data.splits["val"].tiles)
    detectors = training.fit(examples, drawn, prior, params)
    compute = devices.pick(params.model.device, params.model.precision)
    outcomes = {}
    for name in ("val", "test"):
        shown = data.splits[name].tiles
        found = training.find(detectors, plain, shown, names, settings.batch_size, compute)
        outcomes[name] = _outcome(scenes, shown, found, predict.merging(settings, len(detectors)))
    val = outcomes["val"]
    return decide.choose_boxes(val.images, val.tables, section(decide.Params, content).decide), outcomes


def _outcome(scenes: Scenes, part: tiles.Tiles, found: pd.DataFrame, how: Merging) -> Outcome:
    """Bring boxes of tiles to scenes, and put them beside the objects that are there; as stage `predict` does."""
    names, units = scenes.data.classes.names, dict(scenes.data.units)
    image_ids = tuple(sorted(set(part.table["image_id"])))
    there = scene_detections.objects(scenes.objects, part.table, dict(zip(image_ids, image_ids, strict=True)), units)
    merged = scene_detections.merged(found, part.table, names, how)
    logits = scene_detections.highest(merged, image_ids, names, how.min_score)
    labels = scene_detections.labels_of(there, image_ids)
    groups = tuple(units[image_id] for image_id in image_ids)
    return Outcome(predictions.Predictions(image_ids, groups, labels, names, logits), Tables(merged, there))
