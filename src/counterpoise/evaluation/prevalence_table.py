"""Precision, recall and average precision of the class that matters where it is rarer or more common than in test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.artifacts import plots
from counterpoise.artifacts.decision import Decision
from counterpoise.calibration import prevalence
from counterpoise.evaluation import estimates
from counterpoise.evaluation.scores import Floats, Score, Truth, Variant, redecided

if TYPE_CHECKING:
    import pandas as pd

GRID = (0.001, 0.5)
"""Smallest and largest share of the grid."""
GRID_SHARES = 45
APART = 0.001
"""Shares whose relative difference is smaller are one share of the grid."""
DIGITS = 6
"""Significant digits of a share, as in the file."""


def prevalence_table(logits: Floats, variants: Mapping[str, Variant], decision: Decision, truth: Truth) -> pd.DataFrame:
    """State precision, recall and average precision of the class that matters at other shares of it.

    Images of test are weighed so that the class has the stated share. `raw`: raw logits; `as it is`: the decision of
    the run; `re-decided`: the one that `decide` made for that share. `raw expected`, `expected`: precision that
    validation's own counts imply for raw logits, and for the decision of the run.

    Args:
        logits: (n, c) raw logits of test.
        variants: What they give, raw and decided.
        decision: The decision, with what it holds for each share.
        truth: What the images are.
    """
    import pandas as pd

    index = truth.positive
    test_share = float(truth.targets[:, index].mean())
    places = [("target", decision.target[index])]
    if 0 < test_share < 1:
        places.append(("test", test_share))
    rows: list[tuple[object, ...]] = []
    for place, share in places:
        rows += _rows(place, share, {"raw": variants["raw"], "as it is": variants["decided"]}, decision, truth)
    for number, other in enumerate(decision.prevalences):
        again = redecided(logits, decision.moved(number))
        shown = {"raw": variants["raw"], "as it is": variants["decided"], "re-decided": again}
        rows += _rows("stated", other.prevalence, shown, decision, truth)
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["prevalence"]))


def prevalence_grid(decided: Variant, decision: Decision, truth: Truth) -> pd.DataFrame:
    """State what the decision of the run costs at many shares of the class that matters, for a slider to look up.

    Precision and its interval are those of `prevalence_table`. False alarms for each image found are (1 - p) / p of a
    precision p, and so are the ends of their interval. `flagged_per_1000` counts the images decided for.

    Args:
        decided: What the decision of the run gives.
        decision: The decision, with the shares of target and other places, which the grid includes.
        truth: What the images are.

    Returns:
        Three rows for each share, by rising share; shares from 0.001 to 0.5 are evenly spaced by their logarithm.
    """
    import pandas as pd

    index = truth.positive
    positives = truth.targets[:, index]
    rates = estimates.rates(positives, decided.decided[:, index], truth.units)
    rows: list[tuple[object, ...]] = []
    for share in _grid_shares(decision, float(positives.mean()), index):
        value, interval = estimates.precision_at(rates, share)
        flagged, ends = estimates.flagged_at(rates, share)
        alarms = (_alarms(value), _alarms(interval.high), _alarms(interval.low))
        scores = (value, interval.low, interval.high), alarms, tuple(1000 * n for n in (flagged, ends.low, ends.high))
        rows += [(share, figure, *score) for figure, score in zip(plots.GRID_FIGURES, scores, strict=True)]
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["prevalence_grid"]))


def _grid_shares(decision: Decision, of_test: float, index: int) -> list[float]:
    """List the shares of the grid, with those of target, test and stated places, with as many digits as in the file."""
    places = [decision.target[index], of_test, *(other.prevalence for other in decision.prevalences)]
    shares: list[float] = []
    for share in (*places, *np.geomspace(*GRID, GRID_SHARES).tolist()):
        if 0 < share < 1 and all(abs(share - other) > APART * other for other in shares):
            shares.append(float(f"{share:.{DIGITS}g}"))
    return sorted(shares)


def _alarms(precision: float) -> float:
    """Compute the false alarms for each image found; NaN if nothing is found."""
    return (1 - precision) / precision if precision > 0 else float("nan")


def _rows(
    place: str, share: float, variants: Mapping[str, Variant], decision: Decision, truth: Truth
) -> list[tuple[object, ...]]:
    """Make the rows of one share: what is expected from validation, then what test shows for each variant."""
    rows: list[tuple[object, ...]] = []
    for name, counts, effects in (
        ("raw expected", decision.val_raw, decision.val_raw_effects),
        ("expected", decision.val_decided, decision.val_decided_effects),
    ):
        value, interval = prevalence.expected_precision(counts[truth.positive], share, effects)
        rows.append((place, share, name, "precision", value, interval.low, interval.high))
    for name, variant in variants.items():
        for figure, (value, interval) in _at(variant, truth, share).items():
            rows.append((place, share, name, figure, value, interval.low, interval.high))
    return rows


def _at(variant: Variant, truth: Truth, share: float) -> dict[str, Score]:
    """Compute the figures of a variant on images weighed to a share of the class that matters."""
    positives, decided = truth.targets[:, truth.positive], variant.decided[:, truth.positive]
    return {
        "precision": estimates.precision_at(estimates.rates(positives, decided, truth.units), share),
        "recall": estimates.recall(positives, decided, truth.units),
        "average_precision": estimates.average_precision_at(
            positives, variant.probs[:, truth.positive], truth.units, share
        ),
    }
