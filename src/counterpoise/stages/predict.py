"""Compute the raw logits of every image of validation and test.

Reads `models/model/`, `data/clusters.csv`, and of val and test `data/tiles/` and `data/features/`. Writes
`results/predictions/{val.parquet,test.parquet,predict.val.sums,predict.test.sums}`. The members of a model, and
the views of a tile, are averaged; the tiles of one image are folded back into one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from counterpoise.artifacts import clusters, features, model, predictions, tiles
from counterpoise.config import PATH, InputError, Section, Tta
from counterpoise.dataset import folding
from counterpoise.stages import run

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from counterpoise.networks.devices import Compute


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
    first = np.unique(image, return_index=True)[1]
    return predictions.Predictions(
        image_ids=tuple(image_ids.tolist()),
        groups=tuple(units[image_id] for image_id in image_ids),
        labels=tuple(table["labels"].iloc[first]),
        classes=classes,
        logits=folding.fold(logits, image, how),
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
        card: What is said of the model.
        members: Its networks, from features or from images.
        part: n tiles.
        stored: Their features, where the backbone is frozen; for `tta` also those of its views.
        params: Section `predict`: what is averaged, and how.
        compute: Device and precision.
        label: What the progress bar says; empty for no bar.

    Returns:
        float32 (n, c).

    Raises:
        InputError: There are no features of the views.
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
            raise InputError(f"{PATH}: predict.tta is {params.tta!r}, but its views have no features; run `dvc repro`")
        own = infer(network, FeatureInputs(stored.values, rows), params.batch_size, compute, label)
        logits.append(torch.from_numpy(own))
    return ensembling.average(logits, params.average, card.task).numpy()


def main(root: Path, params: Params) -> None:
    """Predict both splits."""
    from counterpoise.networks import devices  # imports torch; `check` does without
    from counterpoise.networks.network import rebuild

    card = model.read_card(root)
    members = [rebuild(card, model.read_weights(root, member)) for member in range(card.members)]
    compute = devices.pick(params.model.device, params.model.precision)
    for split in ("val", "test"):
        part = tiles.read(root, split)
        stored, units = features.read(root, split, part), clusters.units(root, part)
        logits = logits_of(card, members, part, stored, params.predict, compute, f"predict {split}")
        predictions.write(root, split, fold(part.table, logits, units, card.classes, params.predict.fold))


if __name__ == "__main__":
    run(main, Params)
