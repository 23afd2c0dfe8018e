"""Pictures of what training sees: the samples that training draws, and which tiles are shown."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterpoise import images
from counterpoise.artifacts import tile_boxes, tiles
from counterpoise.dataset import box_examples
from counterpoise.dataset.box_examples import Views
from counterpoise.dataset.box_inputs import BoxInputs
from counterpoise.report import training_samples
from counterpoise.report.training_samples import Lesson

NAMES, SIDE = ("car", "panel"), 48
ROWS: list[tuple[object, ...]] = [
    ("a", "x", 0, "car", 4.0, 6.0, 20.0, 22.0, 1.0, 0),
    ("a", "x", 1, "car", 30.0, 30.0, 44.0, 40.0, 1.0, 0),
    ("b", "x", 0, "panel", 10.0, 10.0, 20.0, 24.0, 1.0, 0),
    ("b", "x", 1, "car", 0.0, 40.0, 8.0, 48.0, 0.2, 1),
]
BOXES = pd.DataFrame(ROWS, columns=list(tile_boxes.COLUMNS))
DRAWS = pd.DataFrame({"tile_id": ["a", "b", "b", "b"], "view": [0, 0, 1, 2]})


def made(root: Path) -> tiles.Tiles:
    with tiles.writing(root, "train") as append:
        for number, name in enumerate("abc"):
            picture = np.random.default_rng(number).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
            append(tiles.Tile(name, "x", "", (0, 0, SIDE, SIDE), images.encode_png(picture)))
    return tiles.read(root, "train")


def lesson(again: str = "dihedral", epochs: tuple[int, ...] = (7, 6, 5), **changes: Any) -> Lesson:
    views = Views("standard", 3, 0.3, np.array([2, 1]), box_examples.Pasting([], 1.0, 1))
    given: dict[str, Any] = {
        "draws": DRAWS,
        "names": NAMES,
        "views": views,
        "again": again,
        "seed": 5,
        "epochs": epochs,
    }
    return Lesson(**(given | changes))


def test_they_are_the_pictures_and_boxes_that_training_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = made(tmp_path)
    shown: list[tuple[Any, Any]] = []
    monkeypatch.setattr(
        training_samples, "outlined", lambda picture, _, layers: shown.append((np.array(picture), layers))
    )
    found = training_samples.seen(train, BOXES, lesson())
    inputs = BoxInputs(
        tiles=train,
        boxes={str(name): own for name, own in BOXES.groupby("tile_id")},
        names=NAMES,
        rows=np.array([0, 1, 1, 1]),
        views=DRAWS["view"].to_numpy(),
        input_px=SIDE,
        multiple_px=16,
        policy="standard",
        seed=3,
        on_the_fly="dihedral",
        backbone="resnet18",
        min_visible=0.3,
        class_counts=np.array([2, 1]),
        pasting=box_examples.Pasting([], 1.0, 1),
    )
    order = [(1, None), (2, 7), (3, 7), (1, 7), (0, None), (0, 7), (0, 6), (0, 5)]
    assert len(shown) == len(order)
    for (picture, layers), (number, epoch) in zip(shown, order, strict=True):
        wanted, truth, _ = inputs.example(number, None if epoch is None else (5, epoch, 0))
        assert np.array_equal(picture, wanted), (number, epoch)
        for layer, boxes in zip(layers, (truth.ignored, truth.boxes), strict=True):
            np.testing.assert_allclose(layer.boxes, boxes.numpy(), atol=1e-4)
    assert [[one.words for one in row] for row in found] == [
        ["b, unchanged: panel 1", "epoch 8, view 1: panel 1", "epoch 8, view 2: panel 1", "epoch 8: panel 1"],
        ["a, unchanged: car 2", "epoch 8: car 2", "epoch 7: car 2", "epoch 6: car 2"],
    ]


def test_without_augmentation_again_no_picture_is_shown_twice(tmp_path: Path) -> None:
    rows = training_samples.seen(made(tmp_path), BOXES, lesson("none"))
    assert [len(row) for row in rows] == [4, 2]


def test_rare_classes_and_other_images_come_first() -> None:
    tile_ids = [f"{image}{number}" for image in "xyz" for number in range(3)]
    boxes = pd.DataFrame({"tile_id": tile_ids, "image_id": [name[0] for name in tile_ids], "label": "car", "ignore": 0})
    boxes = pd.concat([boxes, boxes[6:8].assign(label="panel"), boxes[:3].assign(label="roof", ignore=1)])
    every = pd.DataFrame({"tile_id": [*tile_ids, "x1"]})
    assert training_samples.choose(boxes, every) == ["z0", "x1", "z1", "y0"]
    assert training_samples.choose(boxes, every[:3]) == ["x0", "x1", "x2"]
    assert training_samples.choose(boxes[:0], every) == []
