"""Run the frozen part of the network once for every tile, and for every augmented view of train and val.

Reads `data/tiles/{train,val,test}` and, where `model.weights` names it, a file in `models/pretrained/`. Writes
`data/features/{train,val,test}/`. Neither loss nor draws play a part, nor does the head, so that every loss and every
replicate shares the features. Where predictions are averaged over views (`predict.tta`), those of val and test are
computed too. Where the backbone is trained, or a part of it, an index says so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from counterpoise.artifacts import features, splits, tiles
from counterpoise.config import Backbone, Section, Tta, Views
from counterpoise.dataset.inputs import Inputs, TileInputs, in_order
from counterpoise.networks import backbones, devices, tta
from counterpoise.stages import run


class Embed(Section):
    """Section `embed`."""

    batch_size: int = Field(ge=1)
    """Tiles that go through the backbone at a time."""


class Params(Section):
    """What this stage reads."""

    seed: int = Field(ge=0)
    model: Backbone
    oversample: Views
    predict: Tta
    embed: Embed


def index(tile_ids: list[str], views: int, averaged: int = 1) -> pd.DataFrame:
    """List what is computed: of each tile the views 0, 1, ..., `views`; then view -1 of every tile, view -2, and so on.

    Args:
        tile_ids: n ids.
        views: Augmented views, which training draws.
        averaged: Views over which a prediction is averaged, the tile itself among them.
    """
    drawn = pd.DataFrame(
        {"tile_id": np.repeat(tile_ids, views + 1), "view": np.tile(np.arange(views + 1), len(tile_ids))}
    )
    mirrored = [pd.DataFrame({"tile_id": tile_ids, "view": -number}) for number in range(1, averaged)]
    return pd.concat([drawn, *mirrored], ignore_index=True)


def compute(
    backbone: nn.Module, inputs: Inputs, params: Params, label: str
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Compute the features of every input.

    Args:
        backbone: From images to pooled features (n, d).
        inputs: n examples.
        params: Batch size, device and precision.
        label: What the progress bar says.

    Returns:
        float32 (n, d).
    """
    device = devices.pick_device(params.model.device)
    precision = devices.pick_precision(params.model.precision, device)
    backbone = backbone.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    order = in_order(len(inputs), params.embed.batch_size)
    parts = []
    with torch.inference_mode(), tqdm(total=len(inputs), desc=label, unit="tile", delay=1, mininterval=1) as progress:
        for batch in inputs.batches(order):
            with devices.autocast(device, precision):
                parts.append(backbone(batch.to(device, non_blocking=True)).float().cpu())
            progress.update(len(batch))
    return torch.cat(parts).numpy()


def main(root: Path, params: Params) -> None:
    """Compute and write the features of each split."""
    if params.model.freeze != "backbone":
        for split in splits.NAMES:
            features.write(root, split, None)
        return
    backbone = backbones.build_backbone(params.model.backbone, params.model.weights, params.seed, params.model.pool)
    for split in splits.NAMES:
        part = tiles.read(root, split)
        views = 0 if split == "test" else params.oversample.views
        turns = tta.VIEWS["none" if split == "train" else params.predict.tta]
        rows = index(part.table["tile_id"].tolist(), views, len(turns))
        values = [_computed(backbone, part, views, params, f"embed {split}")]
        values += [_computed(nn.Sequential(_Turned(turn), backbone), part, 0, params, split) for turn in turns[1:]]
        features.write(root, split, features.Features(rows, np.concatenate(values)))


class _Turned(nn.Module):
    def __init__(self, turn: tta.View) -> None:
        super().__init__()
        self.turn = turn

    def forward(self, images: Tensor) -> Tensor:
        return self.turn(images)


def _computed(
    backbone: nn.Module, part: tiles.Tiles, views: int, params: Params, label: str
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Compute the features of every tile as view 0, 1, ..., `views`."""
    count = len(part.table)
    inputs = TileInputs(
        tiles=part,
        rows=np.repeat(np.arange(count), views + 1),
        views=np.tile(np.arange(views + 1), count),
        input_px=params.model.input_px,
        policy=params.oversample.policy,
        seed=params.seed,
        on_the_fly="none",
        backbone=params.model.backbone,
    )
    return compute(backbone, inputs, params, label)


if __name__ == "__main__":
    run(main, Params)
