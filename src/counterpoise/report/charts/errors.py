"""Numbers of found images, missed images and false alarms of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.texts import write_count

if TYPE_CHECKING:
    import pandas as pd

PITCH = 42
KINDS = ("found", "missed", "false alarms")
"""Parts of a bar, from left to right."""


def text_of(found: int, missed: int, alarms: int) -> str:
    """Write the counts of a class.

    Example:
        >>> text_of(3, 1, 5)
        '3 of 4 found, 5 false alarms'
    """
    of = f"{write_count(found)} of {write_count(found + missed)} found"
    return f"{of}, {write_count(alarms)} false alarm{'' if alarms == 1 else 's'}"


def errors_by_class(
    table: pd.DataFrame, *, title: str, description: str, noun: str = "class", of: str = "images"
) -> alt.LayerChart:
    """Draw for each class the found and missed images and the false alarms, on one scale.

    Args:
        table: One row for each class, from top to bottom: `class`, `found`, `missed`, `alarms` (numbers of images).
        title: Heading.
        description: Text alternative.
        noun: What a row is called in its tooltip.
        of: What is counted.
    """
    if not len(table):
        return frame.empty(title, description)
    padding = Padding(top=34, bottom=62)
    height = PITCH * len(table)
    counts = table[["found", "missed", "alarms"]].to_numpy().tolist()
    printed = [text_of(*(int(count) for count in row)) for row in counts]
    label = frame.beside(table["class"], printed, padding.inner)
    wide = table.assign(label=label, printed=printed).rename(columns={"alarms": KINDS[2]})
    base = alt.Chart(frame.data(wide)).encode(
        y=frame.rows("class", list(wide["class"])), opacity=frame.unless_other_picked()
    )
    layers = [_bars(base, noun, max(map(sum, counts)), of), *frame.row_texts(base, padding.inner)]
    return frame.assemble(layers, height, padding, title=title, description=description, parameters=[frame.PICKED])


def _bars(base: alt.Chart, noun: str, longest: float, of: str) -> alt.Chart:
    """Stack the counts of each class. A missed part is hollow."""
    found, alarm, card = (theme.color(meaning) for meaning in ("found", "alarm", "card"))
    fill, line = (
        alt.Scale(domain=list(KINDS), range=colors) for colors in ([found, card, alarm], [found, found, alarm])
    )
    legend = alt.Legend(direction="horizontal", symbolType="square", symbolStrokeWidth=1.5, columns=3)
    axis = alt.Axis(title=of, tickCount=5, tickMinStep=1, format=",d", domain=False, ticks=False, labelFlush=True)
    chart: alt.Chart = (
        base.transform_fold(list(KINDS), as_=["kind", "count"])
        .transform_calculate(order=f"indexof({list(KINDS)}, datum.kind)")
        .mark_bar(height=12, yOffset=9, strokeWidth=1.5)
        .encode(
            x=alt.X("count:Q", stack="zero", scale=alt.Scale(domain=[0, longest or 1], nice=False), axis=axis),
            order=alt.Order("order:Q"),
            fill=alt.Fill("kind:N", scale=fill, legend=legend),
            stroke=alt.Stroke("kind:N", scale=line, legend=legend),
            tooltip=frame.tooltip({"class": noun, "printed": "decisions"}),
        )
    )
    return chart
