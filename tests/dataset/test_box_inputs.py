"""Batches of tiles with boxes: sizes, padding, truth in pixels of the input, and the same in every process."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from counterpoise import images
from counterpoise.artifacts import tile_boxes, tiles
from counterpoise.dataset import box_inputs
from counterpoise.dataset.box_inputs import BoxInputs
from counterpoise.dataset.inputs import Chance
from counterpoise.storage import ArtifactError

NAMES = ("car", "panel")
ROWS: list[tuple[object, ...]] = [
    ("a", "a", 0, "panel", 10.0, 20.0, 30.0, 40.0, 1.0, 0),
    ("a", "a", 1, "", 0.0, 0.0, 10.0, 10.0, 1.0, 1),
    ("a", "a", 2, "car", 50.0, 0.0, 50.4, 30.0, 1.0, 0),
    ("b", "b", 0, "car", 0.0, 0.0, 8.0, 8.0, 0.2, 1),
]


def inputs(root: Path, **changes: Any) -> BoxInputs:
    with tiles.writing(root, "train") as append:
        for name, width, height in (("a", 80, 60), ("b", 40, 40), ("c", 20, 64)):
            picture = np.random.default_rng(len(name) + width).integers(0, 255, (height, width, 3), dtype=np.uint8)
            append(tiles.Tile(name, name, "", (0, 0, width, height), images.encode_png(picture)))
    boxes = pd.DataFrame(ROWS, columns=list(tile_boxes.COLUMNS))
    settings: dict[str, Any] = {
        "tiles": tiles.read(root, "train"),
        "boxes": dict(iter(boxes.groupby("tile_id"))),
        "names": NAMES,
        "rows": np.arange(3),
        "views": np.zeros(3, dtype=np.int64),
        "input_px": 160,
        "multiple_px": 32,
        "policy": "none",
        "seed": 0,
        "on_the_fly": "none",
        "backbone": "resnet18",
        "min_visible": 0.3,
        "class_counts": np.array([9, 1]),
    }
    return BoxInputs(**(settings | changes))


def test_tiles_keep_their_shape_and_batches_are_as_large_as_their_largest(tmp_path: Path) -> None:
    first, second = inputs(tmp_path).batches([np.array([0]), np.array([0, 2])])
    assert first.images.shape == (1, 3, 128, 160)
    assert second.images.shape == (2, 3, 160, 160)
    assert second.factors.tolist() == [2.0, 2.5]
    assert (second.images[1, :, :, 50:] == 0).all(), "what is beside a picture is the mean colour"
    assert second.images[0, :, :120].std() > 0.5


def test_boxes_are_in_pixels_of_the_input_and_what_is_ignored_or_too_thin_is_a_place(tmp_path: Path) -> None:
    (batch,) = inputs(tmp_path).batches([np.array([0, 1, 2])])
    assert batch.truth[0].boxes.tolist() == [[20.0, 40.0, 60.0, 80.0]]
    assert batch.truth[0].labels.tolist() == [1]
    assert batch.truth[0].ignored.tolist() == [[0.0, 0.0, 20.0, 20.0], pytest.approx([100.0, 0.0, 100.8, 60.0])]
    assert batch.truth[1].ignored.tolist() == [[0.0, 0.0, 32.0, 32.0]]
    assert not len(batch.truth[2].boxes)
    assert not len(batch.truth[2].ignored)


def test_augmentation_depends_on_seed_epoch_and_tile_alone(tmp_path: Path) -> None:
    asked = inputs(tmp_path, on_the_fly="flips")
    order = [np.array([0, 1, 2])]

    def shown(epoch: int) -> list[torch.Tensor]:
        (batch,) = asked.batches(order, Chance(0, epoch, [np.zeros(3, dtype=np.int64)]))
        return [batch.images, *(own.boxes for own in batch.truth)]

    first = shown(0)
    assert all(one.equal(other) for one, other in zip(first, shown(0), strict=True))
    assert any(not first[0].equal(shown(epoch)[0]) for epoch in range(1, 5))
    (plain,) = asked.batches(order)
    assert plain.truth[0].boxes.tolist() == [[20.0, 40.0, 60.0, 80.0]]


def test_unchanged_tiles_have_no_boxes(tmp_path: Path) -> None:
    part = inputs(tmp_path).tiles
    asked = box_inputs.unchanged(part, NAMES, 160, 32, "resnet18")
    (batch,) = asked.batches([np.array([2, 0])])
    assert [len(own.boxes) + len(own.ignored) for own in batch.truth] == [0, 0]
    assert len(asked) == 3


def test_a_damaged_tile_is_named(tmp_path: Path) -> None:
    asked = inputs(tmp_path)
    shard = next(asked.tiles.folder.glob("*.tar"))
    shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(ArtifactError, match="tile 'a'"):
        list(asked.batches([np.array([0])]))
