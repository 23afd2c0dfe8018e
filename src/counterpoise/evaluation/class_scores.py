"""The figures of one class against the rest: in the headline, in the table of classes, and at another prevalence."""

from __future__ import annotations

from counterpoise.evaluation import estimates
from counterpoise.evaluation.scores import Score, Truth, Variant


def of_positive(variant: Variant, truth: Truth) -> dict[str, Score]:
    """Compute the figures of ranking for the class that matters against the rest."""
    positives, scores = truth.targets[:, truth.positive], variant.probs[:, truth.positive]
    return {
        "average_precision": estimates.average_precision(positives, scores, truth.units),
        "roc_auc": estimates.roc_auc(positives, scores, truth.units),
    }


def of_class(variant: Variant, truth: Truth, index: int) -> dict[str, Score]:
    """Compute precision, recall and average precision of a class."""
    positives, decided = truth.targets[:, index], variant.decided[:, index]
    return {
        "precision": estimates.precision(positives, decided, truth.units),
        "recall": estimates.recall(positives, decided, truth.units),
        "average_precision": estimates.average_precision(positives, variant.probs[:, index], truth.units),
    }
