"""The tables behind the plots that every task fills alike: scores, classes, precision against recall, calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from counterpoise.artifacts import plots
from counterpoise.evaluation.class_scores import of_class
from counterpoise.evaluation.scores import Booleans, Floats, Score, Truth, Variant
from counterpoise.metrics import intervals, ranking

if TYPE_CHECKING:
    import pandas as pd

Reliability = Callable[[Floats, Booleans], tuple[Floats, Floats, Floats]]
"""From probabilities and targets, both (n, c), to mean probability, observed share and count of each bin, (k,) each."""


def scores_table(scores: Mapping[str, Mapping[str, Score]]) -> pd.DataFrame:
    """List every figure of every variant with its interval."""
    import pandas as pd

    rows = [
        (name, figure, value, interval.low, interval.high)
        for name, figures in scores.items()
        for figure, (value, interval) in figures.items()
    ]
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["scores"]))


def per_class(variant: Variant, truth: Truth, names: tuple[str, ...]) -> pd.DataFrame:
    """Compute precision, recall and average precision of each class, with counts and no-skill values."""
    import pandas as pd

    rows = []
    for index, name in enumerate(names):
        actual, decided = truth.targets[:, index], variant.decided[:, index]
        for measure, (value, interval) in of_class(variant, truth, index).items():
            count = int((decided if measure == "precision" else actual).sum())
            no_skill = float("nan") if measure == "recall" else float(actual.mean())
            rows.append((name, measure, value, interval.low, interval.high, count, no_skill))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["classes"]))


def precision_recall_table(variant: Variant, truth: Truth) -> pd.DataFrame:
    """List precision and recall of the class that matters by rising threshold on its probability."""
    import pandas as pd

    curve = ranking.precision_recall_curve(truth.targets[:, truth.positive], variant.probs[:, truth.positive])
    return pd.DataFrame({"recall": curve.recall, "precision": curve.precision, "threshold": curve.threshold})


def calibration_table(variants: Mapping[str, Variant], truth: Truth, reliability: Reliability) -> pd.DataFrame:
    """Say how often what was given a probability is so, raw and calibrated, in bins of the probability.

    Args:
        variants: By name.
        truth: What the images are.
        reliability: What the task compares with a probability.

    Returns:
        One row for each filled bin, with Wilson's interval of what it holds.
    """
    import pandas as pd

    rows = []
    for name in ("raw", "calibrated"):
        for predicted, observed, count in zip(*reliability(variants[name].probs, truth.targets), strict=True):
            if count:
                low, high = intervals.wilson(observed * count, count)
                rows.append((name, predicted, observed, float(low), float(high), int(count)))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["calibration"]))
