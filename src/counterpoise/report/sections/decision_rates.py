"""The section of the report that shows how often each label is decided, raw and by the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.calibration import prior_ledger
from counterpoise.report.charts import variants as variants_chart
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, drawn, folded_classes, shown_classes
from counterpoise.report.sections.prior_ledger import MATERIAL, prior_seen
from counterpoise.report.texts import PointEstimate, write_count, write_value

if TYPE_CHECKING:
    import altair as alt

RAW, MOVED, DECIDED = "raw, 0.5", "raw, corrected", "re-decided"
"""How a label is decided: raw with threshold 0.5, raw with threshold w / (1 + w), or by the rule."""


def raised(facts: Facts) -> bool:
    """Say whether the remedies changed the odds of labels, or changed them by an unknown factor."""
    factors = odds_factors(facts)
    return factors is None or bool(np.max(np.maximum(factors, 1 / factors)) > MATERIAL)


def odds_factors(facts: Facts) -> NDArray[np.float64] | None:
    """Compute the factor of the whole ledger on the odds of each label, (c,); None if a line is unknown."""
    decision = facts.decision
    seen = prior_seen(decision, decision.ledger)
    return None if seen is None else np.exp(prior_ledger.offset(decision.natural, seen, task=decision.task))


def decided_counts(facts: Facts) -> dict[str, NDArray[np.int64]]:
    """Count the test images for which each label is decided, for each of the three thresholds.

    Returns:
        Maps `RAW`, `MOVED` and `DECIDED` to (c,) counts; without `MOVED` if w is unknown.
    """
    factors, raw = odds_factors(facts), facts.test.logits
    decided = {RAW: raw >= 0}
    if factors is not None:
        decided[MOVED] = raw >= np.log(factors)
    decided[DECIDED] = facts.decided
    return {variant: labels.sum(axis=0) for variant, labels in decided.items()}


def decision_rates(facts: Facts) -> Part:
    """Compare how often labels are decided by a threshold of 0.5 on raw outputs, and after correction."""
    factors, counts = odds_factors(facts), decided_counts(facts)
    present = facts.targets.sum(axis=0)
    totals = {variant: write_count(number.sum()) for variant, number in counts.items()}
    text = (
        f"Test has {counted(int(present.sum()), 'label')}. On raw outputs, a threshold of 0.5 decides {totals[RAW]}"
        + (f" and the corrected threshold decides {totals[MOVED]}" if MOVED in totals else "")
        + f". Rule “{facts.decision.rule}” decides {totals[DECIDED]}."
    )
    caption = f"Tick: the share of test images that have the label.{shown_classes(facts)}"
    why = "The effect of a remedy on the odds cannot be calculated here, so only calibration can undo it."
    if factors is not None:
        undone = f"“{facts.decision.calibrator}”, which learned the odds of validation"
        if any(facts.decision.val_offset):
            undone = "the offset that the ledger adds to the logits"
        why = (
            "In training, remedies made labels more or less probable than they are. A threshold of 0.5 on raw outputs "
            "therefore means another probability, named beside each label. The corrected threshold undoes this, "
            f"and so does {undone}."
        )
        caption += (
            " With odds multiplied by w, 0.5 means a probability of 1 / (1 + w); the corrected threshold is "
            "w / (1 + w)."
        )
    cells = {
        k: (write_count(present[k]), *(write_count(number[k]) for number in counts.values())) for k in facts.folded
    }
    folds = folded_classes(facts, "Test images, by label.", ("with the label", *counts), cells)
    heading = "How often each label is decided"
    return Part("called", heading, (text, why), drawn(_chart(facts)), caption, folds=folds, closed=True)


def _chart(facts: Facts) -> alt.LayerChart:
    import pandas as pd

    factors, counts, images = odds_factors(facts), decided_counts(facts), max(len(facts.targets), 1)
    present = facts.targets.sum(axis=0)
    rows = [
        variants_chart.row(
            facts.names[k],
            variant,
            PointEstimate(number[k] / images),
            note="" if factors is None else f"0.5 means {write_value(1 / (1 + factors[k]), 3)}",
            reference=present[k] / images,
        )
        for k in facts.shown
        for variant, number in counts.items()
    ]
    title = "Share of images on which it is decided"
    return variants_chart.variants(
        pd.DataFrame(rows),
        title=title,
        description=variants_chart.describe(title, rows),
        reference_name="share of images with the label",
    )
