"""One class per image: figures of the confusion matrix, calibration of the most probable class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from counterpoise import seeds
from counterpoise.evaluation import estimates
from counterpoise.evaluation.class_scores import of_positive
from counterpoise.evaluation.imaginary_units import instead
from counterpoise.evaluation.scores import (
    BINS,
    Booleans,
    Floats,
    Score,
    Truth,
    Variant,
    Weights,
)
from counterpoise.evaluation.tables import per_class as per_class
from counterpoise.metrics import confusion, influence, probability
from counterpoise.metrics.arguments import Values

if TYPE_CHECKING:
    import pandas as pd

HEADLINES = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "matthews",
    "average_precision",
    "roc_auc",
    "expected_calibration_error",
    "brier_score",
)
RAW = "balanced_accuracy"
RAW_RULE = "the most probable class"
MEANS_OVER_CLASSES = ("balanced_accuracy", "macro_f1")
LEARNING_CURVE = "balanced accuracy"
DEPEND_ON_SHARES = "accuracy, precision, average_precision, calibration error and Brier score"


def figures(variant: Variant, truth: Truth) -> dict[str, Score]:
    """Compute every figure of a variant with its interval."""
    targets, decided = truth.targets.argmax(axis=1), variant.decided.argmax(axis=1)
    probs, count, units = variant.probs, variant.probs.shape[1], truth.units
    return {
        "accuracy": estimates.share(targets == decided, units),
        "balanced_accuracy": estimates.balanced_accuracy(targets, decided, count, units),
        "macro_f1": estimates.macro_f1(targets, decided, count, units),
        "matthews": estimates.matthews(targets, decided, count, units),
        "expected_calibration_error": calibration_error(variant, truth),
        "brier_score": estimates.from_influence(
            float(probability.brier(probs, targets)), influence.brier(probs, targets), targets, units, 0, 2
        ),
    } | of_positive(variant, truth)


def decision_influences(targets: Booleans, decided: Booleans) -> dict[str, Floats]:
    """Compute the influence of each image on figures of the confusion matrix."""
    truth, says, count = targets.argmax(axis=1), decided.argmax(axis=1), targets.shape[1]
    return {
        "accuracy": influence.accuracy(truth, says),
        "balanced_accuracy": influence.balanced_accuracy(truth, says, count),
        "macro_f1": influence.macro_f1(truth, says, count),
        "matthews": influence.matthews(truth, says, count),
    }


def probability_influences(targets: Booleans, probs: Floats) -> dict[str, Floats]:
    """Compute the influence of each image on the Brier score."""
    return {"brier_score": influence.brier(probs, targets.argmax(axis=1))}


def missed(index: int, targets: Booleans, decided: Booleans) -> Booleans:
    """Decide the class that images of this one most often get instead; without any, that of most other images."""
    other = instead(decided[targets[:, index]].sum(axis=0), decided.sum(axis=0), index)
    return np.asarray(np.arange(targets.shape[1]) == other)


def calibration_error(variant: Variant, truth: Truth) -> Score:
    """Compute the calibration error of the most probable class."""
    targets, top = truth.targets.argmax(axis=1), variant.probs.argmax(axis=1)
    confidence = variant.probs.max(axis=1)
    return estimates.calibration_error(
        (top == targets) - confidence,
        probability.bins_of(confidence, BINS),
        truth.units,
        count=BINS,
        resamples=truth.resamples,
        rng=seeds.generator(truth.seed, "calibration error"),
    )


def learning_curve(variant: Variant, targets: Booleans, weights: Weights) -> Values:
    """Compute balanced accuracy of the decisions."""
    actual, decided, count = targets.argmax(axis=1), variant.decided.argmax(axis=1), targets.shape[1]
    return confusion.balanced_accuracy(confusion.confusion_matrix(actual, decided, count, weights))


def no_skill(truth: Truth) -> dict[str, float]:
    """Add nothing: what guessing scores follows from the number of classes."""
    return {}


def confusion_table(variant: Variant, truth: Truth, names: tuple[str, ...]) -> pd.DataFrame:
    """Write the actual and the decided class of each image."""
    import pandas as pd

    cells = np.array(names, dtype=object)
    actual, decided = (matrix.argmax(axis=1) for matrix in (truth.targets, variant.decided))
    return pd.DataFrame({"actual": cells[actual], "decided": cells[decided]})


def forecasts(probs: Floats, targets: Booleans) -> tuple[Floats, Booleans]:
    """Choose the probability of the most probable class, and whether it is right, (n, 1) both."""
    right = probs.argmax(axis=1) == targets.argmax(axis=1)
    return probs.max(axis=1, keepdims=True), right[:, None]
