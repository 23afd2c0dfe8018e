"""Boxes for other programs, read back."""

import contextlib
import io
import json

import numpy as np
from pycocotools.coco import COCO
from tests.boxes.problems import coco, problem, random_boxes

from counterpoise.boxes import exports, geometry


def test_pycocotools_reads_the_results() -> None:
    detections, truth = problem(0)
    content, _ = coco(detections, truth)
    ids = [side.tolist() for side in (detections.image, detections.label)]
    results = json.loads(json.dumps(exports.coco_results(detections.boxes, detections.scores, *ids)))
    with contextlib.redirect_stdout(io.StringIO()):
        there = COCO()
        there.dataset = content
        there.createIndex()
        found = there.loadRes(results).dataset["annotations"]
    np.testing.assert_allclose([row["area"] for row in found], geometry.areas(detections.boxes))


def test_polygons_lie_where_the_transform_puts_the_corners_and_turn_against_the_clock() -> None:
    boxes = random_boxes(np.random.default_rng(0), 5)
    transform = (0.2, 0.0, 412_000.0, 0.0, -0.2, 5_650_000.0)
    found = exports.geojson(boxes, ["roof"] * 5, np.full(5, 0.5), transform, "EPSG:25832")
    assert found["crs"]["properties"]["name"] == "EPSG:25832"
    for box, feature in zip(boxes, found["features"], strict=True):
        ring = np.array(feature["geometry"]["coordinates"][0])
        back = (ring - [412_000.0, 5_650_000.0]) / [0.2, -0.2]
        np.testing.assert_allclose(np.concatenate([back.min(axis=0), back.max(axis=0)]), box, atol=1e-6)
        x, y = ring[:-1].T
        twice = x @ np.roll(y, -1) - y @ np.roll(x, -1)
        assert twice > 0
    assert "crs" not in exports.geojson(boxes[:0], [], np.zeros(0), transform, None)


def test_a_heat_map_keeps_the_sum_of_scores_and_takes_boxes_at_the_edge() -> None:
    rng = np.random.default_rng(0)
    boxes, scores = random_boxes(rng, 60), rng.random(60)
    grid = exports.heat_map(boxes, scores, 200, 150, 64)
    assert grid.shape == (3, 4)
    np.testing.assert_allclose(grid.sum(), scores.sum())
    assert exports.heat_map(boxes[:0], scores[:0], 10, 10, 4).sum() == 0
