import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.dataset import tile_labels, tiling

COORDINATES = st.floats(0, 300, allow_subnormal=False)


@given(
    st.lists(st.tuples(COORDINATES, COORDINATES, st.floats(1e-3, 99), st.floats(1e-3, 99)), min_size=1, max_size=9),
    st.tuples(st.integers(1, 400), st.integers(1, 400), st.integers(16, 99), st.integers(0, 15)),
)
def test_boxes_of_tiles_return_to_the_scene_exactly(corners, sizes):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in corners])
    for x0, y0, x1, y1 in tiling.windows(*sizes):
        inside, visible = tile_labels.cut(boxes, (x0, y0, x1, y1))
        back = inside + np.array([x0, y0, x0, y0])
        clipped = np.clip(boxes, [x0, y0, x0, y0], [x1, y1, x1, y1])
        assert (back == clipped).all()
        whole = (boxes >= (x0, y0, x0, y0)).all(axis=1) & (boxes <= (x1, y1, x1, y1)).all(axis=1)
        assert (back[whole] == boxes[whole]).all()
        assert (visible[whole] == 1).all()
        assert ((visible >= 0) & (visible <= 1)).all()


@given(st.integers(0, 300), st.integers(0, 200), st.integers(1, 16), st.integers(1, 16))
def test_a_box_no_larger_than_the_overlap_is_whole_in_some_tile(x, y, width, height):
    windows = tiling.windows(400, 300, 48, 16)
    box = np.array([[x, y, min(x + width, 400), min(y + height, 300)]], dtype=np.float64)
    assert tile_labels.whole_somewhere(box, windows).all()


def test_a_box_on_the_edge_of_a_tile_is_cut_by_its_share():
    inside, visible = tile_labels.cut(np.array([[6.0, 1, 10, 3], [0, 0, 8, 8], [8, 8, 9, 9]]), (8, 0, 16, 8))
    assert inside[0].tolist() == [0, 1, 2, 3]
    assert visible.tolist() == [0.5, 0, 0]


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 4), max_size=6))
def test_the_covered_area_counts_each_pixel_once(corners):
    boxes = np.array([(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for a, b, c, d in corners], dtype=np.float64)
    mask = np.zeros((14, 14), dtype=bool)
    for x0, y0, x1, y1 in boxes.astype(int):
        mask[y0:y1, x0:x1] = True
    assert tile_labels.covered_px(boxes.reshape(-1, 4)) == mask.sum()


@pytest.mark.parametrize(
    ("rule", "at_least", "expected"),
    [
        ("any", 0, ["car", "roof"]),
        ("count", 2, ["car"]),
        ("count", 1, ["car", "roof"]),
        ("area_frac", 0.25, ["roof"]),
        ("area_frac", 0.26, []),
        ("area_frac", 0.02, ["car", "roof"]),
    ],
)
def test_a_tile_shows_the_classes_that_the_rule_names(rule, at_least, expected):
    boxes = np.array([[0, 0, 1, 1], [1, 0, 2, 1], [4, 4, 8, 8]], dtype=np.float64)
    assert tile_labels.names(boxes, ["car", "car", "roof"], (8, 8, 16, 16), rule, at_least) == expected
