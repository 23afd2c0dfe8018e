"""The section of the report that shows the threshold of each label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.report.charts.rates import rates_by_class
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, drawn, folded_classes, shown_classes
from counterpoise.report.texts import write_count, write_value

if TYPE_CHECKING:
    import altair as alt


def thresholds(facts: Facts) -> Part:
    """Show the threshold of each label, and its support in validation."""
    decision, names = facts.decision, facts.names
    alone = [name not in decision.pooled for name in names]
    known = [limit for limit in decision.thresholds if limit is not None]
    text = f"Rule “{decision.rule}” finds no threshold on validation for any label: none is ever decided."
    if known:
        text = f"Rule “{decision.rule}” gives each label its own threshold"
        text += f": from {write_value(min(known), 3)} to {write_value(max(known), 3)}."
    if known and (never := len(names) - len(known)):
        without = counted(never, "label has", "labels have")
        text += f" {without} no threshold, because none satisfies the rule on validation."
    if decision.at_least:
        text += f" Every image gets at least {counted(decision.at_least, 'label')}, the most probable first."
    pooled = len(decision.pooled)
    separate = len(names) - pooled
    calibrated = counted(separate, "label has its own calibration", "labels have their own calibration")
    if pooled:
        whose = f"{calibrated}; {pooled}" if separate else counted(pooled, "label")
        verb = "has" if pooled == 1 else "have"
        calibrated = f"{whose} {verb} that of all labels together (pooled): validation has too few images with, or "
        calibrated += "without, the label"
    calibrated += "."
    cells = {
        k: (
            write_count(decision.val_images[k]),
            write_count(facts.val_supports[k].units),
            "unattainable" if decision.thresholds[k] is None else write_value(decision.thresholds[k], 3),
            "own" if alone[k] else "pooled",
        )
        for k in facts.folded
    }
    folds = folded_classes(
        facts, "Threshold of each label.", ("validation images", "units", "threshold", "calibration"), cells
    )
    caption = f"n: validation images that have the label, and their units if that number differs.{shown_classes(facts)}"
    return Part("thresholds", "Thresholds", (text, calibrated), drawn(_chart(facts)), caption, "labels", folds=folds)


def _chart(facts: Facts) -> alt.LayerChart:
    import pandas as pd

    decision, nan = facts.decision, float("nan")
    rows = []
    for k in facts.shown:
        limit, name = decision.thresholds[k], facts.names[k]
        written = "unattainable" if limit is None else write_value(limit, 3)
        pooled = ", pooled" if name in decision.pooled else ""
        text = f"{written}, n = {write_count(decision.val_images[k])}{facts.val_supports[k].note}{pooled}"
        support = facts.val_supports[k].of("validation image")
        rows.append((name, nan if limit is None else limit, decision.target[k], k == facts.positive, text, support))
    table = pd.DataFrame(rows, columns=["class", "value", "reference", "focus", "printed", "detail"])
    description = "; ".join(f"{name}: {text}" for name, text in zip(table["class"], table["printed"], strict=True))
    return rates_by_class(
        table.assign(low=nan, high=nan),
        title="Threshold of each label",
        description=description,
        noun=facts.words.noun,
        reference_name="share in deployment",
        upper=_upper(facts),
    )


def _upper(facts: Facts) -> float:
    """Return the end of the axis: the largest threshold or share shown, at least 0.1."""
    shown = [facts.decision.thresholds[k] or 0.0 for k in facts.shown]
    return max(0.1, *shown, *(facts.decision.target[k] for k in facts.shown))
