"""Run the frozen part of the network once for every tile, and for every augmented view of train and val.

Reads `data/tiles/{train,val,test}` and, where `model.weights` names it, a file in `models/pretrained/`. Writes
`data/features/{train,val,test}/`. Features depend on neither the loss, the samples per epoch, nor the head, so all
losses and replicates share them. With `predict.tta`, the stage also computes the views of val and test. `index.json`
records whether the backbone is frozen and which library computed the features: ONNX Runtime (on a CPU in float32) or
PyTorch. Without a frozen backbone there are no features. A run that was killed goes on after its last batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.artifacts import features, splits, tiles
from counterpoise.config import Backbone, BatchSize, Section, Seed, Tta, Views
from counterpoise.stages import alone, run

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from counterpoise.dataset.inputs import TileInputs
    from counterpoise.networks.devices import Compute


class Embed(Section):
    """Section `embed`."""

    batch_size: BatchSize
    """Tiles that go through the backbone at a time, in 1..65,536."""


class Params(Section):
    """What this stage reads."""

    seed: Seed
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
    import pandas as pd

    drawn = pd.DataFrame(
        {"tile_id": np.repeat(tile_ids, views + 1), "view": np.tile(np.arange(views + 1), len(tile_ids))}
    )
    mirrored = [pd.DataFrame({"tile_id": tile_ids, "view": -number}) for number in range(1, averaged)]
    return pd.concat([drawn, *mirrored], ignore_index=True)


def main(root: Path, params: Params) -> None:
    """Compute and write the features of each split."""
    if params.model.freeze != "backbone":
        for split in splits.NAMES:
            features.write(root, split, None)
        return
    import torch

    from counterpoise.engine import unfinished
    from counterpoise.networks import backbones, devices, inference

    with alone(root, "embed"):
        compute = devices.pick(params.model.device, params.model.precision)
        backbone = backbones.build_backbone(params.model.backbone, params.model.weights, params.seed, params.model.pool)
        backbone.to(memory_format=torch.channels_last)
        frozen = inference.freeze(backbone, params.model.backbone, params.model.input_px, compute)
        for split in splits.NAMES:
            features.write(root, split, _embed(root, split, frozen, params, compute))
        unfinished.remove_all(root, "embed")


def _embed(root: Path, split: str, frozen: nn.Module, params: Params, compute: Compute) -> features.Features:
    """Compute the features of a split; the batches that an interrupted run has computed are kept."""
    from torch import nn

    from counterpoise.dataset.inputs import in_order
    from counterpoise.engine import unfinished
    from counterpoise.networks import inference, pretrained, tta

    part, runtime = tiles.read(root, split), inference.runtime(frozen)
    views = 0 if split == "test" else params.oversample.views
    turns = tta.VIEWS["none" if split == "train" else params.predict.tta]
    read = [root / tiles.path(split)]
    read += [] if params.model.weights in pretrained.KINDS else [root / pretrained.path(params.model.weights)]
    values = []
    for number, turn in enumerate(turns):
        inputs = _inputs(part, 0 if number else views, params)
        chosen = [params.model_dump(), split, number, compute, runtime]
        kept = unfinished.Rows(unfinished.place(root, "embed", chosen, read))
        batches = inputs.batches(in_order(len(inputs), params.embed.batch_size)[kept.batches :])
        for rows in inference.stream(
            nn.Sequential(tta.Turned(turn), frozen),
            batches,
            compute,
            total=len(inputs),
            done=kept.count,
            label=split if number else f"embed {split}",
        ):
            kept.append(rows.numpy())
        values.append(kept.read())
    return features.Features(index(part.table["tile_id"].tolist(), views, len(turns)), np.concatenate(values), runtime)


def _inputs(part: tiles.Tiles, views: int, params: Params) -> TileInputs:
    """Show every tile as view 0, 1, ..., `views`."""
    from counterpoise.dataset.inputs import TileInputs

    count = len(part.table)
    return TileInputs(
        tiles=part,
        rows=np.repeat(np.arange(count), views + 1),
        views=np.tile(np.arange(views + 1), count),
        input_px=params.model.input_px,
        policy=params.oversample.policy,
        seed=params.seed,
        on_the_fly="none",
        backbone=params.model.backbone,
    )


if __name__ == "__main__":
    run(main, Params)
