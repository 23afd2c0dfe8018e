"""Score the decisions on the test set, with confidence intervals.

Reads `results/predictions/test.parquet`, `results/detections/test/`, `models/decision.json`, and for detections
`data/manifest.csv`, `data/splits.csv` and `data/scenes.csv`. Writes
`reports/metrics.json`, `reports/plots/` and `reports/evaluate.sums`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from counterpoise import labels
from counterpoise.artifacts import decision as decision_file
from counterpoise.artifacts import detections, manifest, metrics, plots, predictions, scenes, splits
from counterpoise.artifacts.decision import Boxes
from counterpoise.config import Prevalences, Section, Seed
from counterpoise.decision import boxes
from counterpoise.decision.class_names import PositiveName
from counterpoise.engine.threads import one_thread
from counterpoise.evaluation import box_tables, tasks
from counterpoise.evaluation.box_scores import Scenes
from counterpoise.evaluation.class_scores import of_class
from counterpoise.evaluation.differences import differences_table
from counterpoise.evaluation.estimates import Floats
from counterpoise.evaluation.headline import headline
from counterpoise.evaluation.prevalence_table import prevalence_grid, prevalence_table
from counterpoise.evaluation.scores import Truth, units_of_classes, variants
from counterpoise.evaluation.tables import calibration_table, precision_recall_table, scores_table
from counterpoise.metrics.arguments import unit_codes
from counterpoise.stages import count_of, run, warn
from counterpoise.storage import ArtifactError

if TYPE_CHECKING:
    import pandas as pd


NO_INTERVAL = "has no interval"
"""The words of notes about figures without an interval; the console has one line for all of them."""


class Evaluate(Prevalences, PositiveName):
    """Section `evaluate`."""

    model_config = Section.model_config

    resamples: int = Field(ge=100, le=10_000)
    """Number of resamples for the interval of the calibration error and for a learning curve, in 100..10,000. Beyond
    10,000 the ends of intervals no longer move."""


class Params(Section):
    """What this stage reads."""

    seed: Seed
    evaluate: Evaluate


def score(
    test: predictions.Predictions, decision: decision_file.Decision, params: Evaluate, seed: int
) -> tuple[metrics.Metrics, dict[str, pd.DataFrame]]:
    """Score predictions on the test set.

    Args:
        test: Raw logits.
        decision: How logits become decisions, and the class that matters.
        params: Section `evaluate`.
        seed: Seed of these draws.

    Returns:
        The headline metrics, and the tables of the plots; those of boxes have no rows yet.

    Raises:
        ArtifactError: Predictions and decision are from different runs.
    """
    names, task = decision.classes, tasks.find(decision.task)
    if test.classes != names:
        raise ArtifactError(
            f"{predictions.path('test')} has the classes {test.classes}, but {decision_file.PATH} has {names}; run "
            "`dvc repro`"
        )
    targets, units = labels.indicators(test.labels, names), unit_codes(test.groups)
    truth = Truth(targets, units, names.index(decision.positive), params.resamples, seed)
    logits = test.logits.astype(np.float64)
    by_variant = variants(logits, decision)
    scores = {name: task.figures(variant, truth) for name, variant in by_variant.items()}
    decided = by_variant["decided"]
    tables = {
        "confusion": task.confusion_table(decided, truth, names),
        "precision_recall": precision_recall_table(decided, truth),
        "calibration": calibration_table(by_variant, truth, task.forecasts),
        "classes": task.per_class(decided, truth, names),
        "scores": scores_table(scores),
        "differences": differences_table(by_variant, scores, truth, task),
        "prevalence": prevalence_table(logits, by_variant, decision, truth),
        "prevalence_grid": prevalence_grid(decided, decision, truth),
    } | box_tables.empty()
    return headline(scores, of_class(decided, truth, truth.positive), truth, decision, task), tables


def scenes_of(
    test: predictions.Predictions, found: detections.Tables, decision: Boxes, square_km: Floats | None = None
) -> Scenes:
    """Decide for boxes, and put them beside the objects that are there.

    Args:
        test: The images, with their units.
        found: Detections and objects.
        decision: Which boxes are decided for.
        square_km: (images,) ground that each shows; `None` where it is unknown.
    """
    there, truth = detections.arrays(found, "test", test.image_ids, test.classes)
    return Scenes(
        there,
        truth,
        boxes.probabilities(decision, there.scores, there.label),
        boxes.decided(decision, there.scores, there.label),
        unit_codes(test.groups),
        test.classes,
        square_km,
        boxes.stated_density(decision),
    )


def console_warnings(notes: Sequence[str], names: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Shorten the notes of `metrics.json` for the console: one line for all figures without an interval.

    Args:
        notes: What a reader must know, without the first two notes, which explain the metrics.
        names: Names of the classes.
        counts: Number of units with a test image of each class.
    """
    lines = [note for note in notes if NO_INTERVAL not in note]
    if len(lines) < len(notes):
        fewest, name = min((count, name) for name, count in zip(names, counts, strict=True) if count)
        lines.append(
            f"{count_of(len(notes) - len(lines), 'figure')} without an interval, with {count_of(fewest, 'unit')} of "
            f"{name!r} in test; {metrics.PATH} says why; label more images"
        )
    elif rough := [pair for pair in zip(counts, names, strict=True) if 0 < pair[0] < metrics.ROUGH_UNITS]:
        fewest, name = min(rough)
        lines.append(f"only {count_of(fewest, 'unit')} of {name!r} in test: the intervals are rough; label more images")
    return lines


def main(root: Path, params: Params) -> None:
    """Score and write, and print the metrics with their 95 % intervals."""
    test, decision = predictions.read(root, "test"), decision_file.read(root)
    with one_thread():
        result, tables = score(test, decision, params.evaluate, params.seed)
        if decision.boxes is not None:
            images = splits.join(root, manifest.read(root), splits.read(root))
            square_km = scenes.square_km(scenes.read(root), images, test.image_ids)
            there = scenes_of(test, detections.read(root, "test"), decision.boxes, square_km)
            every = box_tables.scores(there)
            result, tables = box_tables.with_boxes(result, every), tables | box_tables.tables(there, every)
    counts = units_of_classes(labels.indicators(test.labels, test.classes), unit_codes(test.groups)).tolist()
    for line in console_warnings(result.notes[2:], test.classes, counts):
        warn(line)
    if other := metrics.compare_with_commit(root, result):
        warn(
            f"{other}. So `dvc metrics diff` does not show what a remedy changed. To compare with this run from now "
            "on, commit it: git commit -am Baseline"
        )
    metrics.write(root, result)
    plots.write(root, tables)
    print(f"{'metric on test':32s}{'value':>9s}  [95 % interval]")
    for name, value in result.figures.items():
        span = result.intervals.get(name)
        print(f"{name:32s}{value:9.4g}" + (f"  [{span[0]:.3f}, {span[1]:.3f}]" if span else ""))


if __name__ == "__main__":
    run(main, Params)
