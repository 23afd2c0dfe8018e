"""Run the frozen part of the network once for every view of every tile, those of `predict.tta` among them.

Reads `data/tiles/{train,val,test}` and, where `model.weights` names it, a file in `models/pretrained/`. Writes
`data/features/{train,val,test}/`. Features depend on neither the loss, the samples per epoch, nor the head, so all
losses and replicates share them. All splits have the same views, since a study makes splits of its own.
`index.json` records whether the backbone is frozen and which library computed the features: ONNX Runtime (on a CPU in
float32) or PyTorch. Without a frozen backbone there are no features. A run that was killed goes on after its last
batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from counterpoise.artifacts import features, splits, tiles
from counterpoise.config import Backbone, BatchSize, Section, Seed, Tta, Views
from counterpoise.stages import alone, run

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from counterpoise.dataset.inputs import TileInputs
    from counterpoise.dataset.portions import Batches
    from counterpoise.networks.devices import Compute

PORTION = 4
"""Batches that are a task where the stage runs on several machines."""


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


class Frozen:
    """The frozen part of the network. It is built where it is first used, and stays there when this is pickled.

    Attributes:
        agreed: Device and precision that another process chose, which must be those of all.
    """

    def __init__(self, params: Params) -> None:
        self.params = params
        self.agreed: Compute | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"params": self.params, "agreed": self.agreed}

    @cached_property
    def compute(self) -> Compute:
        """Device and precision."""
        from counterpoise.networks import devices

        return devices.pick(self.params.model.device, self.params.model.precision, self.agreed)

    @cached_property
    def network(self) -> nn.Module:
        """From images to features."""
        import torch

        from counterpoise.networks import backbones, inference

        given = self.params.model
        backbone = backbones.build_backbone(given.backbone, given.weights, self.params.seed, given.pool)
        backbone.to(memory_format=torch.channels_last)
        return inference.freeze(backbone, given.backbone, given.input_px, self.compute)

    def described(self, work: Sequence[None]) -> Iterator[tuple[Compute, str]]:
        """Yield, for each entry, on what the network computes: device and precision, and the library that runs it."""
        from counterpoise.networks import inference

        for _ in work:
            yield self.compute, inference.runtime(self.network)

    def rows(self, work: Batches) -> Iterator[NDArray[np.float32]]:
        """Yield the features of each batch."""
        from torch import nn

        from counterpoise.networks import inference, tta

        turn = tta.VIEWS[self.params.predict.tta][work.turn]
        for rows in inference.stream(nn.Sequential(tta.Turned(turn), self.network), work.decoded(), self.compute):
            yield rows.numpy()


def main(root: Path, params: Params) -> None:
    """Compute and write the features of each split."""
    if params.model.freeze != "backbone":
        for split in splits.NAMES:
            features.write(root, split, None)
        return
    from counterpoise.engine import unfinished
    from counterpoise.engine.spread import spread
    from counterpoise.networks import pretrained

    with alone(root, "embed"):
        frozen, on_gpu = Frozen(params), params.model.device in ("auto", "cuda")
        weights = root / pretrained.path(params.model.weights)
        (where,) = spread(root, frozen.described, portion=1, reads=lambda _: [weights], on_gpu=on_gpu)([None])
        frozen.agreed = where[0]

        def reads(work: Batches) -> list[Path]:
            return [weights, *work.inputs.tiles.shards]

        rows = spread(root, frozen.rows, portion=PORTION, reads=reads, on_gpu=on_gpu)
        for split in splits.NAMES:
            features.write(root, split, _embed(root, split, rows, params, where))
        unfinished.remove_all(root, "embed")


def _embed(
    root: Path,
    split: str,
    rows: Callable[[Batches], Iterator[NDArray[np.float32]]],
    params: Params,
    where: tuple[Compute, str],
) -> features.Features:
    """Compute the features of a split; the batches that an interrupted run has computed are kept."""
    from counterpoise.dataset.inputs import in_order
    from counterpoise.dataset.portions import Batches
    from counterpoise.engine import unfinished
    from counterpoise.networks import pretrained, tta

    part = tiles.read(root, split)
    views, turns = params.oversample.views, tta.VIEWS[params.predict.tta]
    read = [root / tiles.path(split)]
    read += [] if params.model.weights in pretrained.KINDS else [root / pretrained.path(params.model.weights)]
    values = []
    for number in range(len(turns)):
        inputs = _inputs(part, 0 if number else views, params)
        kept = unfinished.Rows(unfinished.place(root, "embed", [params.model_dump(), split, number, *where], read))
        order = in_order(len(inputs), params.embed.batch_size)[kept.batches :]
        label = split if number else f"embed {split}"
        with tqdm(total=len(inputs), initial=kept.count, desc=label, unit="tile", delay=1, mininterval=1) as progress:
            for computed in rows(Batches(inputs, order, number)):
                kept.append(computed)
                progress.update(len(computed))
        values.append(kept.read())
    whole = values[0] if len(values) == 1 else np.concatenate(values)
    return features.Features(index(part.table["tile_id"].tolist(), views, len(turns)), whole, where[1])


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
