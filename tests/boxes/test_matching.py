"""Who finds what: ties, crowds, sizes. The whole of it is compared with pycocotools in `test_average_precision`."""

import numpy as np
import pytest

from counterpoise.boxes.matching import SIZES, Detections, Matches, Truth, match

WHOLE = [[0, 0, 40.0, 40]]


def matched(found: list[list[float]], scores: list[float], there: list[list[float]], ignore: list[bool]) -> Matches:
    none = np.zeros(len(found), dtype=int)
    return match(
        Detections(none, none, np.array(found).reshape(-1, 4), np.array(scores)),
        Truth(np.zeros(len(there), dtype=int), np.zeros(len(there), dtype=int), np.array(there), np.array(ignore)),
        ious=[0.5],
        sizes=[SIZES["all"], SIZES["small"]],
    )


def test_the_highest_score_takes_the_object_and_others_are_false_alarms() -> None:
    result = matched(WHOLE * 3, [0.2, 0.9, 0.5], WHOLE, [False])
    assert result.order.tolist() == [1, 2, 0]
    assert result.rank.tolist() == [0, 1, 2]
    assert result.found[0, 0].tolist() == [0, -1, -1]
    assert result.overlap[0, 0].tolist() == [1, 0, 0]
    assert not result.ignored[0, 0].any()


def test_an_ignored_box_absorbs_any_number_of_detections_that_lie_inside() -> None:
    inside = [[1, 1, 5.0, 5], [9, 9, 12.0, 12], [39, 39, 60.0, 60]]
    result = matched(inside, [0.9, 0.8, 0.7], WHOLE, [True])
    assert result.ignored[0, 0].tolist() == [True, True, False]
    assert not result.counted.any()


def test_an_object_comes_before_an_ignored_box_that_overlaps_more() -> None:
    result = matched(WHOLE, [0.9], [[0, 0, 40, 40], [0, 0, 30, 40]], [True, False])
    assert result.found[0, 0].tolist() == [1]
    assert not result.ignored[0, 0].any()


def test_of_equal_overlaps_the_last_object_is_found() -> None:
    assert matched(WHOLE, [0.9], WHOLE * 2, [False, False]).found[0, 0].tolist() == [1]


def test_an_object_of_another_size_is_ignored_with_what_finds_it() -> None:
    result = matched(WHOLE, [0.9], WHOLE, [False])
    assert result.ignored[0, :, 0].tolist() == [False, True]
    assert result.counted[:, 0].tolist() == [True, False]


def test_images_and_classes_are_matched_by_themselves() -> None:
    box = np.array(WHOLE * 3)
    found = Detections(np.array([0, 1, 1]), np.array([0, 0, 1]), box, np.array([0.9, 0.8, 0.7]))
    there = Truth(np.array([1]), np.array([1]), box[:1], np.array([False]))
    assert match(found, there, ious=[0.5]).found[0, 0].tolist() == [-1, -1, 0]


def test_only_the_highest_scores_of_a_class_in_an_image_count() -> None:
    none = np.zeros(5, dtype=int)
    found = Detections(none, none, np.array(WHOLE * 5), np.array([0.1, 0.5, 0.3, 0.4, 0.2]))
    there = Truth(none[:0], none[:0], np.empty((0, 4)), np.zeros(0, dtype=bool))
    assert match(found, there, most=2).order.tolist() == [1, 3]


@pytest.mark.parametrize("objects", [0, 1])
def test_nothing_found_is_no_error(objects: int) -> None:
    result = matched([], [], WHOLE[:objects] or [[0, 0, 0, 0]], [False])
    assert result.found.shape == (1, 2, 0)
