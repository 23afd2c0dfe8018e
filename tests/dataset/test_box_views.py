"""Views of tiles with boxes: a whole box holds the object that it held before, and values stay inside."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.dataset import augmentation, box_views
from counterpoise.dataset.box_views import POLICIES, apply_boxes

Array = np.ndarray[Any, Any]
SIDE = 96
GREEN = np.array([10, 220, 10])


def drawn(x0: int, y0: int, width: int, height: int, *, ellipse: bool) -> tuple[Array, Array]:
    """Return a grey picture with one green shape, and the box of it."""
    picture = np.full((SIDE, SIDE, 3), 120, dtype=np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    if ellipse:
        inside = ((x - x0 - width / 2) / (width / 2)) ** 2 + ((y - y0 - height / 2) / (height / 2)) ** 2 <= 1
    else:
        inside = (x > x0) & (x < x0 + width) & (y > y0) & (y < y0 + height)
    picture[inside] = GREEN
    return picture, np.array([[x0, y0, x0 + width, y0 + height]], dtype=float)


def hull_of_green(picture: Array, median_px: int = 1) -> Array:
    """Find the green shape, after a median filter against noise, by half of its contrast."""
    values = cv2.medianBlur(picture, median_px).astype(int)
    greener = values[:, :, 1] - np.maximum(values[:, :, 0], values[:, :, 2])
    rows, columns = np.nonzero(greener > greener.max() / 2)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=float)


shapes = st.tuples(st.integers(2, 60), st.integers(2, 60), st.integers(14, 32), st.integers(14, 32))


@pytest.mark.parametrize("policy", ["flips", "dihedral"])
@settings(max_examples=30, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**32))
def test_flips_and_turns_keep_a_box_exactly_around_its_object(policy, shape, seed):
    picture, box = drawn(*shape, ellipse=False)
    view = apply_boxes(policy, picture, box, np.array([3]), seed)
    np.testing.assert_allclose(view.boxes[0], hull_of_green(view.image), atol=1e-3)
    assert view.visible_frac.tolist() == [1.0]
    assert view.labels.tolist() == [3]


@pytest.mark.parametrize("policy", ["standard", "strong"])
@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**32))
def test_a_box_that_is_whole_in_a_view_holds_the_same_object(policy, shape, seed):
    # An ellipse: a turned box is the hull of the turned ellipse in it.
    picture, box = drawn(*shape, ellipse=True)
    view = apply_boxes(policy, picture, box, np.array([0]), seed)
    if len(view.boxes) and view.visible_frac[0] == 1:
        tolerance = 2.0 if policy == "standard" else 4.0  # a warp moves the box by its corners
        np.testing.assert_allclose(view.boxes[0], hull_of_green(view.image, 5), atol=tolerance)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), number=st.integers(0, 12), height=st.integers(48, 96))
def test_values_stay_inside(policy, seed, number, height):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, SIDE, 3), dtype=np.uint8)
    low = rng.uniform(0, [SIDE - 4, height - 4], (number, 2))
    boxes = np.column_stack([low, np.minimum(low + rng.uniform(2, 40, (number, 2)), [SIDE, height])])
    labels = rng.integers(0, 3, number)
    view = apply_boxes(policy, picture, boxes, labels, seed)
    high, wide = view.image.shape[:2]
    assert (high, wide) in {(height, SIDE), (SIDE, height)}
    assert view.image.dtype == np.uint8
    assert np.isfinite(view.boxes).all()
    assert (view.boxes[:, :2] >= 0).all()
    assert (view.boxes[:, 2:] <= [wide + 1e-3, high + 1e-3]).all()
    assert (view.boxes[:, 2:] > view.boxes[:, :2]).all()
    assert ((view.visible_frac > 0) & (view.visible_frac <= 1)).all()
    assert view.labels.tolist() == labels[view.source].tolist()
    assert len(set(view.source.tolist())) == len(view.source)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_seed_gives_the_same_view_whatever_was_drawn_between(policy):
    picture, box = drawn(20, 30, 25, 18, ellipse=True)
    first = apply_boxes(policy, picture, box, np.array([0]), 7)
    for other in POLICIES:
        apply_boxes(other, picture, box, np.array([0]), 8)
    again = apply_boxes(policy, picture, box, np.array([0]), 7)
    assert (first.image == again.image).all()
    assert first.boxes.tolist() == again.boxes.tolist()


def test_policies_have_the_names_of_those_without_boxes():
    assert list(POLICIES) == list(augmentation.POLICIES)
    assert set(box_views.CROPPING) <= set(POLICIES)


def test_a_turn_of_45_degrees_does_not_make_a_box_larger():
    import albumentations

    turn = albumentations.Compose(
        [box_views._affine(albumentations, rotate=(45, 45), p=1.0)],
        bbox_params=albumentations.BboxParams("pascal_voc", label_fields=["box"]),
    )
    found = turn(image=np.zeros((96, 96, 3), np.uint8), bboxes=np.array([[38.0, 38, 58, 58]]), box=[0])["bboxes"][0]
    assert found[2] - found[0] == pytest.approx(20, abs=0.1)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), given_counts=st.booleans())
def test_a_crop_keeps_the_box_of_the_rarest_class_whole(seed, given_counts):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, SIDE - 30, (6, 2))
    boxes = np.column_stack([low, low + rng.uniform(3, 30, (6, 2))])
    labels, counts = np.array([0, 0, 0, 1, 2, 2]), np.array([1, 500, 900]) if given_counts else None
    kept = box_views._rarest(labels, counts, rng)
    assert labels[kept] == (0 if given_counts else 1)
    _, _, source, visible = box_views._crop(np.zeros((SIDE, SIDE, 3), np.uint8), boxes, kept, rng)
    assert visible[source.tolist().index(kept)] == pytest.approx(1)


def test_a_crop_says_which_share_of_a_box_it_left():
    image, rng = np.zeros((100, 100, 3), np.uint8), np.random.default_rng(0)
    boxes = np.array([[0.0, 0, 4, 4], [0, 0, 100, 100]])
    _, placed, source, visible = box_views._crop(image, boxes, 0, rng)
    assert source.tolist() == [0, 1]
    assert box_views.LEAST_CROP**2 <= visible[1] < 1
    np.testing.assert_allclose(placed[1], [0, 0, 100, 100])


@pytest.mark.parametrize(
    "box", [[0.0, 0, np.nan, 4], [5, 5, 5, 9], [8, 2, 3, 6], [-1, 0, 4, 4], [0, 0, SIDE + 1, 4], [0, 0, 4, np.inf]]
)
def test_a_box_without_area_or_outside_is_refused(box):
    with pytest.raises(ValueError, match="expected boxes x0 < x1, y0 < y1 within 96 x 96 px"):
        apply_boxes("none", np.zeros((SIDE, SIDE, 3), np.uint8), np.array([box]), np.array([0]), 0)


def test_an_unknown_policy_is_refused():
    with pytest.raises(KeyError):
        apply_boxes("strng", np.zeros((8, 8, 3), np.uint8), np.zeros((0, 4)), np.zeros(0, dtype=np.int64), 0)


@pytest.mark.parametrize("policy", ["standard", "strong"])
def test_corners_that_nothing_fills_are_grey(policy):
    grey = np.full((SIDE, SIDE, 3), 114, dtype=np.uint8)
    for seed in range(20):
        view = apply_boxes(policy, grey, np.zeros((0, 4)), np.zeros(0, dtype=np.int64), seed)
        assert np.ptp(np.median(view.image, axis=(0, 1))) <= 2
        assert (np.ptp(cv2.blur(view.image, (9, 9)).astype(int), axis=2) < 25).all()


def test_a_crop_keeps_no_box_of_a_negative_class_on_purpose():
    image, boxes = np.zeros((64, 64, 3), dtype=np.uint8), np.array([[8.0, 8, 16, 16], [48, 48, 56, 56]])

    def seen(*labels: int) -> int:
        found = [apply_boxes("strong", image, boxes, np.array(labels), seed) for seed in range(80)]
        return sum(bool((view.visible_frac[view.source == 0] > 0.5).any()) for view in found)

    assert seen(0, -1) > seen(-1, 0) + 20
    assert len(apply_boxes("strong", image, boxes, np.array([-1, -1]), 0).labels) <= 2
