"""Training and validation examples of a detector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterpoise import tasks
from counterpoise.artifacts import tile_boxes
from counterpoise.artifacts.prior import BoxPrior
from counterpoise.artifacts.tiles import Tiles
from counterpoise.dataset.batch_samplers import Batches
from counterpoise.dataset.box_examples import CORNERS, Pasting, collect
from counterpoise.dataset.box_inputs import BoxInputs
from counterpoise.dataset.box_truth import Truth
from counterpoise.dataset.inputs import Chance
from counterpoise.training.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BoxExamples:
    """Pictures and their boxes.

    Attributes:
        inputs: n pictures.
        targets: int64 (n, c) in {0, 1}, the classes that each tile shows.
        sides: (m, 2) width and height of the boxes of these tiles, without ignored ones, in pixels of the input.
    """

    inputs: BoxInputs
    targets: Tensor
    sides: NDArray[np.float64]

    def batches(
        self, order: Batches, device: torch.device, chance: Chance | None = None
    ) -> Iterator[tuple[Tensor, list[Truth]]]:
        """Yield pictures (b, 3, h, w) and what each shows, on a device, augmented if `chance` is given."""
        for batch in self.inputs.batches(order, chance):
            yield batch.images.to(device, non_blocking=True), [truth.to(device) for truth in batch.truth]


def _pasting(part: Tiles, boxes: pd.DataFrame, prior: BoxPrior, params: Settings) -> Pasting | None:
    """Collect the objects that are pasted onto views of training tiles; `None` for none."""
    asked = params.oversample.copy_paste
    if not asked.frac:
        return None
    donors = collect(
        part,
        boxes,
        prior.classes,
        asked.classes,
        margin_px=asked.margin_px,
        min_visible=params.tile.min_visible,
        seed=params.seed,
    )
    return Pasting(donors, asked.frac, asked.objects)


def from_tiles(
    root: Path,
    split: str,
    part: Tiles,
    rows: NDArray[np.int64],
    views: NDArray[np.int64],
    prior: BoxPrior,
    params: Settings,
    multiple_px: int,
) -> BoxExamples:
    """Build examples from tiles with boxes.

    Args:
        root: The repository.
        split: Name of the split. Only `train` is augmented on the fly.
        part: Its tiles.
        rows: (n,) tile of each example.
        views: (n,) augmented view of each example; 0 for the unchanged tile.
        prior: Classes, and their boxes.
        params: All settings.
        multiple_px: Heights and widths of inputs are multiples of it.
    """
    boxes = tile_boxes.read(root, split)
    encoded = tasks.find(prior.task).encode(part.table["labels"].tolist(), prior.classes)
    inputs = BoxInputs(
        tiles=part,
        boxes={str(tile_id): own for tile_id, own in boxes.groupby("tile_id")},
        names=prior.classes,
        rows=rows,
        views=views,
        input_px=params.model.input_px,
        multiple_px=multiple_px,
        policy=params.oversample.policy,
        seed=params.seed,
        on_the_fly=params.train.augment if split == "train" else "none",
        backbone=params.model.backbone,
        min_visible=params.tile.min_visible,
        class_counts=np.array(prior.drawn_boxes),
        pasting=_pasting(part, boxes, prior, params) if split == "train" else None,
    )
    longest = (part.table["x1_px"] - part.table["x0_px"]).combine(part.table["y1_px"] - part.table["y0_px"], max)
    factor = dict(zip(part.table["tile_id"], params.model.input_px / longest, strict=True))
    objects = boxes[boxes["ignore"] == 0]
    corners = objects[CORNERS].to_numpy(dtype=np.float64)
    factors = np.array([factor[tile_id] for tile_id in objects["tile_id"]]).reshape(-1, 1)
    targets = torch.from_numpy(encoded[rows].astype(np.int64))
    return BoxExamples(inputs, targets, (corners[:, 2:] - corners[:, :2]) * factors)
