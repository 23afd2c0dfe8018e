"""Compute the raw logits of every image of validation and test.

Reads `models/model/`, `data/clusters.csv`, `data/tiles/{val,test}/` and `data/features/{val,test}/`; of boxes,
`data/boxes.csv` and `data/splits.csv`. Writes
`results/predictions/{val,test}.parquet`, `results/predictions/predict.{val,test}.sums` and
`results/detections/{val,test}/`, which have no rows where labels have no boxes. Predictions are averaged over the
members of a model and the views of a tile, then aggregated from the tiles to one row per image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from counterpoise.artifacts import boxes, clusters, detections, features, model, predictions, splits, tiles
from counterpoise.boxes.scenes import Merging
from counterpoise.config import PATH, BatchSize, InputError, Section, Tta
from counterpoise.dataset import aggregation, scene_detections
from counterpoise.engine.spread import spread
from counterpoise.stages import run

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from counterpoise.detection.inference import TileBoxes
    from counterpoise.networks.devices import Compute

InBatch: TypeAlias = "tuple[NDArray[np.int64], TileBoxes]"
"""Rows of the tiles of a batch, and the boxes in them."""
T = TypeVar("T")
PORTION = 4
"""Batches that are a task where the stage runs on several machines."""


class Predict(Tta):
    """Section `predict`."""

    model_config = ConfigDict(extra="forbid")

    aggregate: Literal["mean", "max"]
    """How to aggregate the logits of the tiles of an image: `mean` or `max` of each class."""
    average: Literal["logits", "probabilities"]
    """What to average over the members of a model and the views of a tile: their `logits`, with which the prior ledger
    is exact, or their `probabilities`, with which it is approximate."""
    batch_size: BatchSize
    """Number of tiles per forward pass, in 1..65,536."""
    merge: Literal["nms", "soft_nms_linear", "soft_nms_gaussian", "wbf", "nmm"]
    """Detection only: how boxes of one object become one. `nms`: the one with the highest score stays;
    `soft_nms_linear`, `soft_nms_gaussian`: the others get lower scores, for objects close together; `wbf`: their mean
    weighted by score, for several views; `nmm`: the box around them, for objects larger than the overlap of tiles."""
    match: Literal["iou", "ios"]
    """Detection only: how `merge` measures overlap. `iou`: over the union; `ios`: over the smaller box, which parts of
    an object need."""
    overlap: float = Field(ge=0, le=1)
    """Detection only: boxes of a class that overlap by more than this are of one object for `merge`, in 0..1."""
    edge_px: float = Field(ge=0, le=1000)
    """Detection only: a box so near an inner edge of its tile, in pixels of the scene, in 0..1000, is taken for a part
    of an object where another tile shows the place with room around it."""
    edge_factor: float = Field(ge=0, le=1)
    """Detection only: what the scores of such parts are multiplied by before merging, in 0..1. 0 leaves them out, 1
    trusts them like other boxes."""
    min_score: float = Field(gt=0, lt=1)
    """Detection only: boxes with a lower score are left out, before and after merging, in (0, 1)."""


class Device(Section):
    """The part of section `model` that prediction needs. The trained model stores all other settings."""

    model_config = ConfigDict(extra="ignore")

    device: Literal["auto", "cpu", "cuda", "mps"]
    """Device of the network. `auto` prefers CUDA, then MPS, then the CPU."""
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    """Precision inside the backbone. `auto`: bfloat16 or float16 on CUDA, otherwise float32."""


class Params(Section):
    """What this stage reads."""

    model: Device
    predict: Predict


def aggregate(
    table: pd.DataFrame,
    logits: NDArray[np.float32],
    units: dict[str, str],
    classes: tuple[str, ...],
    how: str,
) -> predictions.Predictions:
    """Aggregate predictions of tiles to predictions of images.

    Args:
        table: Index of n tiles.
        logits: (n, c) logits of the tiles.
        units: image_id -> unit, which the bootstrap resamples as a whole.
        classes: The c class names.
        how: `mean` or `max` over the tiles of an image, for each class.

    Returns:
        One row per image, sorted by image_id. All tiles of an image have the labels of the image.
    """
    image_ids, image = np.unique(table["image_id"].to_numpy().astype(str), return_inverse=True)
    first = np.unique(image, return_index=True)[1]
    return predictions.Predictions(
        image_ids=tuple(image_ids.tolist()),
        groups=tuple(units[image_id] for image_id in image_ids),
        labels=tuple(table["labels"].iloc[first]),
        classes=classes,
        logits=aggregation.aggregate(logits, image, how),
    )


def logits_of(
    card: model.Card,
    members: Sequence[nn.Module],
    part: tiles.Tiles,
    stored: features.Features | None,
    params: Predict,
    compute: Compute,
    label: str = "predict",
) -> NDArray[np.float32]:
    """Compute the raw logits of every tile, averaged over members and views.

    Args:
        card: Description of the model.
        members: Its networks. They map features to logits if the backbone is frozen, otherwise images to logits.
        part: n tiles.
        stored: Their features if the backbone is frozen, with those of all views of `tta`; otherwise `None`.
        params: Section `predict`.
        compute: Device and precision.
        label: Label of the progress bar; empty for no bar.

    Returns:
        float32 (n, c).

    Raises:
        InputError: The features of some views are missing.
    """
    import torch

    from counterpoise.dataset.inputs import FeatureInputs, TileInputs, infer
    from counterpoise.networks import ensembling, tta

    views, count = tta.VIEWS[params.tta], len(part.table)
    if stored is None:
        inputs = TileInputs(
            tiles=part,
            rows=np.arange(count),
            views=np.zeros(count, dtype=np.int64),
            input_px=card.input_px,
            policy="none",
            seed=0,
            on_the_fly="none",
            backbone=card.backbone,
        )
        whole = ensembling.Averaged(members, views, params.average, card.task)
        return infer(whole, inputs, params.batch_size, compute, label)
    network = ensembling.Averaged(members, tta.VIEWS["none"], params.average, card.task)
    logits = []
    for number in range(len(views)):
        rows = np.flatnonzero(stored.index["view"].to_numpy() == -number)
        if len(rows) != count:
            raise InputError(
                f"{PATH}: predict.tta is {params.tta!r}, but the features of its views are missing; run `dvc repro`"
            )
        own = infer(network, FeatureInputs(stored.values, rows), params.batch_size, compute, label)
        logits.append(torch.from_numpy(own))
    return ensembling.average(logits, params.average, card.task).numpy()


def merging(params: Predict, views: int = 1) -> Merging:
    """Say how boxes of one object become one.

    Args:
        params: Section `predict`.
        views: How often each tile was looked at.
    """
    return Merging(
        params.merge, params.match, params.overlap, params.edge_px, params.min_score, views, params.edge_factor
    )


def write_boxes(
    root: Path, split: str, found: pd.DataFrame, part: tiles.Tiles, classes: tuple[str, ...], min_score: float
) -> None:
    """Write what a detector found in scenes: its boxes beside the objects there, and predictions of images.

    An image has the logit of its highest box of each class, and the labels of its objects.

    Args:
        root: The repository.
        split: val or test.
        found: The columns of `detections.parquet`, in the order of scenes.
        part: All tiles of the split.
        classes: The class names.
        min_score: `predict.min_score`.
    """
    split_of, units = splits.read(root), clusters.units(root, part)
    scene_ids = split_of["scene_id" if splits.has_blocks(split_of) else "image_id"]
    scene_of = dict(zip(split_of["image_id"], scene_ids, strict=True))
    there = scene_detections.objects(boxes.read(root), part.table, scene_of, units)
    detections.write(root, split, detections.Tables(found, there))
    image_ids = tuple(sorted(set(part.table["image_id"])))
    groups = tuple(units[image_id] for image_id in image_ids)
    logits = scene_detections.highest(found, image_ids, classes, min_score)
    labels = scene_detections.labels_of(there, image_ids)
    predictions.write(root, split, predictions.Predictions(image_ids, groups, labels, classes, logits))


class Members:
    """The networks of a model. They are built where they are first used, and stay there when this is pickled.

    Attributes:
        agreed: Device and precision that another process chose, which must be those of all.
    """

    def __init__(self, root: Path, card: model.Card | model.DetectorCard, params: Params) -> None:
        self.root = root
        self.card = card
        self.params = params
        self.agreed: Compute | None = None

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("root", "card", "params", "agreed")}

    @cached_property
    def compute(self) -> Compute:
        """Device and precision."""
        from counterpoise.networks import devices

        return devices.pick(self.params.model.device, self.params.model.precision, self.agreed)

    @cached_property
    def networks(self) -> list[nn.Module]:
        """All members, with their weights."""
        from counterpoise.detection import building
        from counterpoise.networks.network import rebuild

        weights = (model.read_weights(self.root, member) for member in range(self.card.members))
        if isinstance(self.card, model.DetectorCard):
            return [building.rebuild(self.card, own) for own in weights]
        return [rebuild(self.card, own) for own in weights]

    def files(self, part: tiles.Tiles) -> list[Path]:
        """List the files that are read for tiles: the model, and their shards."""
        return [*(self.root / model.FOLDER).iterdir(), *part.shards]

    def described(self, work: Sequence[None]) -> Iterator[Compute]:
        """Yield, for each entry, on what the networks compute."""
        for _ in work:
            yield self.compute

    def logits(self, part: tiles.Tiles, stored: features.Features | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield the logits of all tiles."""
        assert isinstance(self.card, model.Card)
        yield logits_of(
            self.card, self.networks, part, stored, self.params.predict, self.compute, f"predict {part.folder.name}"
        )

    def boxes(self, part: tiles.Tiles) -> Iterator[InBatch]:
        """Yield what the detectors find in each batch of tiles."""
        from counterpoise.dataset import box_inputs
        from counterpoise.detection import building, inference

        assert isinstance(self.card, model.DetectorCard)
        card, params = self.card, self.params.predict
        multiple_px = building.coarsest_px(card.backbone, building.of_card(card).detector)
        inputs = box_inputs.unchanged(part, card.classes, card.input_px, multiple_px, card.backbone)
        label = f"predict {part.folder.name}"
        yield from inference.of_batches(self.networks, inputs, params.batch_size, params.tta, self.compute, label)


