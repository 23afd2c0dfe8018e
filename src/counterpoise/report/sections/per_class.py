"""The section of the report with precision, recall and average precision of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from counterpoise.report.charts.rates import MOST_ROWS, rates_by_class
from counterpoise.report.facts import Facts, listed, quote
from counterpoise.report.parts import Part, drawn, folded_classes, shown_classes
from counterpoise.report.texts import PointEstimate, write_value
from counterpoise.report.units import ROUGH, Support

if TYPE_CHECKING:
    import altair as alt
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
    charts = [
        _chart(facts, [row_of[measure, facts.names[k]] for k in (*facts.shown, *facts.folded)], heading)
        for measure, heading in MEASURES.items()
    ]
    caption = (
        f"n: number of images behind a value. For precision these are the images for which the {facts.words.noun} was "
        f"decided, otherwise those that have it. The number of units is given if it differs or is below {ROUGH}. "
        f"Lines: 95 % intervals; images of a single unit give none. "
        f"Tick: no skill, which is the share of the {facts.words.noun} in test.{shown_classes(facts)}"
    )
    cells = {k: tuple(_text(row_of[measure, facts.names[k]]) for measure in MEASURES) for k in facts.folded}
    head = tuple(measure.replace("_", " ") for measure in MEASURES)
    folds = folded_classes(facts, "Value, 95 % interval, and number of images n behind it.", head, cells)
    return Part(
        "per-class",
        f"{facts.words.noun.capitalize()} by {facts.words.noun}",
        (_span_of_recall(facts, table),),
        drawn(*charts),
        caption,
        folds=folds,
        controls=_controls(facts),
    )


def _chart(facts: Facts, rows: list[dict[Any, Any]], title: str) -> alt.LayerChart:
    """Draw one measure of every class; the first are visible at first."""
    import pandas as pd

    texts = [_text(row) for row in rows]
    ends = [PointEstimate.from_row(row).ends for row in rows]
    table = pd.DataFrame(ends, columns=["value", "low", "high"]).assign(
        **{"class": [row["class"] for row in rows]},
        reference=[row["no_skill"] for row in rows],
        focus=[row["class"] == facts.positive_name for row in rows],
        printed=texts,
        detail=[Support(int(row["count"]), int(row["units"])).text for row in rows],
    )
    first = zip(table["class"][:MOST_ROWS], texts[:MOST_ROWS], strict=True)
    description = f"{title}. " + "; ".join(f"{name}: {text}" for name, text in first)
    return rates_by_class(table, title=title, description=description, noun=facts.words.noun)


def _controls(facts: Facts) -> Markup | None:
    """Make a search and an order, if the charts cannot show all classes at once."""
    if not facts.folded:
        return None
    return Markup(
        '<label>Search <input type="search" data-signal="search" placeholder="a part of a name"></label> '
        '<label>Order <select data-signal="order"><option value="first">rarest first</option>'
        '<option value="low">lowest first</option><option value="high">highest first</option>'
        '<option value="name">by name</option></select></label>'
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
