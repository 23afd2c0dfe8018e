"""Score the decisions on test, with intervals.

Reads `results/predictions/test.parquet`, `models/decision.json`, `data/classes.json`. Writes `reports/metrics.json` and
`reports/plots/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from counterpoise import calibration, decisions, intervals, labels, metrics, seeds
from counterpoise.artifacts import classes, decision, plots, predictions
from counterpoise.artifacts import metrics as metrics_file
from counterpoise.config import PATH, InputError, Section, suggest
from counterpoise.stages import run, warn

BINS = 15
"""Of the expected calibration error and the calibration plot."""

Floats = NDArray[np.float64]


class Evaluate(Section):
    """Section `evaluate`."""

    positive: str | None
    """The class that matters; `null` takes the rarest."""
    resamples: int = Field(ge=100)
    """Bootstrap resamples behind the intervals of composite figures."""


class Params(Section):
    """What this stage reads."""

    seed: int = Field(ge=0)
    evaluate: Evaluate


@dataclass(frozen=True)
class Way:
    """One way to use the same logits.

    Attributes:
        probs: (n, c).
        decided: (n,) class indices.
    """

    probs: Floats
    decided: NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """What test images are.

    Attributes:
        targets: (n,) class indices.
        groups: (n,) what a resample takes as a whole.
        weights: (b, n) how often each resample holds each image.
        positive: Index of the class that matters.
    """

    targets: NDArray[np.int64]
    groups: tuple[str, ...]
    weights: NDArray[np.int32]
    positive: int


def ways(logits: Floats, chosen: decision.Decision) -> dict[str, Way]:
    """Use the logits three ways, so that it shows when a remedy did nothing but move the threshold.

    Args:
        logits: (n, c) raw logits.
        chosen: The decision.

    Returns:
        `raw`: softmax of the logits, most probable class; `calibrated`: moved to the target prior, most probable
        class; `decided`: the same probabilities under the chosen rule.
    """
    count = len(chosen.classes)
    ones, zeros, identity = np.ones(count), np.zeros(count), np.eye(count)
    offset = np.array(chosen.val_offset) + np.array(chosen.target_offset)
    raw = calibration.apply(logits, ones, zeros, zeros)
    moved = calibration.apply(logits, np.array(chosen.scale), np.array(chosen.bias), offset)
    return {
        "raw": Way(raw, decisions.decide(raw, identity)),
        "calibrated": Way(moved, decisions.decide(moved, identity)),
        "decided": Way(moved, decisions.decide(moved, np.array(chosen.gain))),
    }


def figures(way: Way, truth: Truth) -> dict[str, tuple[float, intervals.Interval]]:
    """Compute every composite figure with its interval, by bootstrap over groups; and accuracy, by Wilson.

    Args:
        way: Probabilities and decisions.
        truth: What the images are.

    Returns:
        Name -> (value, interval); NaN where a figure is undefined on these images.
    """
    positives, scores = truth.targets == truth.positive, way.probs[:, truth.positive]
    count = way.probs.shape[1]
    tables: dict[bool, Floats] = {
        resampled: np.asarray(
            metrics.confusion(truth.targets, way.decided, count, truth.weights if resampled else None),
            dtype=np.float64,
        )
        for resampled in (False, True)
    }

    def from_confusion(figure: Callable[[Floats], object]) -> tuple[float, intervals.Interval]:
        return float(figure(tables[False])), intervals.percentile(figure(tables[True]))  # type: ignore[arg-type]

    def from_examples(
        figure: Callable[[NDArray[np.int32] | None], object],
    ) -> tuple[float, intervals.Interval]:
        return float(figure(None)), intervals.percentile(figure(truth.weights))  # type: ignore[arg-type]

    right = truth.targets == way.decided
    return {
        "accuracy": (float(right.mean()), rate(right, truth.groups)[1]),
        "balanced_accuracy": from_confusion(metrics.balanced_accuracy),
        "macro_f1": from_confusion(metrics.macro_f1),
        "matthews": from_confusion(metrics.matthews),
        "average_precision": from_examples(lambda w: metrics.average_precision(positives, scores, w)),
        "roc_auc": from_examples(lambda w: metrics.roc_auc(positives, scores, w)),
        "expected_calibration_error": from_examples(
            lambda w: metrics.expected_calibration_error(way.probs, truth.targets, w, BINS)
        ),
        "brier_score": from_examples(lambda w: metrics.brier(way.probs, truth.targets, w)),
    }


def rate(successes: NDArray[np.bool_], groups: tuple[str, ...] | NDArray[np.str_]) -> tuple[float, intervals.Interval]:
    """Compute a share and Wilson's interval, wider where the images of a group resemble each other; NaN of nothing."""
    if not len(successes):
        return float("nan"), intervals.Interval(0.0, 1.0, 0)
    effect = intervals.design_effect(successes, np.asarray(groups))
    low, high = intervals.wilson(int(successes.sum()), len(successes), design_effect=effect)
    return float(successes.mean()), intervals.Interval(float(low), float(high), 0)


