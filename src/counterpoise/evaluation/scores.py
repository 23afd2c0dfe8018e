"""Figures on test with intervals: of one class per image, of many labels, of each class, and at another prevalence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterpoise.artifacts import plots
from counterpoise.artifacts.decision import Decision
from counterpoise.calibration import prevalence
from counterpoise.decision import rules
from counterpoise.metrics import confusion, intervals, multilabel, probability, ranking

BINS = 15
"""Of the expected calibration error and the calibration plot."""

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Weights = NDArray[np.int32] | None
Estimate = tuple[float, intervals.Interval]
"""A figure, NaN where it is undefined on these images, and its 95 % interval."""


@dataclass(frozen=True)
class Way:
    """One way to use the same logits.

    Attributes:
        probs: (n, c).
        decided: (n, c) what is decided for; of one class per image, one in each row.
    """

    probs: Floats
    decided: Booleans


@dataclass(frozen=True)
class Truth:
    """What test images are.

    Attributes:
        borne: (n, c) what they bear; of one class per image, one in each row.
        groups: (n,) what a resample takes as a whole.
        weights: (b, n) how often each resample holds each image.
        positive: Index of the class that matters.
    """

    borne: Booleans
    groups: NDArray[np.str_]
    weights: NDArray[np.int32]
    positive: int


def ways(logits: Floats, chosen: Decision) -> dict[str, Way]:
    """Use the logits three ways, so that it shows when a remedy did nothing but move the threshold.

    Args:
        logits: (n, c) raw logits.
        chosen: The decision.

    Returns:
        `raw`: softmax of the logits and the most probable class, or sigmoid and a threshold of 0.5; `calibrated`: the
        same with probabilities moved to the target prior; `decided`: these probabilities under the chosen rule.
    """
    moved = rules.probabilities(chosen, logits)
    return {
        "raw": Way(*rules.raw(logits, chosen.task)),
        "calibrated": Way(moved, rules.most_probable(moved, chosen.task)),
        "decided": Way(moved, rules.decided(chosen, moved)),
    }


def figures(way: Way, truth: Truth, task: str) -> dict[str, Estimate]:
    """Compute every figure of a way with its interval: by bootstrap over groups, of plain shares by Wilson."""
    found = _of_labels(way, truth) if task == "multilabel" else _of_classes(way, truth)
    positives, scores = truth.borne[:, truth.positive], way.probs[:, truth.positive]
    return found | {
        "average_precision": _bootstrap(lambda w: ranking.average_precision(positives, scores, w), truth),
        "roc_auc": _bootstrap(lambda w: ranking.roc_auc(positives, scores, w), truth),
    }


def _of_classes(way: Way, truth: Truth) -> dict[str, Estimate]:
    targets, decided = truth.borne.argmax(axis=1), way.decided.argmax(axis=1)
    count = way.probs.shape[1]
    tables = {
        resampled: np.asarray(confusion.confusion_matrix(targets, decided, count, truth.weights if resampled else None))
        for resampled in (False, True)
    }

    def from_confusion(figure: Callable[[Floats], object]) -> Estimate:
        return float(figure(tables[False])), intervals.percentile(figure(tables[True]))  # type: ignore[arg-type]

    return {
        "accuracy": rate(targets == decided, truth.groups),
        "balanced_accuracy": from_confusion(confusion.balanced_accuracy),
        "macro_f1": from_confusion(confusion.macro_f1),
        "matthews": from_confusion(confusion.matthews),
        "expected_calibration_error": _bootstrap(
            lambda w: probability.expected_calibration_error(way.probs, targets, w, BINS), truth, grows=True
        ),
        "brier_score": _bootstrap(lambda w: probability.brier(way.probs, targets, w), truth),
    }


def _of_labels(way: Way, truth: Truth) -> dict[str, Estimate]:
    borne, probs, decided = truth.borne, way.probs, way.decided
    return {
        "mean_average_precision": _bootstrap(lambda w: multilabel.mean_average_precision(borne, probs, w), truth),
        "macro_f1": _bootstrap(lambda w: multilabel.macro_f1(borne, decided, w), truth),
        "micro_f1": _bootstrap(lambda w: multilabel.micro_f1(borne, decided, w), truth),
        "exact_match": rate((borne == decided).all(axis=1), truth.groups),
        "coverage": _bootstrap(lambda w: multilabel.coverage(borne, probs, w), truth),
        "expected_calibration_error": _bootstrap(
            lambda w: multilabel.calibration_error(borne, probs, w, BINS), truth, grows=True
        ),
        "brier_score": _bootstrap(lambda w: multilabel.brier(borne, probs, w), truth),
    }


def _bootstrap(figure: Callable[[Weights], object], truth: Truth, *, grows: bool = False) -> Estimate:
    """Compute a figure and its interval; `grows` says that resampling itself makes it larger."""
    value, resampled = float(figure(None)), figure(truth.weights)  # type: ignore[arg-type]
    interval = intervals.centred(resampled, value) if grows else intervals.percentile(resampled)  # type: ignore[arg-type]
    return value, interval


def rate(successes: Booleans, groups: NDArray[np.str_]) -> Estimate:
    """Compute a share and Wilson's interval, wider where the images of a group resemble each other; NaN of nothing."""
    if not len(successes):
        return float("nan"), intervals.Interval(0.0, 1.0, 0)
    effect = intervals.design_effect(successes, groups)
    low, high = intervals.wilson(int(successes.sum()), len(successes), design_effect=effect)
    return float(successes.mean()), intervals.Interval(float(low), float(high), 0)


