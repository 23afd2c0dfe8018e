"""Score the decisions on test, with intervals.

Reads `results/predictions/test.parquet`, `models/decision.json`. Writes `reports/metrics.json` and `reports/plots/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from counterpoise import labels, seeds
from counterpoise.artifacts import decision, plots, predictions
from counterpoise.artifacts import metrics as metrics_file
from counterpoise.config import Positive, Section
from counterpoise.evaluation.scores import (
    Estimate,
    Truth,
    Way,
    calibration_table,
    figures,
    per_class,
    prevalence_table,
    ways,
)
from counterpoise.metrics import intervals, ranking
from counterpoise.stages import run, warn
from counterpoise.storage import ArtifactError

HEADLINES = {
    "multiclass": (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "matthews",
        "average_precision",
        "roc_auc",
        "expected_calibration_error",
        "brier_score",
    ),
    "multilabel": (
        "mean_average_precision",
        "macro_f1",
        "micro_f1",
        "exact_match",
        "coverage",
        "average_precision",
        "expected_calibration_error",
    ),
}
"""Figures of the decision that stand in `metrics.json`, by task."""
RAW = {"multiclass": "balanced_accuracy", "multilabel": "macro_f1"}
"""The figure that stands there raw as well, so that a diff shows what correction and rule did."""
OVER_CLASSES = ("balanced_accuracy", "macro_f1", "mean_average_precision")
"""Means over the classes present."""


class Evaluate(Positive):
    """Section `evaluate`."""

    model_config = Section.model_config

    resamples: int = Field(ge=100)
    """Bootstrap resamples behind the intervals of composite figures."""


class Params(Section):
    """What this stage reads."""

    seed: int = Field(ge=0)
    evaluate: Evaluate


def score(
    test: predictions.Predictions, chosen: decision.Decision, params: Evaluate, seed: int
) -> tuple[metrics_file.Metrics, dict[str, pd.DataFrame]]:
    """Score predictions of test.

    Args:
        test: Raw logits.
        chosen: How they become decisions, and which class matters.
        params: Section `evaluate`.
        seed: Decides the resamples.

    Returns:
        The headline figures, and the tables behind the plots.

    Raises:
        ArtifactError: Predictions and decision are of different runs.
    """
    names, groups = chosen.classes, np.asarray(test.groups)
    if test.classes != names:
        raise ArtifactError(f"{predictions.path('test')} has classes {test.classes}, {decision.PATH} {names}")
    weights = intervals.bootstrap_weights(groups, resamples=params.resamples, rng=seeds.generator(seed, "bootstrap"))
    truth = Truth(labels.indicators(test.labels, names), groups, weights, names.index(chosen.positive))
    logits = test.logits.astype(np.float64)
    found = ways(logits, chosen)
    scored = {name: figures(way, truth, chosen.task) for name, way in found.items()}
    table = per_class(found["decided"], truth, names)
    positives, scores = truth.borne[:, truth.positive], found["decided"].probs[:, truth.positive]
    curve = ranking.precision_recall_curve(positives, scores)
    tables = {
        "confusion": confusion_table(found["decided"], truth, chosen),
        "precision_recall": pd.DataFrame(
            {"recall": curve.recall, "precision": curve.precision, "threshold": curve.threshold}
        ),
        "calibration": calibration_table(found, truth, chosen.task),
        "classes": table,
        "scores": pd.DataFrame(
            [
                (way, figure, value, interval.low, interval.high)
                for way, its in scored.items()
                for figure, (value, interval) in its.items()
            ],
            columns=list(plots.COLUMNS["scores"]),
        ),
        "prevalence": prevalence_table(logits, chosen, truth),
    }
    return headline(scored, table, truth, chosen), tables


def confusion_table(way: Way, truth: Truth, chosen: decision.Decision) -> pd.DataFrame:
    """Write what each image is and what was decided; of many labels, for the class that matters and the rest."""
    if chosen.task == "multilabel":
        cells = np.array([f"not {chosen.positive}", chosen.positive], dtype=object)
        columns = [matrix[:, truth.positive].astype(int) for matrix in (truth.borne, way.decided)]
    else:
        cells = np.array(chosen.classes, dtype=object)
        columns = [matrix.argmax(axis=1) for matrix in (truth.borne, way.decided)]
    return pd.DataFrame({"actual": cells[columns[0]], "decided": cells[columns[1]]})


def headline(
    scored: Mapping[str, Mapping[str, Estimate]], table: pd.DataFrame, truth: Truth, chosen: decision.Decision
) -> metrics_file.Metrics:
    """Pick the figures that stand in `metrics.json`, and say what a reader must know."""
    own = table[table["class"] == chosen.positive].set_index("measure")
    picked = {name: scored["decided"][name] for name in HEADLINES[chosen.task]}
    picked[f"{RAW[chosen.task]}_raw"] = scored["raw"][RAW[chosen.task]]
    for measure in ("recall", "precision"):
        value, low, high = own.loc[measure, ["value", "low", "high"]].to_numpy(dtype=np.float64)
        picked[measure] = (float(value), intervals.Interval(float(low), float(high), 0))
    values: dict[str, float] = {name: value for name, (value, _) in picked.items() if not np.isnan(value)}
    spans = {name: (span.low, span.high) for name, (_, span) in picked.items() if not np.isnan(span.low)}
    positives = int(truth.borne[:, truth.positive].sum())
    values["no_skill_average_precision"] = positives / len(truth.borne)
    if chosen.task == "multilabel":
        present = truth.borne[:, truth.borne.any(axis=0)]
        values["no_skill_mean_average_precision"] = float(present.mean()) if present.size else 0.0
        values["classes_present"] = present.shape[1]
    values |= {"test_images": len(truth.borne), "test_positives": positives}
    spans = {name: span for name, span in spans.items() if name in values}
    return metrics_file.Metrics(values, spans, (*explanations(chosen), *warnings(picked, truth, chosen)))


def explanations(chosen: decision.Decision) -> tuple[str, str]:
    """Say what the figures are of: the first two notes, whatever the run."""
    raw = "a probability of at least 0.5" if chosen.task == "multilabel" else "the most probable class"
    one = [name for name in HEADLINES[chosen.task] if name in ("average_precision", "roc_auc")]
    return (
        f"{', '.join(['recall', 'precision', *one])}: class {chosen.positive!r} against the rest",
        f"decided by rule {chosen.rule!r} at the target prior; {RAW[chosen.task]}_raw: {raw} before any correction",
    )


def warnings(picked: Mapping[str, Estimate], truth: Truth, chosen: decision.Decision) -> Iterator[str]:
    """Say what a reader must know of this run's figures: undefined ones, absent classes, another prior."""
    resamples = len(truth.weights)
    for name, (value, interval) in picked.items():
        if np.isnan(value):
            yield f"{name} is undefined: {'it is never decided' if name == 'precision' else 'no test image allows it'}"
        elif interval.undefined:
            yield f"{name}: {interval.undefined} of {resamples} resamples left out, since a class is absent in them"
    present = truth.borne.sum(axis=0)
    absent = [name for name, images in zip(chosen.classes, present, strict=True) if not images]
    if absent:
        yield f"classes without a test image, left out of every mean: {absent}"
    held = truth.weights @ truth.borne[:, present > 0].astype(np.int32)
    lacking = int((held == 0).any(axis=1).sum())
    if lacking:
        means = ", ".join(name for name in picked if name in OVER_CLASSES)
        yield f"{means}: {lacking} of {resamples} resamples lack a class, which their means leave out"
    if np.abs(present / len(truth.borne) - np.array(chosen.target)).max() > 0.02:
        dependent = "accuracy, precision, average_precision, calibration error and Brier score"
        if chosen.task == "multilabel":
            dependent = "precision, average precision, F1, calibration error and Brier score"
        yield (
            "the classes' shares in test are not those of the target prior: "
            f"{dependent} hold for test's shares, not for deployment's"
        )


def main(root: Path, params: Params) -> None:
    """Score and write."""
    result, tables = score(predictions.read(root, "test"), decision.read(root), params.evaluate, params.seed)
    for note in result.notes[2:]:
        warn(note)
    metrics_file.write(root, result)
    plots.write(root, tables)
    for name, value in result.figures.items():
        span = result.intervals.get(name)
        print(f"{name:32s}{value:9.4g}" + (f"  [{span[0]:.3f}, {span[1]:.3f}]" if span else ""))


if __name__ == "__main__":
    run(main, Params)