def per_class(way: Way, truth: Truth, names: tuple[str, ...]) -> pd.DataFrame:
    """Compute precision, recall and average precision of each class, with counts and no-skill values."""
    groups = np.asarray(truth.groups)
    rows = []
    for index, name in enumerate(names):
        actual, decided = truth.targets == index, way.decided == index
        share = float(actual.mean())
        for measure, subject, among in (("precision", actual, decided), ("recall", decided, actual)):
            value, interval = rate(subject[among], groups[among])
            no_skill = share if measure == "precision" else float("nan")
            rows.append((name, measure, value, interval.low, interval.high, int(among.sum()), no_skill))
        value = float(metrics.average_precision(actual, way.probs[:, index]))
        interval = intervals.percentile(metrics.average_precision(actual, way.probs[:, index], truth.weights))
        rows.append((name, "average_precision", value, interval.low, interval.high, int(actual.sum()), share))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["classes"]))


def calibration_table(found: Mapping[str, Way], truth: Truth) -> pd.DataFrame:
    """Say how often the most probable class is right, by its probability, raw and calibrated."""
    rows = []
    for name in ("raw", "calibrated"):
        probs = found[name].probs
        right = probs.argmax(axis=1) == truth.targets
        predicted, observed, counts = metrics.reliability(probs.max(axis=1).clip(0, 1), right, bins=BINS)
        for bin_predicted, bin_observed, count in zip(predicted, observed, counts, strict=True):
            if count:
                low, high = intervals.wilson(bin_observed * count, count)
                rows.append((name, bin_predicted, bin_observed, float(low), float(high), int(count)))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["calibration"]))


def score(
    test: predictions.Predictions, chosen: decision.Decision, positive: str, params: Evaluate, seed: int
) -> tuple[metrics_file.Metrics, dict[str, pd.DataFrame]]:
    """Score predictions of test.

    Args:
        test: Raw logits.
        chosen: How they become decisions.
        positive: Name of the class that matters.
        params: Section `evaluate`.
        seed: Decides the resamples.

    Returns:
        The headline figures, and the tables behind the plots.
    """
    names = chosen.classes
    targets = labels.targets(test.labels, names)
    weights = intervals.bootstrap_weights(
        np.asarray(test.groups), resamples=params.resamples, rng=seeds.generator(seed, "bootstrap")
    )
    truth = Truth(targets, test.groups, weights, names.index(positive))
    found = ways(test.logits.astype(np.float64), chosen)
    scored = {name: figures(way, truth) for name, way in found.items()}
    table = per_class(found["decided"], truth, names)
    curve = metrics.precision_recall_curve(targets == truth.positive, found["decided"].probs[:, truth.positive])
    tables = {
        "confusion": pd.DataFrame(
            {"actual": [names[k] for k in targets], "decided": [names[k] for k in found["decided"].decided]}
        ),
        "precision_recall": pd.DataFrame(
            {"recall": curve.recall, "precision": curve.precision, "threshold": curve.threshold}
        ),
        "calibration": calibration_table(found, truth),
        "classes": table,
        "scores": pd.DataFrame(
            [
                (way, figure, value, interval.low, interval.high)
                for way, its in scored.items()
                for figure, (value, interval) in its.items()
            ],
            columns=list(plots.COLUMNS["scores"]),
        ),
    }
    return headline(scored, table, truth, chosen, positive, params.resamples), tables


