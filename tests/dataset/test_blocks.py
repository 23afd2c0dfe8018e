import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.artifacts import boxes as boxes_file
from counterpoise.dataset import blocks
from counterpoise.dataset.tiling import Window

SPLITS = ("train", "val", "test", "unused")


def distance(first: Window, second: Window) -> int:
    """Measure the wider of the gaps between two windows, across and down; 0 or less where they overlap in both."""
    across = max(first[0] - second[2], second[0] - first[2])
    down = max(first[1] - second[3], second[1] - first[3])
    return max(across, down)


def hull(windows: list[Window]) -> Window:
    """Return the smallest window around some windows: no two of them are closer than the windows around them."""
    lower, upper = np.min(windows, axis=0).tolist(), np.max(windows, axis=0).tolist()
    return lower[0], lower[1], upper[2], upper[3]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(40, 150), st.integers(16, 60), st.data())
def test_no_two_tiles_on_two_sides_overlap_and_a_tile_lies_between_them(width, height, block_px, size_px, data):
    overlap_px = data.draw(st.integers(0, size_px - 1))
    found = blocks.cut(width, height, block_px)
    split = data.draw(st.lists(st.sampled_from(SPLITS), min_size=len(found), max_size=len(found)))
    tiled = [
        (side, hull(blocks.windows(block, size_px, overlap_px)))
        for block, side in zip(blocks.guarded(found, split, size_px), split, strict=True)
        if side != "unused" and block[0] < block[2] and block[1] < block[3]
    ]
    for number, (side, own) in enumerate(tiled):
        for other_side, other in tiled[:number]:
            assert side == other_side or distance(own, other) >= min(size_px, block_px)


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


NO_PAIRS = np.empty((0, 2), dtype=np.int64)


def scenes_of(*names: str) -> pd.DataFrame:
    table = pd.DataFrame({"image_id": names, "labels": "roof", "raw_labels": "roof", "group": names, "split": ""})
    return table.assign(path=names, width_px=200, height_px=100, sha256=names)


def units_of(table: pd.DataFrame, *units: str) -> pd.DataFrame:
    ids = table["image_id"]
    columns = {"image_id": ids, "unit": list(units) or ids, "centre": ids, "kind": "single", "correlation": 1.0}
    return pd.DataFrame(columns)


def box(image_id: str, label: str, x: float, y: float, *, ignore: int = 0) -> tuple[object, ...]:
    return (image_id, 0, label, label, x - 2, y - 2, x + 2, y + 2, ignore, "")


def boxes_of(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(boxes_file.COLUMNS))


def test_each_block_is_an_image_and_a_unit_of_its_own():
    table = scenes_of("a", "b")
    objects = boxes_of(box("a", "car", 10, 10), box("a", "pool", 150, 50), box("a", "roof", 99, 50))
    found = blocks.divide(table, objects, units_of(table), NO_PAIRS, np.array([7, 7]), size_px=100, guard_px=20)
    assert found.table["image_id"].tolist() == ["a#0", "a#1", "b#0", "b#1"]
    assert found.table[blocks.WINDOW].to_numpy().tolist() == [[0, 0, 100, 100], [100, 0, 200, 100]] * 2
    assert found.table["labels"].tolist() == ["car", "pool", "", ""]  # the roof may fall into a guard band
    assert found.units["unit"].tolist() == found.table["group"].tolist() == found.table["image_id"].tolist()
    assert found.whole == ()
    assert len(set(found.copies.tolist())) == 4
    left = blocks.guard(found.table, ["train", "test", "train", "train"], objects, 20)
    assert left[blocks.WINDOW].to_numpy().tolist() == [
        *([0, 0, 90, 100], [110, 0, 200, 100]),
        *([0, 0, 100, 100], [100, 0, 200, 100]),
    ]
    assert left["labels"].tolist() == ["car", "pool", "", ""]
    kept = blocks.guard(found.table, ["train"] * 4, objects, 20)
    assert kept["labels"].tolist() == ["car|roof", "pool", "", ""]


def test_an_ignored_box_gives_a_block_no_label():
    table = scenes_of("a")
    objects = boxes_of(box("a", "car", 10, 10, ignore=1), box("a", "pool", 150, 50))
    found = blocks.divide(table, objects, units_of(table), NO_PAIRS, np.array([0]), size_px=100, guard_px=20)
    assert found.table["labels"].tolist() == ["", "pool"]


def test_without_boxes_a_block_has_the_labels_of_its_scene():
    table = scenes_of("a")
    found = blocks.divide(table, boxes_of(), units_of(table), NO_PAIRS, np.array([0]), size_px=50, guard_px=20)
    assert set(found.table["labels"]) == {"roof"}
    assert set(blocks.guard(found.table, ["val"] * 8, boxes_of(), 20)["labels"]) == {"roof"}


def test_scenes_of_one_unit_and_scenes_with_a_near_duplicate_elsewhere_stay_whole_and_together():
    table = scenes_of("a", "b", "c", "d", "e")
    units = units_of(table, "a", "a", "c", "d", "e")
    pairs = np.array([[1, 3]])
    found = blocks.divide(table, boxes_of(), units, pairs, np.array([0, 1, 2, 1, 4]), size_px=100, guard_px=20)
    assert found.table["image_id"].tolist() == ["a#0", "b#0", "c#0", "c#1", "d#0", "e#0", "e#1"]
    assert found.units["unit"].tolist() == ["a#0", "a#0", "c#0", "c#1", "d#0", "e#0", "e#1"]
    assert found.whole == ("a", "b", "d")
    assert found.crossing.tolist() == [[1, 4]]
    assert found.copies[1] == found.copies[4]
    assert len(set(found.copies.tolist())) == 6
