"""Many labels per image: figures over labels and over pairs of image and label, calibration of every label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from counterpoise import seeds
from counterpoise.evaluation import estimates
from counterpoise.evaluation.class_scores import of_positive
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
from counterpoise.metrics import influence, multilabel, probability
from counterpoise.metrics.arguments import Values

if TYPE_CHECKING:
    import pandas as pd

HEADLINES = (
    "mean_average_precision",
    "macro_f1",
    "micro_f1",
    "exact_match",
    "coverage",
    "average_precision",
    "expected_calibration_error",
)
RAW = "macro_f1"
RAW_RULE = "a probability of at least 0.5"
MEANS_OVER_CLASSES = ("macro_f1", "mean_average_precision")
LEARNING_CURVE = "mean average precision"
DEPEND_ON_SHARES = "precision, average precision, F1, calibration error and Brier score"


def figures(variant: Variant, truth: Truth) -> dict[str, Score]:
    """Compute every figure of a variant with its interval."""
    targets, probs, decided, units = truth.targets, variant.probs, variant.decided, truth.units
    alike, count = np.zeros(len(targets), dtype=np.int64), targets.shape[1]

    def by_unit(value: Values, values: Floats, high: float) -> Score:
        return estimates.from_influence(float(value), values, alike, units, 0, high)

    return {
        "mean_average_precision": estimates.mean_average_precision(targets, probs, units),
        "macro_f1": estimates.multilabel_macro_f1(targets, decided, units),
        "micro_f1": by_unit(multilabel.micro_f1(targets, decided), influence.micro_f1(targets, decided), 1),
        "exact_match": estimates.share((targets == decided).all(axis=1), units),
        "coverage": by_unit(multilabel.coverage(targets, probs), influence.coverage(targets, probs), count),
        "expected_calibration_error": calibration_error(variant, truth),
        "brier_score": by_unit(multilabel.brier(targets, probs), influence.multilabel_brier(targets, probs), 1),
    } | of_positive(variant, truth)


def decision_influences(targets: Booleans, decided: Booleans) -> dict[str, Floats]:
    """Compute the influence of each image on figures of the decisions."""
    return {
        "macro_f1": influence.multilabel_macro_f1(targets, decided),
        "micro_f1": influence.micro_f1(targets, decided),
        "exact_match": influence.exact_match(targets, decided),
    }


def probability_influences(targets: Booleans, probs: Floats) -> dict[str, Floats]:
    """Compute the influence of each image on the Brier score."""
    return {"brier_score": influence.multilabel_brier(targets, probs)}


def missed(index: int, targets: Booleans, decided: Booleans) -> Booleans:
    """Decide for no label."""
    return np.zeros(targets.shape[1], dtype=bool)


def calibration_error(variant: Variant, truth: Truth) -> Score:
    """Compute the calibration error of all pairs of image and label."""
    probs = variant.probs.ravel()
    return estimates.calibration_error(
        truth.targets.ravel() - probs,
        probability.bins_of(probs, BINS),
        np.repeat(truth.units, truth.targets.shape[1]),
        count=BINS,
        resamples=truth.resamples,
        rng=seeds.generator(truth.seed, "calibration error"),
    )


def learning_curve(variant: Variant, targets: Booleans, weights: Weights) -> Values:
    """Compute mean average precision over the labels that are present."""
    return multilabel.mean_average_precision(targets, variant.probs, weights)


def no_skill(truth: Truth) -> dict[str, float]:
    """Compute the mean share of the labels that are present, which is what guessing scores, and count them."""
    present = truth.targets[:, truth.targets.any(axis=0)]
    share = float(present.mean()) if present.size else 0.0
    return {"no_skill_mean_average_precision": share, "classes_present": present.shape[1]}


def confusion_table(variant: Variant, truth: Truth, names: tuple[str, ...]) -> pd.DataFrame:
    """Write for each image whether the label that matters is there, and whether it was decided."""
    import pandas as pd

    name = names[truth.positive]
    cells = np.array([f"not {name}", name], dtype=object)
    actual, decided = (matrix[:, truth.positive].astype(int) for matrix in (truth.targets, variant.decided))
    return pd.DataFrame({"actual": cells[actual], "decided": cells[decided]})


def forecasts(probs: Floats, targets: Booleans) -> tuple[Floats, Booleans]:
    """Choose all pairs of image and label."""
    return probs, targets
