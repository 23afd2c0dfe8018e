"""Where in the image objects lie, and how large they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 240
CELLS = 10


def box_places(cells: pd.DataFrame, *, title: str, description: str) -> alt.LayerChart:
    """Draw how many centres of objects lie in each cell of a grid over the image: the larger the square, the more.

    Args:
        cells: `column` and `row` from 0 at the upper left, `count`.
        title: Heading.
        description: Text alternative.
    """
    if not len(cells):
        return frame.empty(title, description)
    padding = Padding(right=8, top=34, bottom=30)
    scale = alt.Scale(domain=[-0.5, CELLS - 0.5], nice=False)
    down = alt.Scale(domain=[-0.5, CELLS - 0.5], nice=False, reverse=True)
    largest = int(min(padding.inner, HEIGHT) / CELLS) ** 2
    back = alt.Chart(alt.InlineData(values=[{}])).mark_rect(color=theme.color("track"))
    squares = (
        alt.Chart(frame.data(cells))
        .mark_square(color=theme.color("found"), opacity=1)
        .encode(
            x=alt.X("column:Q", scale=scale, axis=None),
            y=alt.Y("row:Q", scale=down, axis=None),
            size=alt.Size(
                "count:Q", scale=alt.Scale(domain=[0, int(cells["count"].max())], range=[0, largest]), legend=None
            ),
            tooltip=[alt.Tooltip("count:Q", title="objects", format=",d")],
        )
    )
    words = alt.Chart(frame.inline([{"text": f"Largest square: {int(cells['count'].max()):,} objects."}]))
    note = words.mark_text(align="left", color=theme.color("muted")).encode(
        x=alt.XValue(0), y=alt.YValue(HEIGHT + 18), text=alt.Text("text:N")
    )
    return frame.assemble([back, squares, note], HEIGHT, padding, title=title, description=description)


def box_bars(table: pd.DataFrame, *, axis: str, color: str, title: str, description: str) -> alt.LayerChart:
    """Draw a bar with its number for each row.

    Args:
        table: `name`, `count`, and `text` that is written at the right, from top to bottom.
        axis: What is counted.
        color: Meaning of the bars.
        title: Heading.
        description: Text alternative.
    """
    if not len(table):
        return frame.empty(title, description)
    padding, pitch = Padding(top=34, bottom=12), 40
    most = float(table["count"].max()) or 1.0
    base = alt.Chart(frame.data(table)).encode(y=frame.rows("name", list(table["name"])))
    bar = base.mark_bar(height=10, yOffset=10, color=theme.color(color)).encode(
        x=alt.X("count:Q", scale=alt.Scale(domain=[0, most], nice=False), axis=None),
        tooltip=[*frame.tooltip({"name": ""}), alt.Tooltip("count:Q", title=axis, format=",d")],
    )
    names = base.mark_text(align="left", baseline="bottom", fontWeight=600)
    values = base.mark_text(align="right", baseline="bottom")
    layers = [
        bar,
        names.encode(x=alt.XValue(0), text=alt.Text("name:N")),
        values.encode(x=alt.XValue(padding.inner), text=alt.Text("text:N")),
    ]
    return frame.assemble(layers, pitch * len(table), padding, title=title, description=description)
