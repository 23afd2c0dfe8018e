from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterpoise.artifacts.decision import Boxes
from counterpoise.boxes.matching import Detections, Truth
from counterpoise.report.objects import Objects
from counterpoise.report.sections import box_mistakes, boxes

THERE = np.array([[10, 10, 30, 30.0], [50, 50, 90, 90], [5, 60, 25, 80]])


@pytest.fixture
def found() -> Objects:
    decision = Boxes(0.5, "platt", (1.0,) * 2, (0.0,) * 2, (), (False,) * 2, (0.0,) * 2, "f_beta", (0.5,) * 2, (), 1)
    labels = np.array([0, 0, 1])
    detections = Detections(
        np.zeros(3, dtype=np.int64),
        np.array([0, 0, 1]),
        np.array([THERE[0], THERE[0] + 1, [60, 0, 80, 20]]),
        np.array([3.0, 2.0, 1.0]),
    )
    truth = Truth(np.zeros(3, dtype=np.int64), labels, THERE, np.zeros(3, dtype=bool))
    return Objects(decision, detections, np.array([0.9, 0.8, 0.7]), truth, pd.DataFrame())


def test_objects_and_alarms_are_counted_by_class(found: Objects) -> None:
    assert found.counts() == (1, 2, 2)
    assert found.counts(0) == (1, 1, 1)
    assert found.counts(1) == (0, 1, 1)
    assert [found.kind(1), found.kind(2)] == ["duplicate", "background"]


def test_the_gallery_has_the_surest_false_alarm_first_and_each_missed_object(found: Objects) -> None:
    manifest = pd.DataFrame({"image_id": ["a"], "width_px": [100], "height_px": [100]})
    facts: Any = SimpleNamespace(
        manifest=manifest, names=("car", "panel"), positive=1, test=SimpleNamespace(image_ids=("a",))
    )
    asked = []

    def picture(image_id: str, window: box_mistakes.Window, layers: Any) -> str:
        asked.append((window, [len(layer.boxes) for layer in layers]))
        return "data:"

    galleries = box_mistakes.box_galleries(facts, found, 10, picture)
    assert [gallery.heading for gallery in galleries] == ["False alarms", "Missed objects", "Scenes"]
    alarms, missed, scenes = galleries
    assert [mistake.outcomes[0].classes[0].prob for mistake in alarms.mistakes] == [0.8, 0.7]
    assert [mistake.outcomes[0].classes[0].name for mistake in missed.mistakes] == ["panel", "car"]
    assert asked[-1] == ((0, 0, 100, 100), [1, 2, 2])
    assert [outcome.word for outcome in scenes.mistakes[0].outcomes] == ["1 found", "2 missed", "2 false alarms"]
    assert box_mistakes.box_galleries(facts, found, 0, picture) == ()


def test_sizes_are_counted_once_each_at_their_limits() -> None:
    facts: Any = SimpleNamespace(names=("car",))
    side = np.array([32.0, 33, 96, 97])
    table = pd.DataFrame({"label": "car", "x0_px": 0.0, "y0_px": 0.0, "x1_px": side, "y1_px": side})
    assert boxes.size_rows(facts, table) == (("car", "4", "1", "2", "1"),)
