"""Boxes of tiles back in their scenes: exact places, one box per object, and the truth put together again."""

import numpy as np
import pandas as pd
import pytest

from counterpoise.artifacts import tile_boxes
from counterpoise.boxes.scenes import Merging
from counterpoise.dataset import scene_detections
from counterpoise.dataset.scene_detections import TileBoxes

NAMES = ("car", "panel")
HOW = Merging("nms", "iou", 0.5, 2.0, 0.01)
TABLE = pd.DataFrame(
    {
        "tile_id": ["s@0,0", "s@60,0", "t"],
        "image_id": ["s", "s", "t"],
        "x0_px": [0, 60, 0],
        "y0_px": [0, 0, 0],
        "x1_px": [100, 160, 50],
        "y1_px": [100, 100, 40],
    }
)


def found(*rows: tuple[int, int, float, list[float]]) -> pd.DataFrame:
    tile, label, scores, boxes = zip(*rows, strict=True)
    own = TileBoxes(np.array(boxes), np.array(scores), np.array(label), np.array(tile))
    return scene_detections.found_in_scenes(TABLE, own, NAMES, HOW)


def test_boxes_move_with_their_tile_and_one_object_of_two_tiles_is_one_box() -> None:
    table = found((0, 1, 0.9, [70.0, 10, 90, 30]), (1, 1, 0.8, [10.0, 10, 30, 30]), (2, 0, 0.5, [1.0, 2, 3, 4]))
    assert table["image_id"].tolist() == ["s", "t"]
    assert table["label"].tolist() == ["panel", "car"]
    assert table.iloc[0][["x0_px", "y0_px", "x1_px", "y1_px"]].tolist() == [70, 10, 90, 30]
    assert table["logit"].tolist() == pytest.approx([np.log(9), 0.0], rel=1e-5)


def test_what_one_tile_cuts_off_and_another_has_whole_is_left_out() -> None:
    table = found((0, 1, 0.9, [80.0, 10, 100, 30]), (1, 1, 0.6, [20.0, 10, 55, 30]))
    assert table["x1_px"].tolist() == [115]


def test_a_score_of_one_has_a_finite_logit_and_a_scene_without_boxes_no_row() -> None:
    table = found((2, 0, 1.0, [1.0, 2, 3, 4]))
    assert np.isfinite(table["logit"]).all()
    assert table["image_id"].tolist() == ["t"]


def test_the_truth_is_the_hull_of_what_tiles_show_and_ignored_where_all_ignore_it() -> None:
    boxes = pd.DataFrame(
        [
            ("s@0,0", "s", 0, "panel", 80.0, 10.0, 100.0, 30.0, 0.5, 0),
            ("s@60,0", "s", 0, "panel", 20.0, 10.0, 60.0, 30.0, 1.0, 0),
            ("s@0,0", "s", 1, "car", 95.0, 50.0, 100.0, 60.0, 0.1, 1),
            ("s@60,0", "s", 1, "car", 35.0, 50.0, 90.0, 60.0, 1.0, 0),
            ("t", "t", 4, "", 0.0, 0.0, 9.0, 9.0, 1.0, 1),
        ],
        columns=list(tile_boxes.COLUMNS),
    )
    there = scene_detections.there_in_scenes(TABLE, boxes, {"s": "one", "t": "two"})
    assert there["box"].tolist() == [0, 1, 4]
    assert there[["x0_px", "x1_px"]].to_numpy().tolist() == [[80, 120], [95, 150], [0, 9]]
    assert there["ignore"].tolist() == [0, 0, 1]
    assert there["group"].tolist() == ["one", "one", "two"]


def test_an_image_has_the_highest_logit_of_each_class_or_that_of_the_lowest_score() -> None:
    table = pd.DataFrame({"image_id": ["a", "a", "b"], "label": ["car", "car", "panel"], "logit": [1.0, 2.0, -1.0]})
    logits = scene_detections.image_logits(table, ["a", "b", "c"], NAMES, 0.01)
    least = np.log(0.01 / 0.99)
    assert logits == pytest.approx(np.array([[2.0, least], [least, -1.0], [least, least]]), rel=1e-6)
