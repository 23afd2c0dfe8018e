"""Run the frozen part of the network once for every tile, and for every augmented view of train and val.

Reads `data/tiles/{train,val,test}` and, where `model.weights` names it, a file in `models/pretrained/`. Writes
`data/features/{train,val,test}/`. Neither loss nor draws play a part, nor does the head, so that every loss and every
replicate shares the features. Where the backbone is trained, or a part of it, an index says so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import nn
from tqdm import tqdm

from counterpoise import loading, models
from counterpoise.artifacts import features, splits, tiles
from counterpoise.config import Backbone, Section, Views
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
    embed: Embed


def index(tile_ids: list[str], views: int) -> pd.DataFrame:
    """List what is computed: every tile as view 0, 1, ..., `views`, in this order."""
    return pd.DataFrame(
        {"tile_id": np.repeat(tile_ids, views + 1), "view": np.tile(np.arange(views + 1), len(tile_ids))}
    )


def compute(
    backbone: nn.Module, inputs: loading.Inputs, params: Params, label: str
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
    device = models.pick_device(params.model.device)
    precision = models.pick_precision(params.model.precision, device)
    backbone = backbone.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    order = loading.in_order(len(inputs), params.embed.batch_size)
    parts = []
    with torch.inference_mode(), tqdm(total=len(inputs), desc=label, unit="tile", delay=1, mininterval=1) as progress:
        for batch in inputs.batches(order, 0):
            with models.autocast(device, precision):
                parts.append(backbone(batch.to(device, non_blocking=True)).float().cpu())
            progress.update(len(batch))
    return torch.cat(parts).numpy()


def main(root: Path, params: Params) -> None:
    """Compute and write the features of each split."""
    if params.model.freeze != "backbone":
        for split in splits.NAMES:
            features.write(root, split, None)
        return
    backbone = models.build_backbone(params.model.backbone, params.model.weights, params.seed, params.model.pool)
    for split in splits.NAMES:
        part = tiles.read(root, split)
        views = 0 if split == "test" else params.oversample.views
        rows = index(part.table["tile_id"].tolist(), views)
        inputs = loading.TileInputs(
            tiles=part,
            rows=np.repeat(np.arange(len(part.table)), views + 1),
            views=rows["view"].to_numpy(),
            input_px=params.model.input_px,
            policy=params.oversample.policy,
            seed=params.seed,
            on_the_fly="none",
            backbone=params.model.backbone,
        )
        features.write(root, split, features.Features(rows, compute(backbone, inputs, params, f"embed {split}")))


if __name__ == "__main__":
    run(main, Params)
