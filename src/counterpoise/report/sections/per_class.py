"""The section of the report with precision, recall and average precision of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterpoise.report.charts.bars import Row, bars_with_intervals
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_value
from counterpoise.report.facts import Facts, listed, quote
from counterpoise.report.parts import Part, as_markup, folded_classes, shown_classes
from counterpoise.report.units import ROUGH, Support

if TYPE_CHECKING:
    import pandas as pd

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
            estimate, text = PointEstimate.from_row(row), _text(row)
            rows.append(Row(facts.names[k], estimate, finite(row["no_skill"]), focus=k == facts.positive, text=text))
        alt = f"{heading}. " + "; ".join(f"{row.name}: {row.text}" for row in rows)
        charts[heading] = bars_with_intervals(rows, title=heading, alt=alt)
    caption = (
        "n: number of images behind a value, and of units if it differs or is below "
        f"{ROUGH}. For precision, images for which the {facts.words.noun} was decided; otherwise, those that have it. "
        f"Lines: 95 % intervals; images of one unit give none. "
        f"Tick: no skill, which is the share of the {facts.words.noun} in test.{shown_classes(facts)}"
    )
    cells = {k: tuple(_text(row_of[measure, facts.names[k]]) for measure in MEASURES) for k in facts.folded}
    head = tuple(measure.replace("_", " ") for measure in MEASURES)
    folds = folded_classes(facts, "Value, 95 % interval, and number of images n behind it.", head, cells)
    return Part(
        "per-class",
        f"{facts.words.noun.capitalize()} by {facts.words.noun}",
        (_span_of_recall(facts, table),),
        as_markup(charts),
        caption,
        folds=folds,
    )


def _span_of_recall(facts: Facts, table: pd.DataFrame) -> str:
    """Say between which values recall lies, and whether the intervals separate the two classes."""
    noun = facts.words.noun
    recalls = table[(table["measure"] == "recall") & table["value"].notna()].sort_values("value", kind="stable")
    left_out = [quote(name) for name in recalls.loc[recalls["units"] < ROUGH, "class"]]
    known = recalls[recalls["units"] >= ROUGH]
    remark = f" Not compared, with fewer than {ROUGH} units: {listed(left_out)}." if left_out else ""
    if not len(recalls):
        return f"No {noun} has test images."
    if len(known) < 2:
        return f"Too few {facts.words.nouns} to compare.{remark}"
    rows = known.to_dict("records")
    low, high = rows[0], rows[-1]
    if low["value"] == high["value"]:
        same = f"Every {noun} with at least {ROUGH} units in test has the same recall"
        return f"{same}, {write_value(low['value'])}.{remark}"
    text = f"Recall lies between {_text(low)} ({quote(low['class'])}) and {_text(high)} ({quote(high['class'])})."
    if PointEstimate.from_row(low).overlaps(PointEstimate.from_row(high)):
        text += f" These intervals overlap, so the order of the {facts.words.nouns} is uncertain."
    return text + remark


def _text(row: Mapping[Any, Any]) -> str:
    """Write a row of `classes.csv` with its support."""
    return Support(int(row["count"]), int(row["units"])).behind(PointEstimate.from_row(row))
