"""A detector trained on stored maps: the loop, the losses and the seeds are those of stage `train`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from counterpoise import tasks
from counterpoise.artifacts.prior import BoxPrior, Prior
from counterpoise.artifacts.tiles import Tiles
from counterpoise.dataset.batch_samplers import Batches
from counterpoise.dataset.box_truth import Truth
from counterpoise.dataset.inputs import Chance
from counterpoise.detection import inference, task_weights
from counterpoise.networks import devices
from counterpoise.networks.devices import Compute
from counterpoise.study.detection import packing
from counterpoise.study.detection.maps import MapInputs, Maps
from counterpoise.training import box_objective, loop, members
from counterpoise.training.box_teaching import Boxes, Combined
from counterpoise.training.curriculum import curriculum
from counterpoise.training.objective import Objective
from counterpoise.training.settings import Settings
from counterpoise.training.tasks import detection

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Examples:
    """What a training may read.

    Attributes:
        train: Maps of the training tiles in their views.
        plain: Maps of all tiles.
        tiles: The training tiles.
        val: The tiles of validation.
    """

    train: Maps
    plain: Maps
    tiles: Tiles
    val: Tiles


@dataclass(frozen=True)
class Shown:
    """Examples as the training loop takes them.

    Attributes:
        inputs: Stored maps.
        targets: int64 (n, c) in {0, 1}, the classes that each tile shows.
    """

    inputs: MapInputs
    targets: Tensor

    def batches(
        self, order: Batches, device: torch.device, chance: Chance | None = None
    ) -> Iterator[tuple[Tensor, list[Truth]]]:
        """Yield packed maps and what each picture shows; of the next view in each epoch, if `chance` is given."""
        for batch in self.inputs.batches(order, 0 if chance is None else chance.epoch):
            yield batch.images.to(device), [truth.to(device) for truth in batch.truth]


class Unwatched(Boxes):
    """Teaching that does not look at validation where nothing is chosen by it, which takes as long as training."""

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor

    def validate(
        self,
        network: nn.Module,
        val: Any,  # noqa: ANN401
        objective: Objective,
        compute: Compute,
        batch_size: int,
    ) -> dict[str, float]:
        """Compute the figures of `Boxes`; with `train.monitor: none` only whether the weights are finite."""
        if self.monitor != "none":
            return super().validate(network, val, objective, compute, batch_size)
        finite = all(bool(own.isfinite().all()) for own in network.state_dict().values() if own.is_floating_point())
        return {"val/loss": 0.0 if finite else float("nan")}

    def rate_fracs(self, network: nn.Module, first_frac: float) -> Mapping[str, float]:
        """Return none: there is no backbone."""
        return {}


def _rows(of: Maps, tile_ids: Sequence[str], first: NDArray[np.int64], views: int) -> NDArray[np.int64]:
    """Find the row of each tile in its first view and those after it, (n, views)."""
    place = {key: row for row, key in enumerate(zip(of.index["tile_id"], of.index["view"].tolist(), strict=True))}
    pairs = zip(tile_ids, first.tolist(), strict=True)
    return np.array([[place[tile_id, (view + k) % views] for k in range(views)] for tile_id, view in pairs])


def _shown(of: Maps, part: Tiles, tile_ids: Sequence[str], rows: NDArray[np.int64], prior: BoxPrior) -> Shown:
    labels = dict(zip(part.table["tile_id"], part.table["labels"], strict=True))
    targets = tasks.find(prior.task).encode([labels[tile_id] for tile_id in tile_ids], prior.classes)
    return Shown(MapInputs(of, rows), torch.from_numpy(targets.astype(np.int64)))


def _unchanged(of: Maps, part: Tiles) -> NDArray[np.int64]:
    """Find the row of each tile in its view 0, (n, 1)."""
    tile_ids = part.table["tile_id"].tolist()
    return _rows(of, tile_ids, np.zeros(len(tile_ids), dtype=np.int64), 1)


def _once(of: Maps, part: Tiles, prior: BoxPrior) -> Shown:
    return _shown(of, part, part.table["tile_id"].tolist(), _unchanged(of, part), prior)


def _sides(of: Maps, tile_ids: Sequence[str]) -> NDArray[np.float64]:
    """Measure the objects of unchanged tiles, (m, 2), in pixels of the input."""
    wanted = (of.index["view"] == 0) & of.index["tile_id"].isin(tile_ids)
    shown = of.shown[of.shown["row"].isin(np.flatnonzero(wanted)) & (of.shown["label"] >= 0)]
    corners = shown[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy(dtype=np.float64)
    return np.asarray(corners[:, 2:] - corners[:, :2])


def fit(examples: Examples, drawn: pd.DataFrame, prior: Prior, params: Settings) -> list[nn.Module]:
    """Train the members of a model.

    Args:
        examples: What may be read.
        drawn: One epoch: a row per draw, columns `tile_id` and `view`.
        prior: Counts of its boxes.
        params: All settings.

    Raises:
        InputError: Settings do not suit each other, or the training diverged.
    """
    assert isinstance(prior, BoxPrior)
    part, tile_ids = examples.tiles, drawn["tile_id"].tolist()
    views = params.oversample.views + 1
    rows = _rows(examples.train, tile_ids, drawn["view"].to_numpy(dtype=np.int64), views)
    every = _shown(examples.train, part, tile_ids, rows, prior)
    natural, val = _once(examples.train, part, prior), _once(examples.plain, examples.val, prior)
    plan = detection.plan(prior, params, _sides(examples.train, part.table["tile_id"].tolist()))
    fitted = []
    for number in range(params.train.members):
        own = members.as_member(params, number)
        goal, _ = box_objective.build(prior, own)
        of = examples.plain
        network = packing.build(plan, of.channels, of.strides, members.initial_seed(own.train.seed))
        weights = task_weights.find(own.detector.task_weights)
        together = Combined(network, weights.build(list(cast("Sequence[str]", network.KEYS)), weights.Params()))
        course = curriculum(every, natural, goal, own.train.epochs, members.deferred(own))
        compute = devices.pick(own.model.device, own.model.precision)
        found = loop.fit(together, course, val, own.train, compute, None, Unwatched(own.train.monitor))
        together.load_state_dict(found.weights)
        fitted.append(together.detector)
    return fitted


def find(
    detectors: Sequence[nn.Module],
    plain: Maps,
    part: Tiles,
    names: Sequence[str],
    batch_size: int,
    compute: Compute,
) -> pd.DataFrame:
    """Find the boxes of tiles.

    Args:
        detectors: The members of a model.
        plain: Maps of all tiles.
        part: The tiles.
        names: The c classes.
        batch_size: Tiles at a time.
        compute: Device and precision.

    Returns:
        The columns `scene_detections.IN_TILES`.
    """
    inputs = MapInputs(plain, _unchanged(plain, part))
    found = inference.find(detectors, inputs, batch_size, "none", compute)
    return found.table(part.table["tile_id"].tolist(), names)