def per_class(way: Way, truth: Truth, names: tuple[str, ...]) -> pd.DataFrame:
    """Compute precision, recall and average precision of each class, with counts and no-skill values."""
    rows = []
    for index, name in enumerate(names):
        actual, decided = truth.borne[:, index], way.decided[:, index]
        share = float(actual.mean())
        for measure, subject, among in (("precision", actual, decided), ("recall", decided, actual)):
            value, interval = rate(subject[among], truth.groups[among])
            no_skill = share if measure == "precision" else float("nan")
            rows.append((name, measure, value, interval.low, interval.high, int(among.sum()), no_skill))
        scores = way.probs[:, index]
        value = float(ranking.average_precision(actual, scores))
        interval = intervals.percentile(ranking.average_precision(actual, scores, truth.weights))
        rows.append((name, "average_precision", value, interval.low, interval.high, int(actual.sum()), share))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["classes"]))


def calibration_table(found: Mapping[str, Way], truth: Truth, task: str) -> pd.DataFrame:
    """Say how often what was given a probability is so, raw and calibrated, in bins of the probability.

    Of one class per image: whether the most probable class is right; of many labels: whether a label is borne, over
    all pairs of image and label. Intervals are Wilson's of the images or pairs in a bin.
    """
    rows = []
    for name in ("raw", "calibrated"):
        probs = found[name].probs
        if task == "multilabel":
            predicted, observed, counts = multilabel.reliability(truth.borne, probs, BINS)
        else:
            right = probs.argmax(axis=1) == truth.borne.argmax(axis=1)
            predicted, observed, counts = probability.reliability(probs.max(axis=1).clip(0, 1), right, bins=BINS)
        for bin_predicted, bin_observed, count in zip(predicted, observed, counts, strict=True):
            if count:
                low, high = intervals.wilson(bin_observed * count, count)
                rows.append((name, bin_predicted, bin_observed, float(low), float(high), int(count)))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["calibration"]))


def prevalence_table(logits: Floats, chosen: Decision, truth: Truth) -> pd.DataFrame:
    """State precision, recall and average precision of the class that matters at other shares of it.

    Images of test are weighed so that the class has the stated share. `raw`: logits as they are; `as it is`: the
    decision of the run; `re-decided`: the one that `decide` made for that share. `raw expected`, `expected`: precision
    that validation's own counts promise for raw logits, and for the decision as it is.

    Args:
        logits: (n, c) raw logits of test.
        chosen: The decision, with what it holds for each share.
        truth: What the images are.
    """
    index = truth.positive
    positives = truth.borne[:, index]
    own = float(positives.mean())
    probs = rules.probabilities(chosen, logits)
    as_it_is, raw = Way(probs, rules.decided(chosen, probs)), Way(*rules.raw(logits, chosen.task))
    places = [("target", chosen.target[index], chosen)]
    if 0 < own < 1:
        places.append(("test", own, chosen))
    places += [("stated", other.prevalence, chosen.moved(number)) for number, other in enumerate(chosen.prevalences)]
    rows: list[tuple[object, ...]] = []
    for kind, share, redecided in places:
        for name, counts in (("raw expected", chosen.val_raw), ("expected", chosen.val_decided)):
            value, interval = prevalence.expected_precision(counts[index], share)
            rows.append((kind, share, name, "precision", value, interval.low, interval.high))
        moved = rules.probabilities(redecided, logits)
        again = Way(moved, rules.decided(redecided, moved))
        for name, way in (("raw", raw), ("as it is", as_it_is), ("re-decided", again)):
            if name == "re-decided" and kind != "stated":
                continue
            for figure, (value, interval) in _at(way, truth, share).items():
                rows.append((kind, share, name, figure, value, interval.low, interval.high))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["prevalence"]))


def _at(way: Way, truth: Truth, share: float) -> dict[str, Estimate]:
    positives, decided = truth.borne[:, truth.positive], way.decided[:, truth.positive]
    scores = way.probs[:, truth.positive]
    weighed = (prevalence.importance(positives, share), prevalence.importance(positives, share, truth.weights))

    def of(numerator: Booleans, denominator: Booleans) -> Estimate:
        values = [
            np.divide(w @ numerator, w @ denominator, out=np.full(np.shape(w)[:-1], np.nan), where=w @ denominator > 0)
            for w in weighed
        ]
        return float(values[0]), intervals.percentile(values[1])

    ranked = [ranking.average_precision(positives, scores, w) for w in weighed]
    return {
        "precision": of(positives & decided, decided),
        "recall": of(positives & decided, positives),
        "average_precision": (float(ranked[0]), intervals.percentile(ranked[1])),
    }
