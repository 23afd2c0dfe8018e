from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.boxes.scenes import Merging, scene_boxes

HOW = Merging("nms", "iou", 0.5, 2, 0.01)
WINDOWS = np.array([[0, 0, 100.0, 100], [60, 0, 160, 100]])
SCENE = (160.0, 100.0)


def seen(thing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each window shows of a box, in its pixels, and which window."""
    boxes, tiles = [], []
    for number, window in enumerate(WINDOWS):
        part = np.concatenate([np.maximum(thing[:2], window[:2]), np.minimum(thing[2:], window[2:])])
        if (part[2:] > part[:2]).all():
            boxes.append(part - np.tile(window[:2], 2))
            tiles.append(number)
    return np.array(boxes), np.array(tiles)


def test_a_box_whole_in_a_neighbour_wins_over_a_cut_one_with_a_higher_score() -> None:
    boxes, tile = seen(np.array([70.0, 10, 110, 30]))
    found = scene_boxes(
        boxes, np.array([0.9, 0.4]), np.zeros(2, dtype=np.int64), tile, windows=WINDOWS, scene=SCENE, how=HOW
    )
    assert found.boxes.tolist() == [[70, 10, 110, 30]]
    assert found.scores.tolist() == [0.4]


def test_cut_boxes_count_less_by_a_factor_before_they_are_merged() -> None:
    """Tile 0 sees 30 of 40 px, at 0.9; tile 1 all of them, at 0.4: an IoU of 0.75."""
    boxes, tile = seen(np.array([70.0, 10, 110, 30]))
    for factor, expected in ((0.0, [0.4]), (0.4, [0.4]), (0.5, [0.45]), (1.0, [0.9])):
        how = replace(HOW, edge_factor=factor)
        found = scene_boxes(
            boxes, np.array([0.9, 0.4]), np.zeros(2, dtype=np.int64), tile, windows=WINDOWS, scene=SCENE, how=how
        )
        assert found.scores.tolist() == pytest.approx(expected)


def test_a_box_at_the_edge_of_the_scene_stays() -> None:
    boxes, tile = seen(np.array([0.0, 0, 20, 30]))
    one = np.zeros(1, dtype=np.int64)
    found = scene_boxes(boxes, np.array([0.9]), one, tile, windows=WINDOWS, scene=SCENE, how=HOW)
    assert found.boxes.tolist() == [[0, 0, 20, 30]]


def test_an_object_that_no_tile_shows_whole_stays_in_parts_that_nmm_joins() -> None:
    boxes, tile = seen(np.array([30.0, 10, 130, 30]))
    arguments = boxes, np.array([0.9, 0.8]), np.zeros(2, dtype=np.int64), tile
    apart = scene_boxes(*arguments, windows=WINDOWS, scene=SCENE, how=HOW)
    assert len(apart.boxes) == 2
    joined = scene_boxes(*arguments, windows=WINDOWS, scene=SCENE, how=replace(HOW, method="nmm", match="ios"))
    assert joined.boxes.tolist() == [[30, 10, 130, 30]]  # they share 40 of 70 px: 0.57 of the smaller one


@pytest.mark.parametrize("method", ["nms", "soft_nms_linear", "soft_nms_gaussian", "wbf", "nmm"])
def test_scores_below_the_least_are_left_out_by_each_method(method: str) -> None:
    boxes = np.array([[10.0, 10, 30, 30], [40, 40, 55, 55]])
    how = replace(HOW, method=method, min_score=0.3)  # type: ignore[arg-type]
    two = np.zeros(2, dtype=np.int64)
    found = scene_boxes(boxes, np.array([0.5, 0.2]), two, two, windows=WINDOWS, scene=SCENE, how=how)
    assert found.boxes.tolist() == [[10, 10, 30, 30]]


def test_nothing_found_stays_nothing() -> None:
    none = np.empty(0, dtype=np.int64)
    found = scene_boxes(np.empty((0, 4)), np.empty(0), none, none, windows=WINDOWS, scene=SCENE, how=HOW)
    assert found.boxes.shape == (0, 4)


@given(
    st.integers(0, 119),
    st.integers(0, 79),
    st.integers(1, 36),
    st.integers(1, 20),
    st.lists(st.floats(0.05, 1), min_size=2, max_size=2),
)
def test_an_object_smaller_than_the_overlap_comes_back_exactly_and_once(
    x: int, y: int, width: int, height: int, scores: list[float]
) -> None:
    thing = np.array([x, y, x + width, y + height], dtype=np.float64)
    boxes, tile = seen(thing)
    labels = np.zeros(len(boxes), dtype=np.int64)
    found = scene_boxes(
        boxes, np.array(scores[: len(boxes)]), labels, tile, windows=WINDOWS, scene=SCENE, how=replace(HOW, edge_px=0)
    )
    assert found.boxes.tolist() == [thing.tolist()]
