"""The part of the report page that shows how often each of many labels is decided, raw and by the rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise.calibration import prior_ledger
from counterpoise.report.charts.dot_whisker import Measure, dots_by_way
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.texts import write_count, write_value
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, as_markup, folded_classes, shown_classes
from counterpoise.report.sections.prior_ledger import MATERIAL, prior_seen
from counterpoise.report.sections.variants import COLOURS

RAW, MOVED, DECIDED = "raw, 0.5", "raw, moved", "re-decided"
"""How a label is decided: by raw outputs from 0.5 on, or from w / (1 + w) on, or as the rule does."""


def raised(facts: Facts) -> bool:
    """Say whether raw outputs of labels hold under other odds than those of the labels, or under unknown ones."""
    factors = odds_factors(facts)
    return factors is None or bool(np.max(np.maximum(factors, 1 / factors)) > MATERIAL)


def odds_factors(facts: Facts) -> NDArray[np.float64] | None:
    """Compute by how much the whole ledger multiplies the odds of each label, (c,); None where a line is unknown."""
    decision = facts.decision
    seen = prior_seen(decision, decision.ledger)
    return None if seen is None else np.exp(prior_ledger.offset(decision.natural, seen, task=decision.task))


def decided_counts(facts: Facts) -> dict[str, NDArray[np.int64]]:
    """Count the test images on which each label is decided by raw outputs, by them with threshold moved, by the rule.

    Returns:
        `RAW`, `MOVED`, `DECIDED` to (c,) counts; `MOVED`, raw outputs from w / (1 + w) on, is there where w is known.
    """
    factors, raw = odds_factors(facts), facts.test.logits
    decided = {RAW: raw >= 0}
    if factors is not None:
        decided[MOVED] = raw >= np.log(factors)
    decided[DECIDED] = facts.decided
    return {variant: labels.sum(axis=0) for variant, labels in decided.items()}


def decision_rates(facts: Facts) -> Part:
    """Show how often each label is decided by a threshold of 0.5 on raw outputs, and once the ledger is undone."""
    factors, counts, images = odds_factors(facts), decided_counts(facts), len(facts.targets)
    present = facts.targets.sum(axis=0)

    def measure(k: int) -> Measure:
        shares = {variant: PointEstimate(number[k] / max(images, 1)) for variant, number in counts.items()}
        note = "" if factors is None else f"0.5 means p = {write_value(1 / (1 + factors[k]), 3)}"
        return Measure(facts.names[k], shares, note, reference=present[k] / max(images, 1))

    measures = [measure(k) for k in facts.shown]
    alt = "Share of test images on which a label is decided. " + "; ".join(
        f"{m.name}: {write_value(m.reference or 0.0)} bear it, "
        + ", ".join(f"{variant} {share.text}" for variant, share in m.ways.items())
        for m in measures
    )
    chart = dots_by_way(
        measures,
        title="How often each label is decided",
        alt=alt,
        series={RAW: COLOURS["raw"], MOVED: COLOURS["calibrated"], DECIDED: COLOURS["re-decided"]},
        reference_name="bear the label",
    )
    totals = {variant: write_count(number.sum()) for variant, number in counts.items()}
    text = (
        f"Test bears {counted(int(present.sum()), 'label')}. Raw outputs from 0.5 on decide {totals[RAW]}, the rule "
        f"{totals[DECIDED]}."
    )
    why = "What a remedy did to the odds has no closed form here, so calibration alone undoes it."
    if factors is not None:
        text = f"{text[:-1]}; raw outputs from w / (1 + w) on {totals[MOVED]}."
        why = (
            "The ledger multiplies the odds of each label by w, which makes w p / (w p + 1 − p) of a probability p: a "
            "threshold of 0.5 then means p = 1 / (1 + w). Moving the threshold to w / (1 + w) undoes that, and so does "
            + (
                "what the ledger adds to the logits, which is −log w where validation has the shares of all labels."
                if any(facts.decision.val_offset)
                else f"“{facts.decision.calibrator}”, which learned the odds of validation."
            )
        )
    cells = {
        k: (write_count(present[k]), *(write_count(number[k]) for number in counts.values())) for k in facts.folded
    }
    folds = folded_classes(facts, "Test images, by label.", ("bear it", *counts), cells)
    caption = f"The tick is the share of test images that bear the label.{shown_classes(facts)}"
    heading = "How often each label is decided"
    return Part("called", heading, (text, why), as_markup({"": chart}), caption, short="Decided", folds=folds)
