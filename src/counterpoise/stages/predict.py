"""Compute the raw logits of every image of validation and test.

Reads `models/model/`, `data/clusters.csv`, and of val and test `data/tiles/` and `data/features/`. Writes
`results/predictions/{val,test}.parquet`. The members of a model, and the views
of a tile, are averaged; the tiles of one image are folded back into one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from torch import nn
from tqdm import tqdm

from counterpoise.artifacts import clusters, features, model, predictions, tiles
from counterpoise.config import PATH, InputError, Section, Tta
from counterpoise.dataset.inputs import FeatureInputs, Inputs, TileInputs, in_order
from counterpoise.networks import ensembling, tta
from counterpoise.networks.devices import autocast, pick_device, pick_precision
from counterpoise.networks.network import rebuild
from counterpoise.stages import run


class Predict(Tta):
    """Section `predict`."""

    model_config = ConfigDict(extra="forbid")

    fold: Literal["mean", "max"]
    """How the logits of an image follow from those of its tiles."""
    average: Literal["logits", "probabilities"]
    """How the members of a model, and the views of a tile, speak as one: by the mean of their logits, which leaves the
    prior ledger exact, or of their probabilities, with which it holds approximately."""
    batch_size: int = Field(ge=1)
    """Tiles that go through the network at a time."""


class Device(Section):
    """The part of section `model` that predicting needs; all else is said by the model itself."""

    model_config = ConfigDict(extra="ignore")

    device: Literal["auto", "cpu", "cuda", "mps"]
    """Where the network runs."""
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    """Arithmetic inside the network."""


class Params(Section):
    """What this stage reads."""

    model: Device
    predict: Predict


def apply(network: nn.Module, inputs: Inputs, params: Params, label: str = "predict") -> NDArray[np.float32]:
    """Compute the raw logits of every input.

    Args:
        network: From inputs to logits (n, c).
        inputs: n examples.
        params: Batch size, device and precision.
        label: What the progress bar says.

    Returns:
        float32 (n, c).
    """
    device = pick_device(params.model.device)
    precision = pick_precision(params.model.precision, device)
    network = network.eval().to(device)
    order = in_order(len(inputs), params.predict.batch_size)
    parts = []
    with torch.inference_mode(), tqdm(total=len(inputs), desc=label, unit="tile", delay=1, mininterval=1) as progress:
        for batch in inputs.batches(order):
            with autocast(device, precision):
                parts.append(network(batch.to(device, non_blocking=True)).float().cpu())
            progress.update(len(batch))
    return torch.cat(parts).numpy()


def fold(
    table: pd.DataFrame,
    logits: NDArray[np.float32],
    units: dict[str, str],
    classes: tuple[str, ...],
    how: str,
) -> predictions.Predictions:
    """Fold tiles back into images.

    Args:
        table: Index of n tiles.
        logits: (n, c).
        units: image_id -> what an interval must resample as a whole.
        classes: The c class names.
        how: `mean` or `max`, over the tiles of an image, class by class.

    Returns:
        One row per image, sorted by image_id, with the labels of its first tile: all its tiles have those of the image.
    """
    image_ids, image = np.unique(table["image_id"].to_numpy().astype(str), return_inverse=True)
    if how == "max":
        folded = np.full((len(image_ids), len(classes)), -np.inf, dtype=np.float32)
        np.maximum.at(folded, image, logits)
    else:
        total = np.zeros((len(image_ids), len(classes)), dtype=np.float64)
        np.add.at(total, image, logits)
        folded = (total / np.bincount(image)[:, None]).astype(np.float32)
    first = np.unique(image, return_index=True)[1]
    return predictions.Predictions(
        image_ids=tuple(image_ids.tolist()),
        groups=tuple(units[image_id] for image_id in image_ids),
        labels=tuple(table["labels"].iloc[first]),
        classes=classes,
        logits=folded,
    )


def logits_of(
    card: model.Card,
    members: Sequence[nn.Module],
    part: tiles.Tiles,
    frozen: features.Features | None,
    params: Params,
    label: str = "predict",
) -> NDArray[np.float32]:
    """Compute the raw logits of every tile, averaged over members and views.

    Args:
        card: What is said of the model.
        members: Its networks, from features or from images.
        part: n tiles.
        frozen: Their features, where the backbone is frozen; for `tta` also those of its views.
        params: What is averaged, and how.
        label: What the progress bar says.

    Returns:
        float32 (n, c).

    Raises:
        InputError: There are no features of the views.
    """
    how, views = params.predict.average, tta.VIEWS[params.predict.tta]
    if frozen is None:
        inputs = TileInputs(
            tiles=part,
            rows=np.arange(len(part.table)),
            views=np.zeros(len(part.table), dtype=np.int64),
            input_px=card.input_px,
            policy="none",
            seed=0,
            on_the_fly="none",
            backbone=card.backbone,
        )
        return apply(ensembling.Averaged(members, views, how, card.task), inputs, params, label)
    network, found = ensembling.Averaged(members, tta.VIEWS["none"], how, card.task), []
    for number in range(len(views)):
        rows = np.flatnonzero(frozen.index["view"].to_numpy() == -number)
        if len(rows) != len(part.table):
            raise InputError(
                f"{PATH}: predict.tta is {params.predict.tta!r}, but its views have no features; run `dvc repro`"
            )
        found.append(torch.from_numpy(apply(network, FeatureInputs(frozen.values, rows), params, label)))
    return ensembling.average(found, how, card.task).numpy()


def main(root: Path, params: Params) -> None:
    """Predict both splits."""
    card = model.read_card(root)
    members = [rebuild(card, model.read_weights(root, member)) for member in range(card.members)]
    units = clusters.units(root)
    for split in ("val", "test"):
        part = tiles.read(root, split)
        logits = logits_of(card, members, part, features.read(root, split), params, f"predict {split}")
        predictions.write(root, split, fold(part.table, logits, units, card.classes, params.predict.fold))


if __name__ == "__main__":
    run(main, Params)
