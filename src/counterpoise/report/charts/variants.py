"""Figures with intervals, several versions of each below each other, such as raw, calibrated and re-decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.charts.labels import shorten, text_width
from counterpoise.report.texts import PointEstimate, shown

if TYPE_CHECKING:
    import pandas as pd

PITCH = 21
NAME_PX = 112
"""Largest width of the name of a version, in px."""


class Look(NamedTuple):
    """How a version is drawn: its colour by meaning, its shape, and whether it is filled."""

    color: str
    shape: str = "circle"
    filled: bool = True


LOOKS = {
    "raw": Look("compare", "diamond"),
    "calibrated": Look("focus", "square", filled=False),
    "re-decided": Look("focus"),
    "raw, measured": Look("compare", "diamond"),
    "raw, expected": Look("validation", "diamond", filled=False),
    "rule, measured": Look("focus"),
    "rule, expected": Look("validation", "circle", filled=False),
    "rule adapted": Look("focus", "triangle-up", filled=False),
    "raw, 0.5": Look("compare", "diamond"),
    "raw, corrected": Look("focus", "square", filled=False),
}
"""Version -> how it is drawn in every chart."""


def row(
    figure: str, version: str, estimate: PointEstimate, *, note: str = "", reference: float = float("nan")
) -> dict[str, object]:
    """Make one row of the table of `variants`."""
    value, low, high = estimate.ends
    numbers = {"value": value, "low": low, "high": high, "reference": reference}
    return {"figure": figure, "version": version, "printed": estimate.text, "note": note, **numbers}


def describe(title: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Write a table of `variants` as a text alternative."""
    figures = dict.fromkeys(row["figure"] for row in rows)
    blocks = [
        f"{figure}: " + ", ".join(f"{row['version']} {row['printed']}" for row in rows if row["figure"] == figure)
        for figure in figures
    ]
    return f"{title}. {'; '.join(blocks)}"


def variants(
    table: pd.DataFrame,
    *,
    title: str,
    description: str,
    domain: tuple[float, float] = (0.0, 1.0),
    reference_name: str = "no skill",
    looks: Mapping[str, Look] = LOOKS,
) -> alt.LayerChart:
    """Draw, for each figure, the value of each version with its interval.

    Args:
        table: One row for each figure and version, from top to bottom: `figure`: heading of a block; `version`: a key
            of `looks`; `value`, `low`, `high`: NaN if there is none; `printed`: text at the right; `note`: a remark
            beside the heading, such as "lower is better"; `reference`: a value to compare with, NaN for none.
        title: Heading.
        description: Text alternative.
        domain: Ends of the common axis.
        reference_name: The meaning of the ticks.
        looks: How versions are drawn.
    """
    if not len(table):
        return frame.empty(title, description)
    rows = _with_headings(table)
    left = 10 + round(min(max(map(text_width, map(shown, table["version"]))), NAME_PX)) + 8
    right = 8 + round(max(map(text_width, table["printed"]))) + 8
    keyed = bool(table["reference"].notna().any())
    padding = Padding(left, right, 30, 46 if keyed else 28)
    height = PITCH * len(rows)
    order = list(rows["row"])
    base = alt.Chart(frame.data(rows)).encode(y=frame.rows("row", order))
    layers = [*_texts(base, padding), *_marks(base, domain, looks)]
    if keyed:
        layers += frame.key([(reference_name, frame.tick_mark())], 2 - left, height + 24)
    return frame.assemble(layers, height, padding, title=title, description=description)


def _with_headings(table: pd.DataFrame) -> pd.DataFrame:
    """Put a row with the heading of each figure above its versions."""
    import pandas as pd

    rows: list[dict[str, object]] = []
    for i, row in enumerate(table.to_dict("records")):
        if i == 0 or row["figure"] != rows[-1]["figure"]:
            note = f"  ({row['note']})" if row["note"] else ""
            text = shorten(shown(str(row["figure"])) + note, frame.WIDTH - 24)
            rows.append({"figure": row["figure"], "row": f"{i} heading", "heading": text})
        label = shorten(shown(str(row["version"])), NAME_PX)
        rows.append({str(key): value for key, value in row.items()} | {"row": f"{i}", "heading": "", "label": label})
    return pd.DataFrame(rows).fillna({"label": "", "printed": "", "version": "", "note": ""})


def _texts(base: alt.Chart, padding: Padding) -> list[alt.Chart]:
    head = base.transform_filter("datum.heading !== ''").mark_text(
        align="left", fontWeight=600, baseline="middle", dy=2
    )
    rest = base.transform_filter("datum.heading === ''")
    return [
        head.encode(x=alt.XValue(8 - padding.left), text=alt.Text("heading:N")),
        rest.mark_text(align="left", baseline="middle").encode(
            x=alt.XValue(10 - padding.left), text=alt.Text("label:N")
        ),
        rest.mark_text(align="right", baseline="middle").encode(
            x=alt.XValue(frame.WIDTH - padding.left - 8), text=alt.Text("printed:N")
        ),
    ]


def _marks(base: alt.Chart, domain: tuple[float, float], looks: Mapping[str, Look]) -> list[alt.Chart]:
    names = list(looks)
    colors = alt.Scale(domain=names, range=[theme.color(look.color) for look in looks.values()])
    insides = [theme.color(look.color if look.filled else "card") for look in looks.values()]
    shapes = alt.Scale(domain=names, range=[look.shape for look in looks.values()])
    tips = frame.tooltip({"figure": "figure", "version": "version", "printed": "value"})
    stroke = alt.Stroke("version:N", scale=colors, legend=None)
    span = base.transform_filter(frame.known("low", "high")).mark_rule(strokeWidth=2)
    point = base.transform_filter(frame.known("value")).mark_point(size=64, strokeWidth=2, opacity=1)
    tick = base.transform_filter(frame.known("reference")).mark_tick(color=theme.color("ink"), thickness=2, size=15)
    x = frame.linear("value", *domain, ticks=2)
    return [
        tick.encode(x=alt.X("reference:Q")),
        span.encode(x=alt.X("low:Q"), x2=alt.X2("high"), stroke=stroke, tooltip=tips),
        point.encode(
            x=x,
            stroke=stroke,
            fill=alt.Fill("version:N", scale=alt.Scale(domain=names, range=insides), legend=None),
            shape=alt.Shape("version:N", scale=shapes, legend=None),
            tooltip=tips,
        ),
    ]
