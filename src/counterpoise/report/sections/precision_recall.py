"""The section of the report that shows the trade-off between precision and recall."""

from __future__ import annotations

from counterpoise.report.charts.precision_recall import precision_recall as draw
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part, drawn
from counterpoise.report.texts import write_share, write_value


def precision_recall(facts: Facts) -> Part:
    """Show the trade-off between precision and recall for the class that matters."""
    curve, name, on = facts.tables["precision_recall"], facts.positive_name, facts.test_counts
    heading = "Precision and recall"
    if not on.positives:
        text = f"Test has no image of {quote(name)}, so there is no curve."
        return Part("precision-recall", heading, (text,))
    on_curve = facts.task.decides_by_threshold(facts)
    at = "at the threshold" if on_curve else "current decision"
    description = (
        f"Precision against recall of {name}; {at}: recall {write_value(on.recall)}, precision "
        f"{write_value(on.precision)}; no skill {write_value(on.prevalence)}."
    )
    chart = draw(
        curve,
        point=(on.recall, on.precision),
        point_name=at,
        no_skill=on.prevalence,
        title=f"Precision and recall of {name}",
        description=description,
    )
    text = f"The decision finds {on.tp} of {counted(on.positives, 'image')} of {quote(name)}{facts.test_support.note}"
    verb = "is" if on.tp == 1 else "are"
    right = f"{on.tp} of its {counted(on.predicted, 'alarm')} {verb} right"
    text += f"; {right}." if on.predicted else "; it raises no alarm."
    if facts.test_support.rough:
        text += " With so few units, the curve shows these images, not what to expect of others."
    reachable = curve.loc[curve["recall"] >= 0.5, "precision"]
    if len(reachable) and not facts.test_support.few:
        text += (
            f" With a threshold that finds half of them, at best {write_share(reachable.max())} of the alarms are "
            "right. The threshold for this number was picked on test, so expect less on new images."
        )
    caption = f"Dashed line: no skill, which is the share of {quote(name)} in test."
    if not on_curve:
        caption += (
            f" The point can be off the curve: the decision compares {facts.label_count}, but the curve applies a "
            "threshold to one probability."
        )
    return Part("precision-recall", heading, (text,), drawn(chart), caption, "decided")