def headline(
    scored: Mapping[str, Mapping[str, tuple[float, intervals.Interval]]],
    table: pd.DataFrame,
    truth: Truth,
    chosen: decision.Decision,
    positive: str,
    resamples: int,
) -> metrics_file.Metrics:
    """Pick the figures that stand in `metrics.json`, and say what a reader must know."""
    own = table[table["class"] == positive].set_index("measure")
    picked = dict(scored["decided"])
    picked["balanced_accuracy_raw"] = scored["raw"]["balanced_accuracy"]
    for measure in ("recall", "precision"):
        value, low, high = own.loc[measure, ["value", "low", "high"]].to_numpy(dtype=np.float64)
        picked[measure] = (float(value), intervals.Interval(float(low), float(high), 0))
    values: dict[str, float] = {}
    spans: dict[str, tuple[float, float]] = {}
    notes = [
        f"recall, precision, average_precision, roc_auc: class {positive!r} against the rest",
        f"decided by rule {chosen.rule!r} at the target prior; balanced_accuracy_raw: the most probable class before "
        "any correction",
    ]
    for name, (value, interval) in picked.items():
        if np.isnan(value):
            reason = "it is never decided" if name == "precision" else "no test image allows it"
            notes.append(f"{name} is undefined: {reason}")
            continue
        values[name] = value
        if not np.isnan(interval.low):
            spans[name] = (interval.low, interval.high)
        if interval.undefined:
            notes.append(
                f"{name}: {interval.undefined} of {resamples} resamples left out, since a class is absent in them"
            )
    count = len(truth.targets)
    positives = int((truth.targets == truth.positive).sum())
    values |= {
        "no_skill_average_precision": positives / count,
        "test_images": count,
        "test_positives": positives,
    }
    present = np.bincount(truth.targets, minlength=len(chosen.classes))
    absent = [name for name, images in zip(chosen.classes, present, strict=True) if not images]
    if absent:
        notes.append(f"classes without a test image, left out of every mean: {absent}")
    held = np.stack([truth.weights[:, truth.targets == index].sum(axis=1) for index in np.flatnonzero(present)])
    lacking = int((held == 0).any(axis=0).sum())
    if lacking:
        notes.append(
            f"balanced_accuracy, macro_f1: {lacking} of {resamples} resamples lack a class, which their means leave out"
        )
    gap = np.abs(present / count - np.array(chosen.target)).max()
    if gap > 0.02:
        notes.append(
            "the classes' shares in test are not those of the target prior: accuracy, precision, average_precision, "
            "calibration error and Brier score hold for test's shares, not for deployment's"
        )
    return metrics_file.Metrics(values, spans, tuple(notes))


def main(root: Path, params: Params) -> None:
    """Score and write."""
    chosen, found = decision.read(root), classes.read(root)
    positive = found.rarest if params.evaluate.positive is None else params.evaluate.positive
    if positive not in chosen.classes:
        raise InputError(f"{PATH}: evaluate.positive is {positive!r}; {suggest(positive, chosen.classes)}")
    result, tables = score(predictions.read(root, "test"), chosen, positive, params.evaluate, params.seed)
    for note in result.notes[2:]:
        warn(note)
    metrics_file.write(root, result)
    plots.write(root, tables)
    for name, value in result.figures.items():
        span = result.intervals.get(name)
        print(f"{name:28s}{value:9.4g}" + (f"  [{span[0]:.3f}, {span[1]:.3f}]" if span else ""))


if __name__ == "__main__":
    run(main, Params)
