"""The tables behind the plots that every task fills alike: scores, classes, precision against recall, calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.artifacts import plots
from counterpoise.evaluation import estimates
from counterpoise.evaluation.class_scores import of_class
from counterpoise.evaluation.scores import BINS, Booleans, Floats, Score, Truth, Variant, count_units
from counterpoise.metrics import probability, ranking

if TYPE_CHECKING:
    import pandas as pd

Forecasts = Callable[[Floats, Booleans], tuple[Floats, Booleans]]
"""From probabilities and targets, both (n, c), to probabilities to check and whether each came true, (n, k) both."""


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
            among = decided if measure == "precision" else actual
            support = int(among.sum()), count_units(truth.units[among])
            no_skill = float("nan") if measure == "recall" else float(actual.mean())
            rows.append((name, measure, value, interval.low, interval.high, *support, no_skill))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["classes"]))


def precision_recall_table(variant: Variant, truth: Truth) -> pd.DataFrame:
    """List precision and recall of the class that matters by rising threshold on its probability."""
    import pandas as pd

    curve = ranking.precision_recall_curve(truth.targets[:, truth.positive], variant.probs[:, truth.positive])
    return pd.DataFrame({"recall": curve.recall, "precision": curve.precision, "threshold": curve.threshold})


def calibration_table(variants: Mapping[str, Variant], truth: Truth, forecasts: Forecasts) -> pd.DataFrame:
    """Say how often what was given a probability is so, raw and calibrated, in bins of the probability.

    Args:
        variants: By name.
        truth: What the images are.
        forecasts: Which probabilities the task checks.

    Returns:
        One row for each filled bin of equal width, with the interval of the share observed in it, over units.
    """
    import pandas as pd

    rows = []
    for name in ("raw", "calibrated"):
        probs, right = forecasts(variants[name].probs, truth.targets)
        bins = probability.bins_of(probs, BINS)
        units = np.broadcast_to(truth.units[:, None], bins.shape)
        for number in np.unique(bins):
            inside = bins == number
            observed, interval = estimates.share(right[inside], units[inside])
            support = int(inside.sum()), count_units(units[inside])
            rows.append((name, float(probs[inside].mean()), observed, interval.low, interval.high, *support))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["calibration"]))
