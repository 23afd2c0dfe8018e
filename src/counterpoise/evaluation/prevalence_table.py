"""Precision, recall and average precision of the class that matters where it is rarer or more common than in test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from counterpoise.artifacts import plots
from counterpoise.artifacts.decision import Decision
from counterpoise.calibration import prevalence
from counterpoise.evaluation import estimates
from counterpoise.evaluation.scores import Floats, Score, Truth, Variant, redecided
from counterpoise.metrics import intervals

if TYPE_CHECKING:
    import pandas as pd


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


def _rows(
    place: str, share: float, variants: Mapping[str, Variant], decision: Decision, truth: Truth
) -> list[tuple[object, ...]]:
    """Make the rows of one share: what is expected from validation, then what test shows for each variant."""
    rows: list[tuple[object, ...]] = []
    for name, counts in (("raw expected", decision.val_raw), ("expected", decision.val_decided)):
        value, interval = prevalence.expected_precision(counts[truth.positive], share)
        if truth.grouped:
            interval = intervals.missing(estimates.GROUPED)
        rows.append((place, share, name, "precision", value, interval.low, interval.high))
    for name, variant in variants.items():
        for figure, (value, interval) in _at(variant, truth, share).items():
            rows.append((place, share, name, figure, value, interval.low, interval.high))
    return rows


def _at(variant: Variant, truth: Truth, share: float) -> dict[str, Score]:
    """Compute the figures of a variant on images weighed to a share of the class that matters."""
    positives, decided = truth.targets[:, truth.positive], variant.decided[:, truth.positive]
    return {
        "precision": estimates.precision_at(positives, decided, truth.units, share),
        "recall": estimates.recall(positives, decided, truth.units),
        "average_precision": estimates.average_precision_at(
            positives, variant.probs[:, truth.positive], truth.units, share
        ),
    }
