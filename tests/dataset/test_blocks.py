import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.dataset import blocks
from counterpoise.dataset.tiling import Window

SPLITS = ("train", "val", "test", "unused")


def distance(first: Window, second: Window) -> int:
    """Measure the wider of the gaps between two windows, across and down; 0 or less where they overlap in both."""
    across = max(first[0] - second[2], second[0] - first[2])
    down = max(first[1] - second[3], second[1] - first[3])
    return max(across, down)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(40, 150), st.integers(16, 60), st.data())
def test_no_two_tiles_on_two_sides_overlap_and_a_tile_lies_between_them(width, height, block_px, size_px, data):
    overlap_px = data.draw(st.integers(0, size_px - 1))
    found = blocks.cut(width, height, block_px)
    split = data.draw(st.lists(st.sampled_from(SPLITS), min_size=len(found), max_size=len(found)))
    left = blocks.guarded(found, split, size_px)
    tiles = [
        (side, window)
        for block, side in zip(left, split, strict=True)
        if side != "unused"
        for window in blocks.windows(block, size_px, overlap_px)
    ]
    for number, (side, window) in enumerate(tiles):
        for other_side, other in tiles[:number]:
            assert side == other_side or distance(window, other) >= min(size_px, block_px)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 120))
def test_blocks_cover_each_pixel_once(width, height, block_px):
    covered = np.zeros((height, width), dtype=int)
    for x0, y0, x1, y1 in blocks.cut(width, height, block_px):
        assert min(x1 - x0, width) >= min(block_px, width)
        assert min(y1 - y0, height) >= min(block_px, height)
        covered[y0:y1, x0:x1] += 1
    assert (covered == 1).all()


def test_blocks_of_one_split_keep_all_that_they_have():
    found = blocks.cut(100, 100, 30)
    assert blocks.guarded(found, ["train"] * len(found), 16) == found


@pytest.mark.parametrize("guard", [1, 2, 7, 16])
def test_a_corner_is_guarded_too(guard):
    found = blocks.cut(40, 40, 20)
    left = blocks.guarded(found, ["train", "unused", "unused", "test"], guard)
    assert distance(left[0], left[3]) == guard


def test_a_block_has_the_classes_of_the_boxes_whose_centre_it_holds():
    boxes = np.array([[0, 0, 12, 4], [8, 0, 14, 4], [0, 30, 4, 34]], dtype=np.float64)
    assert blocks.labels_of(boxes, ["car", "roof", "pool"], (0, 0, 10, 10)) == {"car"}
