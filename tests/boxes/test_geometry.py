"""Areas and overlaps by hand and against torchvision; boxes of tiles return to their scene exactly."""

import numpy as np
import pytest
import torch
import torchvision.ops
from hypothesis import given
from hypothesis import strategies as st
from tests.boxes.problems import random_boxes

from counterpoise.boxes import geometry


def test_overlaps_equal_torchvision() -> None:
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 40), random_boxes(rng, 30)
    expected = torchvision.ops.box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    np.testing.assert_allclose(geometry.iou(first, second), expected, atol=1e-12)
    np.testing.assert_allclose(geometry.areas(first), torchvision.ops.box_area(torch.from_numpy(first)).numpy())
    clipped = torchvision.ops.clip_boxes_to_image(torch.from_numpy(first), (90, 120)).numpy()
    np.testing.assert_allclose(geometry.clip(first, 120, 90), clipped)


def test_a_box_inside_another_is_all_of_the_smaller_one() -> None:
    outer, inner = np.array([[0, 0, 10.0, 10]]), np.array([[2, 2, 4.0, 7]])
    assert geometry.overlaps(outer, inner, "ios").item() == geometry.iof(inner, outer).item() == 1
    assert geometry.overlaps(outer, inner, "iou").item() == geometry.iof(outer, inner).item() == 0.1


def test_boxes_without_area_overlap_nothing() -> None:
    point, box = np.array([[1, 1, 1.0, 1]]), np.array([[0, 0, 2.0, 2]])
    for kind in (geometry.iou, geometry.ios, geometry.iof):
        assert kind(point, box).item() == kind(point, point).item() == 0
    assert geometry.visible_frac(point, 5, 5).item() == 0
    assert geometry.iou(box, np.empty((0, 4))).shape == (1, 0)


def test_touching_boxes_do_not_overlap() -> None:
    assert geometry.intersections(np.array([[0, 0, 2.0, 2]]), np.array([[2, 0, 4.0, 2]])).item() == 0


@pytest.mark.parametrize("wrong", [[[2, 0, 1, 1]], [[0, 0, float("nan"), 1]], [[0, 0, 1]]])
def test_wrong_boxes_are_refused(wrong: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"boxes: .* expected"):
        geometry.checked(wrong)


def test_boxes_may_be_empty() -> None:
    assert geometry.checked([]).shape == (0, 4)
    assert geometry.checked([[0, 1, 2, 3]]).dtype == np.float64


@given(
    st.lists(st.integers(0, 2**13), min_size=4, max_size=4),
    st.integers(0, 40_000),
    st.integers(0, 40_000),
)
def test_boxes_of_a_tile_return_to_their_scene_exactly(eighths: list[int], x_px: int, y_px: int) -> None:
    box = np.array([eighths]) / 8
    there = geometry.shift(box, x_px, y_px)
    np.testing.assert_array_equal(geometry.shift(there, -x_px, -y_px), box)
    np.testing.assert_array_equal(geometry.from_letterbox(box, 1.0, x_px, y_px), there)


@given(
    st.lists(st.floats(0, 2000), min_size=4, max_size=4),
    st.floats(0.1, 8),
    st.integers(0, 40_000),
    st.integers(0, 40_000),
)
def test_boxes_of_a_resized_tile_return_within_a_ten_thousandth_of_a_pixel(
    corners: list[float], factor: float, x_px: int, y_px: int
) -> None:
    box = np.array([corners])
    resized = geometry.shift(box, -x_px, -y_px) * factor
    np.testing.assert_allclose(geometry.from_letterbox(resized, factor, x_px, y_px), box, atol=1e-4)
