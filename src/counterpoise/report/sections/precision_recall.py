"""The section of the report that shows the trade-off between precision and recall."""

from __future__ import annotations

from counterpoise.report.charts import curves
from counterpoise.report.charts.texts import write_share, write_value
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part, as_markup


def precision_recall(facts: Facts) -> Part:
    """Show the trade-off between precision and recall for the class that matters."""
    curve, name, on = facts.tables["precision_recall"], facts.positive_name, facts.test_counts
    heading = "Precision and recall"
    if not on.positives:
        text = f"Test has no image of {quote(name)}, so there is no curve."
        return Part("precision-recall", heading, (text,), row="decided")
    on_curve = facts.task.decides_by_threshold(facts)
    at = "at the threshold" if on_curve else "current decision"
    one = curves.PRCurve(name, curve["recall"].tolist(), curve["precision"].tolist(), (on.recall, on.precision), at)
    alt = (
        f"Precision against recall of {name}; {at}: recall {write_value(on.recall)}, precision "
        f"{write_value(on.precision)}; no skill {write_value(on.prevalence)}."
    )
    chart = curves.precision_recall([one], title=f"Precision and recall of {name}", alt=alt, no_skill=on.prevalence)
    text = f"The decision finds {on.tp} of {counted(on.positives, 'image')} of {quote(name)}{facts.test_support.note}"
    verb = "is" if on.tp == 1 else "are"
    right = f"{on.tp} of its {counted(on.predicted, 'alarm')} {verb} right"
    text += f"; {right}." if on.predicted else "; it raises no alarm."
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
    return Part("precision-recall", heading, (text,), as_markup({"": chart}), caption, "decided")
