"""Each kind of error in a scene of its own, and how they add up."""

import numpy as np
import pytest
from tests.boxes.problems import problem

from counterpoise.boxes.errors import IGNORED, KINDS, RIGHT, errors
from counterpoise.boxes.matching import Detections, Truth

OBJECTS = np.array([[0, 0, 10.0, 10], [100, 0, 110, 10], [200, 0, 210, 10]])
TRUTH = Truth(np.zeros(3, dtype=int), np.array([0, 1, 0]), OBJECTS, np.array([False, False, True]))


@pytest.mark.parametrize(
    ("box", "label", "kind"),
    [
        ([0, 0, 10, 10], 1, "wrong_class"),
        ([0, 0, 10, 3], 0, "badly_placed"),
        ([0, 0, 10, 3], 1, "both"),
        ([0, 0, 10, 0.5], 0, "background"),
        ([50, 0, 60, 10], 0, "background"),
        ([200, 0, 210, 10], 1, "background"),
    ],
)
def test_each_kind_of_error(box: list[float], label: int, kind: str) -> None:
    result = errors(Detections(np.zeros(1, int), np.array([label]), np.array([box]), np.ones(1)), TRUTH)
    assert KINDS[result.kind[0]] == kind
    assert result.missed.tolist() == [True, True, False]
    assert result.unexplained.tolist() == [kind not in ("wrong_class", "badly_placed"), True, False]
    assert result.nearest.tolist() == [-1 if kind == "background" else 0]


def test_a_duplicate_is_the_second_on_an_object_and_ignored_places_count_for_nothing() -> None:
    boxes = np.array([[0, 0, 10.0, 10], [0, 0, 10, 9], [201, 1, 205, 5]])
    result = errors(Detections(np.zeros(3, int), np.zeros(3, int), boxes, np.array([0.9, 0.8, 0.7])), TRUTH)
    assert result.kind.tolist() == [RIGHT, KINDS.index("duplicate"), IGNORED]
    assert result.missed.tolist() == [False, True, False]


@pytest.mark.parametrize("seed", range(4))
def test_errors_hits_and_missed_add_up(seed: int) -> None:
    detections, truth = problem(seed)
    result = errors(detections, truth)
    assert (result.kind == RIGHT).sum() + result.missed.sum() == (~truth.ignore).sum()
    assert ((result.kind >= 0) | (result.kind == RIGHT) | (result.kind == IGNORED)).all()
    assert not (result.unexplained & ~result.missed).any()


def test_without_objects_all_is_background() -> None:
    nothing = Truth(np.zeros(0, int), np.zeros(0, int), np.empty((0, 4)), np.zeros(0, bool))
    result = errors(Detections(np.zeros(1, int), np.zeros(1, int), OBJECTS[:1], np.ones(1)), nothing)
    assert result.kind.tolist() == [KINDS.index("background")]
