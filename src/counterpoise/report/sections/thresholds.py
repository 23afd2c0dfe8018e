"""The section of the report that shows the threshold of each label."""

from __future__ import annotations

from counterpoise.report.charts.bars import Row, bars_with_intervals
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.texts import write_count, write_value
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, as_markup, folded_classes, shown_classes


def thresholds(facts: Facts) -> Part:
    """Show the threshold of each label, and its support in validation."""
    decision, names = facts.decision, facts.names
    alone = [name not in decision.pooled for name in names]
    rows = []
    for k in facts.shown:
        limit = decision.thresholds[k]
        written = "unattainable" if limit is None else write_value(limit, 3)
        own = "" if alone[k] else ", pooled"
        text = f"{written}, n = {write_count(decision.val_images[k])}{facts.val_supports[k].note}{own}"
        rows.append(Row(names[k], PointEstimate(limit), decision.target[k], focus=k == facts.positive, text=text))
    alt = "; ".join(f"{row.name}: {row.text}" for row in rows)
    chart = bars_with_intervals(
        rows, title="Threshold of each label", alt=alt, upper=_upper(facts), reference_name="share in deployment"
    )
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
        first = f"{calibrated}; {pooled} share one" if separate else "All labels share one calibration"
        calibrated = f"{first} (pooled), because validation has too few of their images"
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
    return Part("thresholds", "Thresholds", (text, calibrated), as_markup({"": chart}), caption, "labels", folds=folds)


def _upper(facts: Facts) -> float:
    """Return the end of the axis: the largest threshold or share shown, at least 0.1."""
    shown = [facts.decision.thresholds[k] or 0.0 for k in facts.shown]
    return max(0.1, *shown, *(facts.decision.target[k] for k in facts.shown))
