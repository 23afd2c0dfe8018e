"""Merging against torchvision and ensemble-boxes, values by hand, and boxes at the edges of tiles."""

from typing import Any

import ensemble_boxes
import numpy as np
import pytest
import torch
import torchvision.ops
from ensemble_boxes.ensemble_boxes_nms import cpu_soft_nms_float
from tests.boxes.problems import random_boxes

from counterpoise.boxes import geometry, merging

PAIR = np.array([[0, 0, 10.0, 10], [1, 0, 11, 10]])
SCORES = np.array([0.9, 0.8])
SIDE = 1024.0
"""Of the picture; a power of two, so that fractions of it are exact."""


def clusters(seed: int, ties: bool = False) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    boxes = np.repeat(random_boxes(rng, 12), 6, axis=0)
    boxes = boxes + np.round(rng.normal(0, 6, size=boxes.shape))
    boxes = np.clip(boxes, 0, SIDE)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 2)
    scores = rng.permutation(len(boxes)) / len(boxes) * 0.9 + 0.05
    return boxes, np.round(scores, 1) if ties else scores, rng.integers(0, 3, size=len(boxes))


@pytest.mark.parametrize("overlap", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_nms_keeps_what_torchvision_keeps(seed: int, overlap: float, ties: bool) -> None:
    boxes, scores, _ = clusters(seed, ties)
    kept = torchvision.ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), overlap)
    assert merging.nms(boxes, scores, overlap).tolist() == kept.tolist()


@pytest.mark.parametrize(
    ("factor", "number"), [(merging.linear(0.4), 1), (merging.gaussian(0.5), 2)], ids=["linear", "gaussian"]
)
@pytest.mark.parametrize("seed", range(5))
def test_lowered_scores_equal_ensemble_boxes(seed: int, factor: Any, number: int) -> None:
    """`ensemble_boxes.nms_method` returns the scores before they were lowered, so its inner function is asked."""
    boxes, scores, _ = clusters(seed)
    expected = scores.copy()
    order = cpu_soft_nms_float(boxes / SIDE, expected, 0.4, 0.5, -1.0, number)
    np.testing.assert_allclose(merging.soft_nms(boxes, scores, factor)[order], expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_suppression_of_classes_equals_ensemble_boxes(seed: int) -> None:
    boxes, scores, labels = clusters(seed)
    result = merging.merge(boxes, scores, labels, method="nms", overlap=0.4)
    same_as(result, ensemble_boxes.nms_method([boxes / SIDE], [scores], [labels], iou_thr=0.4))


def same_as(result: merging.Merged, oracle: Any, tolerance: float = 1e-9) -> None:
    """Compare in any order, since the oracle mixes equal scores."""
    rows = np.column_stack([result.labels, result.scores, result.boxes / SIDE])
    expected = np.column_stack([oracle[2], oracle[1], oracle[0]])
    assert len(rows) == len(expected)
    nearest = np.abs(rows[:, None] - expected[None]).max(axis=2).argmin(axis=1)
    assert sorted(nearest.tolist()) == list(range(len(rows)))
    np.testing.assert_allclose(rows, expected[nearest], atol=tolerance)
    assert (np.diff(result.scores) <= 0).all()


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_fusion_equals_ensemble_boxes(seed: int, views: int) -> None:
    boxes, scores, labels = clusters(seed)
    part = np.random.default_rng(seed).integers(0, views, size=len(boxes))
    result = merging.merge(boxes, scores, labels, method="wbf", overlap=0.5, views=views)
    oracle = ensemble_boxes.weighted_boxes_fusion(
        *([array[part == view] for view in range(views)] for array in (boxes / SIDE, scores, labels)), iou_thr=0.5
    )
    same_as(result, oracle, 1e-6)  # the oracle computes with 32 bits


def test_values_by_hand() -> None:
    none = np.zeros(2, dtype=int)

    def merged(method: Any) -> merging.Merged:
        return merging.merge(PAIR, SCORES, none, method=method, overlap=0.5)

    assert merged("soft_nms_gaussian").scores.round(6).tolist() == [0.9, 0.209719]
    assert merged("soft_nms_linear").scores.round(6).tolist() == [0.9, round(0.8 * (1 - 90 / 110), 6)]
    assert merged("wbf").boxes.round(6).tolist() == [[0.470588, 0, 10.470588, 10]]
    assert merged("wbf").scores.round(9).tolist() == [0.85]
    assert merged("nmm").boxes.tolist() == [[0, 0, 11, 10]]
    assert merged("nmm").scores.tolist() == [0.9]
    assert merged("nms").boxes.tolist() == PAIR[:1].tolist()


@pytest.mark.parametrize("method", ["nms", "soft_nms_linear", "soft_nms_gaussian", "wbf", "nmm"])
def test_nothing_in_nothing_out_and_one_box_stays_as_it_is(method: Any) -> None:
    empty = merging.merge(np.empty((0, 4)), np.empty(0), np.empty(0, dtype=int), method=method)
    assert empty.boxes.shape == (0, 4)
    assert empty.scores.shape == empty.labels.shape == (0,)
    one = merging.merge(PAIR[:1], SCORES[:1], np.array([2]), method=method)
    np.testing.assert_allclose(one.boxes, PAIR[:1])
    assert (one.scores.tolist(), one.labels.tolist()) == ([0.9], [2])


@pytest.mark.parametrize("method", ["nms", "wbf", "nmm"])
def test_boxes_of_different_classes_are_never_merged(method: Any) -> None:
    assert len(merging.merge(PAIR, SCORES, np.array([0, 1]), method=method).boxes) == 2


def test_parts_of_an_object_in_two_tiles_become_one() -> None:
    parts = np.array([[0, 0, 64.0, 20], [50, 0, 70, 20]])
    assert geometry.iou(parts[:1], parts[1:]).item() < 0.5
    hulls, scores = merging.non_maximum_merging(parts, SCORES, 0.5, "ios")
    assert (hulls.tolist(), scores.tolist()) == ([[0, 0, 70, 20]], [0.9])


WINDOWS = np.array([[0, 0, 100.0, 100], [60, 0, 160, 100], [0, 60, 100, 160], [60, 60, 160, 160]])


@pytest.mark.parametrize(
    ("box", "tile", "expected"),
    [
        ([80, 10, 100, 30], 0, True),  # at the right edge of the first tile, inside the second
        ([80, 10, 99, 30], 0, True),  # within two pixels of it
        ([80, 10, 97, 30], 0, False),  # does not touch
        ([60, 10, 80, 30], 1, True),  # at the left edge of the second, inside the first
        ([60, 10, 100, 30], 0, False),  # no tile shows it with room: it is kept
        ([0, 0, 20, 20], 0, False),  # the edge of the scene is no inner edge
        ([140, 70, 160, 100], 1, True),  # at the scene's right edge, cut below, inside the fourth
    ],
)
def test_what_touches_an_inner_edge_is_left_out_where_another_tile_shows_it(
    box: list[float], tile: int, expected: bool
) -> None:
    assert merging.cut_off(np.array([box]), np.array([tile]), WINDOWS, (160, 160), 2.0).tolist() == [expected]


def test_a_discount_lowers_scores_of_what_is_cut_off() -> None:
    assert merging.discounted(SCORES, np.array([True, False]), 0.0).tolist() == [0, 0.8]
