"""The part of the report page that shows the trade of precision against recall."""

from __future__ import annotations

from counterpoise.report.charts import curves
from counterpoise.report.charts.texts import write_share, write_value
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part, as_markup


def precision_recall(facts: Facts) -> Part:
    """Show the trade of precision against recall for the class that matters."""
    curve, name, on = facts.tables["precision_recall"], facts.positive_name, facts.test_counts
    heading = "Precision and recall"
    if not on.positives:
        text = f"Test holds no image of {quote(name)}: there is no curve."
        return Part("precision-recall", heading, (text,), row="decided")
    on_curve = facts.task.decides_by_threshold(facts)
    at = "at the threshold" if on_curve else "as decided"
    one = curves.PRCurve(name, curve["recall"].tolist(), curve["precision"].tolist(), (on.recall, on.precision), at)
    alt = (
        f"Precision against recall of {name}; {at}: recall {write_value(on.recall)}, precision "
        f"{write_value(on.precision)}; no skill {write_value(on.prevalence)}."
    )
    chart = curves.precision_recall([one], title=f"Precision and recall of {name}", alt=alt, no_skill=on.prevalence)
    text = f"As decided, {on.tp} of {counted(on.positives, 'image')} of {quote(name)} are found"
    text += (
        f", and {on.tp} of {counted(on.predicted, 'such decision')} are right." if on.predicted else "; never decided."
    )
    reachable = curve.loc[curve["recall"] >= 0.5, "precision"]
    if len(reachable):
        text += (
            f" A threshold that finds half of them gets {write_share(reachable.max())} right at best (read off test: "
            "no figure to promise)."
        )
    caption = f"Dashed: the precision of guessing, which is the share of {quote(name)} in test."
    if not on_curve:
        caption += (
            f" The point may lie off the curve: the decision compares {facts.label_count}, the curve sets a threshold "
            "on one probability."
        )
    return Part("precision-recall", heading, (text,), as_markup({"": chart}), caption, "decided")