def main(root: Path, params: Params) -> None:
    """Predict validation and test."""
    card = model.read_card(root)
    members = Members(root, card, params)
    if isinstance(card, model.DetectorCard):
        _detect(root, card, members, params.predict)
    else:
        _classify(root, card, members, params.predict)


def _spread(members: Members, function: Callable[[tiles.Tiles], Iterator[T]], part: tiles.Tiles) -> Iterator[T]:
    """Let the engine compute a method of the members for tiles."""
    size, on_gpu = PORTION * members.params.predict.batch_size, members.params.model.device in ("auto", "cuda")
    label = f"predict {part.folder.name}"
    if members.agreed is None:
        (members.agreed,) = spread(members.root, members.described, portion=1, reads=lambda _: [], on_gpu=on_gpu)(
            [None]
        )
    return spread(members.root, function, portion=size, reads=members.files, on_gpu=on_gpu, label=label)(part)


def _classify(root: Path, card: model.Card, members: Members, params: Predict) -> None:
    """Predict logits of images."""
    for split in ("val", "test"):
        part = tiles.read(root, split)
        stored, units = features.read(root, split, part), clusters.units(root, part)
        # a head on stored features takes less time than sending them would
        found = members.logits(part, stored) if stored else _spread(members, members.logits, part)
        logits = np.concatenate(list(found))
        predictions.write(root, split, aggregate(part.table, logits, units, card.classes, params.aggregate))
        detections.write(root, split, detections.empty())


def _detect(root: Path, card: model.DetectorCard, members: Members, params: Predict) -> None:
    """Predict boxes, and of them logits of images."""
    from counterpoise.detection import inference

    how = merging(params, card.members * len(inference.VIEWS[params.tta]))
    for split in ("val", "test"):
        part = tiles.read(root, split)
        found = _renumbered(_spread(members, members.boxes, part))
        scene, tile_ids = part.table["image_id"].tolist(), part.table["tile_id"].tolist()
        merged = {
            name: scene_detections.merged(own.table(tile_ids, card.classes), part.table, card.classes, how)
            for name, own in inference.of_scenes(found, scene)
        }
        whole = scene_detections.together([merged[name] for name in sorted(merged)])
        write_boxes(root, split, whole, part, card.classes, params.min_score)


def _renumbered(found: Iterable[InBatch]) -> Iterator[InBatch]:
    """Count the rows of tiles through all portions, each of which counts its own from 0."""
    done = 0
    for numbers, own in found:
        shift = done - int(numbers[0]) if len(numbers) else 0
        yield numbers + shift, replace(own, tile=own.tile + shift)
        done += len(numbers)


if __name__ == "__main__":
    run(main, Params)
