"""Rare objects pasted onto other tiles: never over an object or an ignored region, boxes exact, borders feathered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.dataset import copy_paste
from counterpoise.dataset.copy_paste import Patch, cut, paste

NO_BOXES, NO_LABELS = np.zeros((0, 4)), np.zeros(0, dtype=np.int64)


def red_patch(width: int = 14, height: int = 8, margin: int = 3) -> Patch:
    tile = np.full((40, 40, 3), 90, dtype=np.uint8)
    tile[10 : 10 + height, 12 : 12 + width] = (250, 0, 0)
    return cut(tile, np.array([12.0, 10, 12 + width, 10 + height]), 2, margin)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), number=st.integers(0, 6), pasted=st.integers(0, 5))
def test_what_was_there_stays_unchanged_and_every_pasted_box_holds_its_object(seed, number, pasted):
    rng = np.random.default_rng(seed)
    tile = rng.integers(0, 150, (96, 80, 3), dtype=np.uint8)
    low = rng.uniform(0, [50, 66], (number, 2))
    known = np.column_stack([low, low + rng.uniform(4, 30, (number, 2))])
    boxes, ignored = known[: number // 2], known[number // 2 :]
    before = tile.copy()
    image, placed, labels = paste(
        tile, boxes, np.zeros(len(boxes), dtype=np.int64), ignored, [red_patch()] * pasted, seed
    )
    assert (tile == before).all()
    assert placed[: len(boxes)].tolist() == boxes.tolist()
    assert labels[len(boxes) :].tolist() == [2] * (len(placed) - len(boxes))
    for x0, y0, x1, y1 in known:
        inside = np.s_[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))]
        assert (image[inside] == before[inside]).all()
    for x0, y0, x1, y1 in placed[len(boxes) :].astype(int):
        assert (image[y0:y1, x0:x1] == (250, 0, 0)).all()
        assert {x1 - x0, y1 - y0} == {14, 8}
    red = (image == (250, 0, 0)).all(axis=2).sum()
    assert red == 14 * 8 * (len(placed) - len(boxes))


def test_an_empty_tile_gets_all_objects_and_a_full_one_none():
    empty = np.full((120, 120, 3), 60, dtype=np.uint8)
    _, placed, _ = paste(empty, NO_BOXES, NO_LABELS, NO_BOXES, [red_patch()] * 3, 0)
    assert len(placed) == 3
    whole = np.array([[0.0, 0, 120, 120]])
    image, placed, _ = paste(empty, NO_BOXES, NO_LABELS, whole, [red_patch()] * 3, 0)
    assert len(placed) == 0
    assert (image == empty).all()


def test_an_object_larger_than_the_tile_is_left_out():
    tile = np.full((12, 12, 3), 60, dtype=np.uint8)
    image, placed, _ = paste(tile, NO_BOXES, NO_LABELS, NO_BOXES, [red_patch()], 0)
    assert len(placed) == 0
    assert (image == tile).all()


def test_the_border_fades_out():
    weight = copy_paste._feather(red_patch(margin=3))
    assert (weight[3:-3, 3:-3] == 1).all()
    row = weight[weight.shape[0] // 2]
    assert (np.diff(row[:4]) > 0).all()
    assert 0 < row[0] < 0.2
    assert weight[0, 0] < row[0]


def test_without_a_margin_the_box_alone_is_pasted():
    patch = red_patch(margin=0)
    assert patch.image.shape == (8, 14, 3)
    assert patch.box.tolist() == [0, 0, 14, 8]


def test_the_seed_decides_places_and_turns():
    tile = np.full((100, 100, 3), 60, dtype=np.uint8)
    one, same, other = (paste(tile, NO_BOXES, NO_LABELS, NO_BOXES, [red_patch()], seed) for seed in (0, 0, 1))
    assert (one[0] == same[0]).all()
    assert one[1].tolist() == same[1].tolist() != other[1].tolist()


def test_boxes_with_fractions_move_by_whole_pixels_and_turn_exactly():
    tile = np.full((40, 40, 3), 90, dtype=np.uint8)
    patch = cut(tile, np.array([12.25, 10.5, 20.75, 30.0]), 0)
    sizes = set()
    for quarters in range(4):
        for mirrored in (False, True):
            image, box, weight = copy_paste._turn(patch, quarters, mirrored)
            assert image.shape[:2] == weight.shape
            assert weight[int(box[1]) + 1, int(box[0]) + 1] == 1
            sizes.add((box[2] - box[0], box[3] - box[1]))
    assert sizes == {(8.5, 19.5), (19.5, 8.5)}


@pytest.mark.parametrize("box", [[0.0, 0, 0, 4], [-1, 0, 4, 4], [0, 0, 41, 4], [np.nan, 0, 4, 4]])
def test_a_box_outside_its_tile_cannot_be_cut_out(box):
    with pytest.raises(ValueError, match="expected a box within 40 x 40 px"):
        cut(np.zeros((40, 40, 3), np.uint8), np.array(box), 0)
