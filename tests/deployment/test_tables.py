"""Every format, read back by the library that people read it with."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from counterpoise.config import InputError
from counterpoise.deployment import tables

CLASSES = ("rust", "moss")
ROWS: list[dict[str, Any]] = [
    {"image": "a, b.png", "decided": ["moss", "rust"], "probs": {"moss": 0.75, "rust": 0.5}},
    {"image": "\udcff.png", "decided": [], "probs": {"rust": 0.125, "moss": 0.25}},
    {"image": "c.png", "error": "c.png: not an image"},
]
TRANSFORM = [10.0, 0.0, 500.0, 0.0, -10.0, 900.0]
BOX = {"label": "moss", "box": [0.0, 0.0, 2.0, 1.0], "prob": 0.5, "decided": True}
BOXES: list[dict[str, Any]] = [
    {"image": "broken.tif", "error": "broken.tif: not an image"},
    {
        "image": "a.tif",
        "boxes": [BOX, {**BOX, "label": "rust", "decided": False}],
        "crs": "EPSG:25832",
        "transform": TRANSFORM,
    },
    {"image": "empty.tif", "boxes": [], "crs": "EPSG:25832", "transform": TRANSFORM},
]


def text(form: str, rows: list[dict[str, Any]], *, boxes: bool) -> str:
    return "".join(tables.text(form, iter(rows), CLASSES, boxes=boxes))


def test_csv_has_a_line_for_each_image_and_a_column_for_each_class() -> None:
    found = list(csv.DictReader(io.StringIO(text("csv", ROWS, boxes=False))))
    assert [row["image"] for row in found] == ["a, b.png", "\\udcff.png", "c.png"]
    assert [row["decided"] for row in found] == ["moss|rust", "", ""]
    assert [row["prob_rust"] for row in found] == ["0.5", "0.125", ""]
    assert found[2]["error"] == "c.png: not an image"


def test_csv_of_boxes_has_a_line_for_each_box_and_one_for_an_image_without() -> None:
    found = list(csv.DictReader(io.StringIO(text("csv", BOXES, boxes=True))))
    assert [(row["image"], row["label"], row["decided"]) for row in found] == [
        ("broken.tif", "", ""),
        ("a.tif", "moss", "true"),
        ("a.tif", "rust", "false"),
        ("empty.tif", "", ""),
    ]
    assert [row["x1"] for row in found] == ["", "2.0", "2.0", ""]


@pytest.mark.parametrize("at_once", [1, 2, 10_000])
def test_parquet_has_the_same_rows_whatever_its_groups(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "AT_ONCE", at_once)

    def rows() -> Iterator[dict[str, Any]]:
        return iter(ROWS)

    tables.write("parquet", tmp_path / "a.parquet", rows, CLASSES, boxes=False)
    found = pd.read_parquet(tmp_path / "a.parquet")
    assert list(found.columns) == ["image", "decided", "prob_rust", "prob_moss", "error"]
    assert list(found["decided"][0]) == ["moss", "rust"]
    assert found["prob_moss"].tolist()[:2] == [0.75, 0.25]
    assert found["error"].isna().tolist() == [True, True, False]
    tables.write("parquet", tmp_path / "b.parquet", lambda: iter(BOXES), CLASSES, boxes=True)
    found = pd.read_parquet(tmp_path / "b.parquet")
    assert found["decided"].tolist() == [None, True, False, None]
    assert found["x1"].dropna().tolist() == [2.0, 2.0]


def test_lines_of_json_return_the_rows() -> None:
    for rows, boxes in ((ROWS, False), (BOXES, True)):
        assert [json.loads(line) for line in text("jsonl", rows, boxes=boxes).splitlines()] == rows


def test_geojson_has_the_boxes_decided_for_and_a_feature_without_a_place_for_a_broken_image() -> None:
    found = json.loads(text("geojson", BOXES, boxes=True))
    assert found["type"] == "FeatureCollection"
    assert found["crs"]["properties"]["name"] == "EPSG:25832"
    broken, box = found["features"]
    assert broken["geometry"] is None
    assert broken["properties"]["error"] == "broken.tif: not an image"
    assert box["properties"] == {"label": "moss", "score": 0.5, "image": "a.tif"}
    assert box["geometry"]["coordinates"][0][0] == [500.0, 890.0]
    assert json.loads(text("geojson", BOXES[:1], boxes=True))["features"][0]["geometry"] is None


def test_results_of_coco_count_classes_from_1() -> None:
    found = json.loads(text("coco", BOXES, boxes=True))
    assert [(row["image_id"], row["category_id"], row["bbox"]) for row in found] == [
        ("a.tif", 2, [0.0, 0.0, 2.0, 1.0]),
        ("a.tif", 1, [0.0, 0.0, 2.0, 1.0]),
    ]
    assert json.loads(text("coco", BOXES[:1], boxes=True)) == []


def test_images_without_a_position_or_in_two_systems_are_refused_at_once() -> None:
    positions = tables.Positions()
    for row in BOXES:
        positions.check(row)
    with pytest.raises(InputError, match=r"lies in the reference system EPSG:4326, images before it in EPSG:25832"):
        positions.check({**BOXES[1], "crs": "EPSG:4326"})
    with pytest.raises(InputError, match="states no position on the earth"):
        positions.check({**BOXES[1], "crs": None})
