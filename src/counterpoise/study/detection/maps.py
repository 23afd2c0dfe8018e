"""`study/maps/<key>/`: the maps of the pretrained backbone before the neck, and what each picture shows.

They are computed once for each tile and view, in float32, and kept in float16. The key is a hash of all that decides
them, so that all arms and folds with the same tiles and views share them. Nothing of them is part of the result, and
the folder may be deleted at any time. Only tiles of train and validation are read; those of test after the verdicts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from counterpoise import storage
from counterpoise.config import InputError
from counterpoise.dataset.box_inputs import Batch, BoxInputs
from counterpoise.dataset.box_truth import Truth
from counterpoise.dataset.inputs import in_order
from counterpoise.detection import backbone
from counterpoise.networks import devices
from counterpoise.study import keys
from counterpoise.study.detection import packing

if TYPE_CHECKING:
    import pandas as pd

    from counterpoise.dataset.inputs import Indices

FOLDER = "study/maps"
SUMS = "maps.sums"
INDEX = {
    "tile_id": str,
    "view": int,  # 0 = the unchanged tile
    "factor": float,  # pixels of the network's input per pixel of the tile
}
SHOWN = {
    "row": int,  # of the index
    "label": int,  # number of the class; -1 for a place that is neither an object nor background
    "x0_px": float,  # in pixels of the network's input
    "y0_px": float,
    "x1_px": float,
    "y1_px": float,
}
BATCH = 16
"""Pictures that go through the backbone at a time."""


@dataclass(frozen=True)
class Maps:
    """Stored maps of n pictures.

    Attributes:
        index: (n,) the columns `INDEX`.
        shown: The columns `SHOWN`.
        values: float16 (n, size), mapped into memory.
        side: Height and width of the pictures in pixels.
        channels: Of each map, finest first.
        strides: In pixels.
    """

    index: pd.DataFrame
    shown: pd.DataFrame
    values: NDArray[np.float16]
    side: tuple[int, int]
    channels: tuple[int, ...]
    strides: tuple[int, ...]


def path(root: Path, decides: object) -> Path:
    """Name the folder of maps after all that decides them."""
    return root / FOLDER / keys.digest(decides)


def compute(
    folder: Path, inputs: BoxInputs, model: Mapping[str, Any], levels: Sequence[int], seed: int, label: str
) -> None:
    """Compute and write the maps of pictures, with progress.

    Args:
        folder: To write to, below `FOLDER`.
        inputs: The n pictures; not augmented beyond their views.
        model: Section `model`.
        levels: Which maps of the backbone.
        seed: Of a backbone without pretrained weights.
        label: Of the progress bar.

    Raises:
        InputError: The backbone has no such maps, or gives values that float16 does not hold.
    """
    import pandas as pd

    device = devices.pick(model["device"], "float32")
    body = backbone.build(model["backbone"], model["weights"], seed, levels, freeze_first=0, freeze_norms=True)
    channels, strides = backbone.outline(body, model["backbone"], levels)
    body.eval().to(device.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    order, shown, factors = in_order(len(inputs), BATCH), [], []
    side = _side(inputs)
    with storage.replacing(folder, folder=True, sums=folder / SUMS) as temporary:
        shape = (len(inputs), packing.size(channels, strides, side))
        values = np.lib.format.open_memmap(temporary / "maps.npy", mode="w+", dtype=np.float16, shape=shape)
        with tqdm(total=len(inputs), unit="tile", desc=label, file=sys.stderr, delay=1, mininterval=1) as bar:
            for numbers, batch in zip(order, inputs.batches(order), strict=True):
                values[numbers] = _of_batch(body, batch, side, device)
                shown += [row for number, own in zip(numbers, batch.truth, strict=True) for row in _rows(number, own)]
                factors += batch.factors.tolist()
                bar.update(len(numbers))
        values.flush()
        del values
        tile_ids = inputs.tiles.table["tile_id"].to_numpy()[inputs.rows]
        index = pd.DataFrame({"tile_id": tile_ids, "view": inputs.views, "factor": factors})
        storage.write_table(temporary / "index.csv", index, INDEX)
        storage.write_table(temporary / "shown.csv", pd.DataFrame(shown, columns=list(SHOWN)), SHOWN)
        storage.write_json(temporary / "maps.json", {"side": side, "channels": channels, "strides": strides})


def _side(inputs: BoxInputs) -> tuple[int, int]:
    """Find the height and the width that hold every picture."""
    table = inputs.tiles.table
    height, width = table["y1_px"] - table["y0_px"], table["x1_px"] - table["x0_px"]
    factor = inputs.input_px / height.combine(width, max)
    rows, columns = (int((own * factor).round().max()) for own in (height, width))
    multiple = inputs.multiple_px
    return -(-rows // multiple) * multiple, -(-columns // multiple) * multiple


def _of_batch(body: torch.nn.Module, batch: Batch, side: tuple[int, int], device: devices.Compute) -> Any:  # noqa: ANN401
    """Compute the maps of a batch, float16 (b, size)."""
    height, width = batch.images.shape[-2:]
    images = functional.pad(batch.images, (0, side[1] - width, 0, side[0] - height))  # 0 is the mean colour
    with torch.inference_mode():
        maps = body(images.to(device.device))
    flat = torch.cat([level.float().flatten(1) for level in maps.values()], dim=1).cpu().numpy().astype(np.float16)
    if not np.isfinite(flat).all():
        raise InputError("maps of the backbone are too large for float16; choose another model.backbone")
    return flat


def _rows(number: int, truth: Truth) -> Iterator[tuple[float, ...]]:
    for label, box in zip(truth.labels.tolist(), truth.boxes.tolist(), strict=True):
        yield (int(number), label, *box)
    for box in truth.ignored.tolist():
        yield (int(number), -1, *box)


@cache
def read(folder: Path) -> Maps:
    """Map maps into memory, once in a process.

    Raises:
        ArtifactError: A file is missing or damaged.
    """
    sums = folder / SUMS
    index = storage.read_table(folder / "index.csv", INDEX, sums)
    shown = storage.read_table(folder / "shown.csv", SHOWN, sums)
    layout = storage.read_json(folder / "maps.json", sums)
    values = np.load(storage.verified(folder / "maps.npy", sums), mmap_mode="r", allow_pickle=False)
    height, width = layout["side"]
    return Maps(index, shown, values, (height, width), tuple(layout["channels"]), tuple(layout["strides"]))


def is_whole(folder: Path) -> bool:
    """Say whether maps are there and undamaged."""
    try:
        read(folder)
    except (storage.ArtifactError, OSError, ValueError):
        return False
    return True


class MapInputs:
    """Stored maps of examples, in the place of pictures.

    Attributes:
        rows: (n, v) row of each example in each of its views; an epoch takes the next one.
    """

    def __init__(self, maps: Maps, rows: Indices) -> None:
        self.maps, self.rows = maps, rows
        places = maps.shown.groupby("row").indices
        corners = maps.shown[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy(dtype=np.float32)
        labels = maps.shown["label"].to_numpy(dtype=np.int64)
        none = np.zeros(0, dtype=np.int64)
        self._truth = {
            int(row): _truth(corners[places.get(row, none)], labels[places.get(row, none)]) for row in np.unique(rows)
        }
        self._factors = maps.index["factor"].to_numpy(dtype=np.float64)

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.rows)

    def batches(self, order: Sequence[Indices], epoch: int = 0) -> Iterator[Batch]:
        """Yield the maps of each batch of example numbers, packed as `packing.pack` does."""
        for numbers in order:
            rows = self.rows[numbers, epoch % self.rows.shape[1]]
            values = torch.from_numpy(self.maps.values[rows].astype(np.float32))
            truth = [self._truth[row] for row in rows.tolist()]
            yield Batch(packing.pack(values, self.maps.side), truth, torch.from_numpy(self._factors[rows]))


def _truth(corners: NDArray[np.float32], labels: NDArray[np.int64]) -> Truth:
    objects = labels >= 0
    boxes: tuple[Tensor, Tensor] = torch.from_numpy(corners[objects]), torch.from_numpy(corners[~objects])
    return Truth(boxes[0], torch.from_numpy(labels[objects]), boxes[1])
