"""Shares before and after a change: two points on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.texts import write_prevalence

if TYPE_CHECKING:
    import pandas as pd

PITCH = 38


def changes(table: pd.DataFrame, *, names: tuple[str, str], title: str, description: str) -> alt.LayerChart:
    """Draw a line from the share before to the share after for each row.

    Args:
        table: One row for each line, from top to bottom: `name`; `before`, `after`: shares in [0, 1].
        names: What the two points are.
        title: Heading.
        description: Text alternative.
    """
    if not len(table):
        return frame.empty(title, description)
    padding = Padding(bottom=72)
    height = PITCH * len(table)
    printed = [
        f"{write_prevalence(before)} → {write_prevalence(after)}"
        for before, after in zip(table["before"], table["after"], strict=True)
    ]
    labels = frame.beside(table["name"], printed, padding.inner)
    base = alt.Chart(frame.data(table.assign(printed=printed, label=labels))).encode(
        y=frame.rows("name", list(table["name"])), tooltip=frame.tooltip({"name": "of", "printed": "share"})
    )
    axis = alt.Axis(title=None, format="~p", tickCount=5, domain=False, ticks=False, labelFlush=True)
    largest = float(table[["before", "after"]].to_numpy().max()) or 1.0
    after = alt.X("after:Q", scale=alt.Scale(domain=[0, largest], nice=True), axis=axis)
    compare, focus = theme.color("compare"), theme.color("focus")
    layers = [
        base.mark_rule(color=focus, strokeWidth=2, yOffset=9).encode(x=alt.X("before:Q"), x2=alt.X2("after")),
        base.mark_circle(color=compare, size=70, opacity=1, yOffset=9).encode(x=alt.X("before:Q")),
        base.mark_point(color=focus, shape="diamond", filled=True, size=80, opacity=1, yOffset=9).encode(x=after),
        *frame.row_texts(base, padding.inner),
        *frame.key(
            [
                (names[0], alt.MarkDef(type="circle", color=compare, size=70, opacity=1)),
                (names[1], alt.MarkDef(type="point", shape="diamond", filled=True, color=focus, size=80)),
            ],
            -4,
            height + 26,
        ),
    ]
    return frame.assemble(layers, height, padding, title=title, description=description)
