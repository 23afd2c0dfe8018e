"""Many labels per image: figures over labels and over pairs of image and label, calibration of every label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from counterpoise.evaluation.scores import (
    BINS,
    Booleans,
    Floats,
    Score,
    Truth,
    Variant,
    Weights,
    bootstrap,
    of_positive,
    rate,
)
from counterpoise.evaluation.tables import per_class as per_class
from counterpoise.metrics import influence, multilabel
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
    targets, probs, decided = truth.targets, variant.probs, variant.decided
    return {
        "mean_average_precision": bootstrap(lambda w: multilabel.mean_average_precision(targets, probs, w), truth),
        "macro_f1": bootstrap(lambda w: multilabel.macro_f1(targets, decided, w), truth),
        "micro_f1": bootstrap(lambda w: multilabel.micro_f1(targets, decided, w), truth),
        "exact_match": rate((targets == decided).all(axis=1), truth.groups),
        "coverage": bootstrap(lambda w: multilabel.coverage(targets, probs, w), truth),
        "expected_calibration_error": bootstrap(
            lambda w: multilabel.calibration_error(targets, probs, w, BINS), truth, grows=True
        ),
        "brier_score": bootstrap(lambda w: multilabel.brier(targets, probs, w), truth),
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
