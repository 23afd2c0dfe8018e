"""What every task shares: three variants of the predictions, what test images are, and figures with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Decision
from counterpoise.decision import rules
from counterpoise.metrics import intervals, ranking

BINS = 15
"""Of the expected calibration error and the calibration plot."""

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Weights = NDArray[np.int32] | None
Score = tuple[float, intervals.Interval]
"""A figure, NaN where it is undefined on these images, and its 95 % interval."""


@dataclass(frozen=True)
class Variant:
    """One variant of the predictions that the same logits give.

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
        targets: (n, c) their labels; of one class per image, one in each row.
        groups: (n,) what a resample takes as a whole.
        weights: (b, n) how often each resample holds each image.
        positive: Index of the class that matters.
    """

    targets: Booleans
    groups: NDArray[np.str_]
    weights: NDArray[np.int32]
    positive: int


def variants(logits: Floats, decision: Decision) -> dict[str, Variant]:
    """Use the logits in three variants, so that it shows when a remedy did nothing but move the threshold.

    Args:
        logits: (n, c) raw logits.
        decision: How they become probabilities and decisions.

    Returns:
        `raw`: softmax of the logits and the most probable class, or sigmoid and a threshold of 0.5; `calibrated`: the
        same with probabilities moved to the target prior; `decided`: these probabilities under the rule.
    """
    decided = redecided(logits, decision)
    return {
        "raw": Variant(*rules.raw(logits, decision.task)),
        "calibrated": Variant(decided.probs, rules.most_probable(decided.probs, decision.task)),
        "decided": decided,
    }


def redecided(logits: Floats, decision: Decision) -> Variant:
    """Calibrate (n, c) logits, move them to the target prior of the decision, and apply its rule."""
    probs = rules.probabilities(decision, logits)
    return Variant(probs, rules.decided(decision, probs))


def of_positive(variant: Variant, truth: Truth) -> dict[str, Score]:
    """Compute the figures of ranking for the class that matters against the rest."""
    positives, scores = truth.targets[:, truth.positive], variant.probs[:, truth.positive]
    return {
        "average_precision": bootstrap(lambda w: ranking.average_precision(positives, scores, w), truth),
        "roc_auc": bootstrap(lambda w: ranking.roc_auc(positives, scores, w), truth),
    }


def bootstrap(figure: Callable[[Weights], object], truth: Truth, *, grows: bool = False) -> Score:
    """Compute a figure and its interval by bootstrap over groups.

    Args:
        figure: From weights of the images, None or (b, n), to the figure, () or (b,).
        truth: The images and their resamples.
        grows: Whether resampling itself makes the figure larger.
    """
    value, resampled = float(figure(None)), figure(truth.weights)  # type: ignore[arg-type]
    interval = intervals.centred(resampled, value) if grows else intervals.percentile(resampled)  # type: ignore[arg-type]
    return value, interval


def count_units(groups: NDArray[np.str_]) -> int:
    """Count the different units that images, (n,), come from."""
    return len(np.unique(groups))


def rate(successes: Booleans, groups: NDArray[np.str_]) -> Score:
    """Compute a share and Wilson's interval, wider where the images of a group resemble each other; NaN of nothing."""
    if not len(successes):
        return float("nan"), intervals.Interval(0.0, 1.0, 0)
    effect = intervals.design_effect(successes, groups)
    low, high = intervals.wilson(int(successes.sum()), len(successes), design_effect=effect)
    return float(successes.mean()), intervals.Interval(float(low), float(high), 0)
