"""The tables behind the plots of boxes, and their figures in `metrics.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.artifacts import plots
from counterpoise.artifacts.metrics import Metrics
from counterpoise.boxes import average_precision
from counterpoise.boxes.errors import KINDS, errors
from counterpoise.boxes.matching import SIZES, Detections, Integers
from counterpoise.evaluation import box_scores
from counterpoise.evaluation.box_scores import Scenes
from counterpoise.evaluation.estimates import Floats, Score
from counterpoise.metrics import intervals
from counterpoise.metrics.arguments import distinct

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("detection_pr", "detection_froc", "detection_sizes", "detection_errors")
POINTS = 200
"""Points of a curve at most: more of them show nothing."""
RARER = (10, 100)
"""How many times rarer than in test objects are taken to be: precision falls with their density."""
ALL = ""
"""In the column `class`: all classes together, or the mean over them."""
HEADLINES = {
    "average_precision": "box_average_precision",
    "average_precision_50": "box_average_precision_50",
    "average_precision_75": "box_average_precision_75",
    "lrp": "box_lrp",
    "f1": "box_f1",
    "false_alarms_per_image": "box_false_alarms_per_image",
    "false_alarms_per_square_km": "box_false_alarms_per_square_km",
}
"""Measure -> its name in `metrics.json`. The last one is there only where the ground area is known."""


OF_TEST = "it is the density of test itself"
Every = Mapping[tuple[str, str], Mapping[str, Score]]
"""Figures by class (or `ALL`) and size, as `scores` computes them."""


def tables(scenes: Scenes, every: Every) -> dict[str, pd.DataFrame]:
    """Fill the tables of `NAMES`."""
    rows = (_pr(scenes), _froc(scenes), _sizes(scenes, every), _errors(scenes))
    return {name: _table(name, own) for name, own in zip(NAMES, rows, strict=True)}


def empty() -> dict[str, pd.DataFrame]:
    """Make the tables of labels without boxes."""
    return {name: _table(name, []) for name in NAMES}


def with_boxes(metrics: Metrics, every: Every) -> Metrics:
    """Add the figures of all classes and sizes to those of `metrics.json`."""
    figures, spans, notes = dict(metrics.figures), dict(metrics.intervals), list(metrics.notes)
    for measure, name in HEADLINES.items():
        if measure not in every[ALL, "all"]:
            continue
        value, interval = every[ALL, "all"][measure]
        if np.isnan(value):
            notes.append(f"{name} is undefined: {interval.reason}")
            continue
        figures[name] = value
        if interval.reason:
            notes.append(f"{name} has no interval: {interval.reason}")
        else:
            spans[name] = (interval.low, interval.high)
    return replace(metrics, figures=figures, intervals=spans, notes=tuple(notes))


def scores(scenes: Scenes) -> dict[tuple[str, str], dict[str, Score]]:
    """Compute every figure with its interval, by class (`ALL` is the mean, or all boxes together) and size."""
    every: dict[tuple[str, str], dict[str, Score]] = {}
    of = box_scores.ranking(scenes)
    for label, name in [(None, ALL), *enumerate(scenes.names)]:
        labels = range(len(scenes.names)) if label is None else [label]
        for number, size in enumerate(SIZES):
            counts = box_scores.counts(scenes, labels, number)
            own = box_scores.ranked_scores(of, label, number) | box_scores.decided_scores(counts, scenes.units)
            if not number:
                own["no_skill_50"] = _no_skill(scenes, labels), intervals.missing("the value of guessing is exact")
                images = np.ones(len(scenes.units))
                own["false_alarms_per_image"] = box_scores.false_alarms(counts, scenes.units, images)
                density = float(counts.objects.sum()) / len(scenes.units)
                for factor in RARER:
                    own[f"precision_{factor}x_rarer"] = box_scores.precision_at(counts, scenes.units, density / factor)
                own["objects_per_image"] = density, intervals.missing(OF_TEST)
                if label is not None and label in scenes.stated:
                    stated = scenes.stated[label]
                    own["objects_per_image_stated"] = stated, intervals.missing("it is stated")
                    own["precision_as_stated"] = box_scores.precision_at(counts, scenes.units, stated)
                if scenes.square_km is not None:
                    ground = float(scenes.square_km.sum())
                    own["false_alarms_per_square_km"] = box_scores.false_alarms(counts, scenes.units, scenes.square_km)
                    own["objects_per_square_km"] = float(counts.objects.sum()) / ground, intervals.missing(OF_TEST)
            every[name, size] = own
    return every


def _sizes(scenes: Scenes, every: Every) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for (name, size), own in every.items():
        labels = [scenes.names.index(name)] if name else range(len(scenes.names))
        objects = box_scores.counts(scenes, labels, list(SIZES).index(size)).objects
        support = int(objects.sum()), len(distinct(scenes.units[objects > 0]))
        rows += [(name, size, measure, value, *span[:2], *support) for measure, (value, span) in own.items()]
    return rows


def _no_skill(scenes: Scenes, labels: range | list[int]) -> float:
    """Compute the average precision at an IoU of 0.5 of the same boxes in random order, a mean over classes."""
    values = np.array([average_precision.random_order(scenes.curve(label)) for label in labels])
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def _points(scenes: Scenes, label: int) -> tuple[Integers, Integers, Floats, int] | None:
    """Cut the ranking of a class at some of its scores: objects found, false alarms, probability, and all objects."""
    curve = scenes.curve(label)
    total = int(curve.objects.sum())
    if not total or not len(curve.scores):
        return None
    ends = np.flatnonzero(np.append(np.diff(curve.scores) != 0, True))
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, min(POINTS, len(ends))).round().astype(np.int64))]
    own = scenes.detections.label == label
    order = np.argsort(scenes.detections.scores[own], kind="stable")
    known, probs = scenes.detections.scores[own][order], scenes.probs[own][order]
    found = np.cumsum(curve.hit, dtype=np.int64)[ends]
    return found, np.asarray(ends + 1 - found, dtype=np.int64), probs[np.searchsorted(known, curve.scores[ends])], total


def _pr(scenes: Scenes) -> list[tuple[object, ...]]:
    """List recall and precision at an IoU of 0.5 by falling threshold."""
    rows: list[tuple[object, ...]] = []
    for label, name in enumerate(scenes.names):
        if points := _points(scenes, label):
            found, false, probs, total = points
            rows += zip([name] * len(found), found / total, found / (found + false), probs, strict=True)
    return rows


def _froc(scenes: Scenes) -> list[tuple[object, ...]]:
    """List false alarms per image and recall at an IoU of 0.5 by falling threshold."""
    rows: list[tuple[object, ...]] = []
    for label, name in enumerate(scenes.names):
        if points := _points(scenes, label):
            found, false, probs, total = points
            rows += zip([name] * len(found), false / len(scenes.units), found / total, probs, strict=True)
    return rows


def _errors(scenes: Scenes) -> list[tuple[object, ...]]:
    """Count what is wrong with the boxes that are decided for, and the objects that are missed, by class."""
    kept = np.flatnonzero(scenes.decided)
    every = scenes.detections
    decided = Detections(every.image[kept], every.label[kept], every.boxes[kept], every.scores[kept])
    found = errors(decided, scenes.truth)
    rows: list[tuple[object, ...]] = []
    for label, name in enumerate(scenes.names):
        cases = [(kind, decided.image[(decided.label == label) & (found.kind == k)]) for k, kind in enumerate(KINDS)]
        lost = scenes.truth.label == label
        cases += [
            ("missed", scenes.truth.image[lost & found.missed]),
            ("missed_without_a_box_nearby", scenes.truth.image[lost & found.unexplained]),
        ]
        rows += [
            (name, kind, len(images), len(distinct(images)), len(distinct(scenes.units[images])))
            for kind, images in cases
        ]
    return rows


def _table(name: str, rows: list[tuple[object, ...]]) -> pd.DataFrame:
    import pandas as pd

    columns = plots.COLUMNS[name]
    return pd.DataFrame(rows, columns=list(columns)).astype(
        {column: "int64" if kind is int else kind for column, kind in columns.items()}
    )
