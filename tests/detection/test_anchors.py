"""Anchors fitted to boxes."""

import numpy as np
import pytest

from counterpoise.detection import anchors


def test_overlaps_are_those_of_boxes_with_one_centre() -> None:
    found = anchors.overlaps(np.array([[10.0, 10], [10, 20]]), np.array([[10.0, 10], [20, 10]]))
    np.testing.assert_allclose(found, [[1, 0.5], [0.5, 1 / 3]])


def test_one_anchor_is_the_mean_and_there_are_never_more_than_distinct_boxes() -> None:
    sides = np.array([[10.0, 20], [30, 40], [30, 40]])
    np.testing.assert_allclose(anchors.fit(sides, 1, np.random.default_rng(0)), [[70 / 3, 100 / 3]])
    np.testing.assert_array_equal(anchors.fit(sides, 9, np.random.default_rng(0)), [[10, 20], [30, 40]])


def test_the_same_seed_gives_the_same_anchors() -> None:
    sides = np.random.default_rng(1).uniform(1, 100, (300, 2))
    first, again = (anchors.fit(sides, 5, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("sides", [np.empty((0, 2)), np.array([[1.0, 0]]), np.array([[np.nan, 1]])])
def test_boxes_without_an_area_are_refused(sides: anchors.Floats) -> None:
    with pytest.raises(ValueError, match="above 0"):
        anchors.fit(sides, 2, np.random.default_rng(0))
