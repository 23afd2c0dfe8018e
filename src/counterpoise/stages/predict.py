"""Compute the raw logits of every image of validation and test.

Reads `models/model/`, `data/clusters.csv`, and of val and test `data/tiles/` and `data/features/`. Writes
`results/predictions/{val,test}.parquet`. The tiles of one image are folded back into one row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from torch import nn
from tqdm import tqdm

from counterpoise import loading, models
from counterpoise.artifacts import clusters, features, model, predictions, tiles
from counterpoise.config import Section
from counterpoise.stages import run


class Predict(Section):
    """Section `predict`."""

    fold: Literal["mean", "max"]
    """How the logits of an image follow from those of its tiles."""
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


def apply(network: nn.Module, inputs: loading.Inputs, params: Params, label: str = "predict") -> NDArray[np.float32]:
    """Compute the raw logits of every input.

    Args:
        network: From inputs to logits (n, c).
        inputs: n examples.
        params: Batch size, device and precision.
        label: What the progress bar says.

    Returns:
        float32 (n, c).
    """
    device = models.pick_device(params.model.device)
    precision = models.pick_precision(params.model.precision, device)
    network = network.eval().to(device)
    order = loading.in_order(len(inputs), params.predict.batch_size)
    parts = []
    with torch.inference_mode(), tqdm(total=len(inputs), desc=label, unit="tile", delay=1, mininterval=1) as progress:
        for batch in inputs.batches(order, 0):
            with models.autocast(device, precision):
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


def _inputs(root: Path, split: str, card: model.Card) -> tuple[loading.Inputs, pd.DataFrame]:
    part = tiles.read(root, split)
    count = len(part.table)
    frozen = features.read(root, split)
    if frozen is not None:
        rows = np.flatnonzero(frozen.index["view"].to_numpy() == 0)
        return loading.FeatureInputs(frozen.values, rows), part.table
    inputs = loading.TileInputs(
        tiles=part,
        rows=np.arange(count),
        views=np.zeros(count, dtype=np.int64),
        input_px=card.input_px,
        policy="none",
        seed=0,
        on_the_fly="none",
        backbone=card.backbone,
    )
    return inputs, part.table


def main(root: Path, params: Params) -> None:
    """Predict both splits."""
    card = model.read_card(root)
    network = models.rebuild(card, model.read_weights(root))
    table = clusters.read(root)
    units = dict(zip(table["image_id"], table["unit"], strict=True))
    for split in ("val", "test"):
        inputs, index = _inputs(root, split, card)
        logits = apply(network, inputs, params, f"predict {split}")
        predictions.write(root, split, fold(index, logits, units, card.classes, params.predict.fold))


if __name__ == "__main__":
    run(main, Params)
