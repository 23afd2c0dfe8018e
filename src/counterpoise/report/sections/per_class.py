"""The section of the report with precision, recall and average precision of each class."""

from __future__ import annotations

from counterpoise.report.charts.bars import Row, bars_with_intervals
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_value
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part, as_markup, folded_classes, shown_classes

MEASURES = {
    "precision": "Precision: share of right decisions",
    "recall": "Recall: share of images found",
    "average_precision": "Average precision: quality of the ranking",
}


def per_class(facts: Facts) -> Part:
    """Show precision, recall and average precision of each class with intervals and counts."""
    table = facts.tables["classes"]
    row_of = {(row["measure"], row["class"]): row for row in table.to_dict("records")}
    charts = {}
    for measure, heading in MEASURES.items():
        rows = []
        for k in facts.shown:
            row = row_of[measure, facts.names[k]]
            estimate = PointEstimate.from_row(row, int(row["count"]))
            rows.append(Row(facts.names[k], estimate, finite(row["no_skill"]), focus=k == facts.positive))
        alt = f"{heading}. " + "; ".join(f"{row.name}: {row.estimate.text}" for row in rows)
        charts[heading] = bars_with_intervals(rows, title=heading, alt=alt)
    recalls = table[(table["measure"] == "recall") & table["value"].notna()].sort_values("value", kind="stable")
    text = f"No {facts.words.noun} has test images."
    if len(recalls):
        worst, best = recalls.iloc[0], recalls.iloc[-1]
        text = (
            f"Highest recall: {quote(best['class'])}, {write_value(best['value'])} "
            f"({counted(int(best['count']), 'image')}). Lowest recall: {quote(worst['class'])}, "
            f"{write_value(worst['value'])} ({counted(int(worst['count']), 'image')})."
        )
        if worst["value"] == best["value"]:
            text = f"Every {facts.words.noun} in test has the same recall, {write_value(best['value'])}."
    caption = (
        "n: number of images behind a value. For precision, those for which the "
        f"{facts.words.noun} was decided; otherwise, those that have it. Lines: 95 % intervals. "
        f"Tick: no skill, which is the share of the {facts.words.noun} in test.{shown_classes(facts)}"
    )
    cells = {
        k: tuple(
            PointEstimate.from_row(row_of[measure, facts.names[k]], int(row_of[measure, facts.names[k]]["count"])).text
            for measure in MEASURES
        )
        for k in facts.folded
    }
    head = tuple(measure.replace("_", " ") for measure in MEASURES)
    folds = folded_classes(facts, "Value, 95 % interval, and number of images n behind it.", head, cells)
    return Part(
        "per-class",
        f"{facts.words.noun.capitalize()} by {facts.words.noun}",
        (text,),
        as_markup(charts),
        caption,
        folds=folds,
    )
