"""Two detectors on the same images: against the figures of each, and their own limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.boxes.problems import CLASSES, IMAGES, problem

from counterpoise.boxes.matching import Detections
from counterpoise.evaluation import box_tables
from counterpoise.evaluation.box_differences import ALL, gains
from counterpoise.evaluation.box_scores import Scenes

NAMES = ("roof", "panel", "pool", "never there")[:CLASSES]


def scenes() -> Scenes:
    found, truth = problem(1)
    return Scenes(found, truth, found.scores / 2 + 0.25, found.scores >= 0.5, np.arange(IMAGES), NAMES)


def without_half(of: Scenes) -> Scenes:
    """Take away every other box."""
    kept = np.arange(0, len(of.detections.scores), 2)
    found = Detections(*(getattr(of.detections, name)[kept] for name in ("image", "label", "boxes", "scores")))
    return Scenes(found, of.truth, of.probs[kept], of.decided[kept], of.units, of.names)


def test_gains_are_differences_of_the_figures_of_both() -> None:
    before, after = without_half(scenes()), scenes()
    found = gains(before, after)
    old, new = (box_tables.scores(of) for of in (before, after))
    measures = ("average_precision", "average_precision_50", "lrp", "f1", "precision", "recall")
    for name in (ALL, *NAMES[:-1]):
        for measure in (*measures, "false_alarms_per_image"):
            value = new[name, "all"][measure][0] - old[name, "all"][measure][0]
            assert found[name, measure].value == pytest.approx(value), (name, measure)
            assert not value or found[name, measure].low < value < found[name, measure].high
    assert not [key for key in found if key == (NAMES[-1], "recall")], "no object, no recall"
    assert found[ALL, "recall"].clear
    assert {measure for name, measure in found if name == ALL} >= box_tables.HEADLINES.keys() - {
        "false_alarms_per_square_km"
    }


def test_nothing_is_claimed_where_nothing_differs_or_one_unit_shows_all() -> None:
    same = gains(scenes(), scenes())
    assert all(one.value == 0 and math.isnan(one.low) for one in same.values())
    together = [replace(of, units=np.zeros(IMAGES, dtype=np.int64)) for of in (without_half(scenes()), scenes())]
    assert all(math.isnan(one.low) for one in gains(*together).values())
