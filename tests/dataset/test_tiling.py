import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.dataset.tiling import windows


@st.composite
def problems(draw):
    size = draw(st.integers(1, 40))
    return draw(st.integers(1, 150)), draw(st.integers(1, 150)), size, draw(st.integers(0, size - 1))


@given(problems())
def test_windows_cover_every_pixel_and_lie_inside(problem):
    width, height, size, _ = problem
    covered = np.zeros((height, width), dtype=bool)
    for x0, y0, x1, y1 in windows(*problem):
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert (x1 - x0, y1 - y0) == (min(size, width), min(size, height))
        covered[y0:y1, x0:x1] = True
    assert covered.all()


@given(problems())
def test_neighbours_overlap_at_least_as_asked_and_no_window_is_superfluous(problem):
    _, _, size, overlap = problem
    found = windows(*problem)
    for axis in (0, 1):
        starts = sorted({window[axis] for window in found})
        gaps = np.diff(starts)
        assert (gaps <= size - overlap).all()
        assert (gaps[:-1] == size - overlap).all()
        assert (gaps > 0).all()
    assert len(set(found)) == len(found)


def test_windows_by_hand():
    assert windows(10, 4, 4, 1) == [(0, 0, 4, 4), (3, 0, 7, 4), (6, 0, 10, 4)]
    assert windows(5, 7, 4, 0) == [(0, 0, 4, 4), (1, 0, 5, 4), (0, 3, 4, 7), (1, 3, 5, 7)]
    assert windows(8, 4, 4, 0) == [(0, 0, 4, 4), (4, 0, 8, 4)]


def test_an_image_that_fits_is_one_window_of_its_own_size():
    assert windows(3, 2, 4, 3) == [(0, 0, 3, 2)]
    assert windows(4, 4, 4, 0) == [(0, 0, 4, 4)]
    assert windows(1, 1, 1, 0) == [(0, 0, 1, 1)]


def test_a_long_strip_is_cut_along_its_length_alone():
    assert windows(9, 2, 4, 0) == [(0, 0, 4, 2), (4, 0, 8, 2), (5, 0, 9, 2)]


@pytest.mark.parametrize("sizes", [(0, 5, 3), (5, 0, 3), (5, 5, 0), (-1, 5, 3)])
def test_sizes_must_be_positive(sizes):
    with pytest.raises(ValueError, match="expected positive sizes"):
        windows(sizes[0], sizes[1], sizes[2], 0)


@pytest.mark.parametrize("overlap", [-1, 3, 4])
def test_the_overlap_must_leave_a_step(overlap):
    with pytest.raises(ValueError, match=rf"overlap_px is {overlap}; expected 0\.\.2"):
        windows(5, 5, 3, overlap)
