"""One measure of each class with its interval: a dot on a line, for two classes or for hundreds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding

if TYPE_CHECKING:
    import pandas as pd

PITCH = 38
"""Height of the row of a class, in px: its name above its dot."""
MOST_ROWS = 20
"""Rows that are visible at once. A search finds the others where scripts run."""
SEARCH = alt.param(name="search", value="")
"""Part of a class name to look for; empty for none. A text field of the page sets it."""
ORDER = alt.param(name="order", value="first")
"""Order of the rows: first (as in the table), low, high (by the value) or name. A menu of the page sets it."""
FOUND = "lower(datum.class), lower(search)"


def rates_by_class(
    table: pd.DataFrame,
    *,
    title: str,
    description: str,
    noun: str = "class",
    reference_name: str = "no skill",
    upper: float = 1.0,
) -> alt.LayerChart:
    """Draw one measure of each class: its interval, a dot, and what is printed beside its name.

    Args:
        table: One row for each class, the most important first. `class`: its name; `value`: NaN if undefined; `low`,
            `high`: its interval, NaN if there is none; `reference`: a value to compare with, NaN for none; `focus`:
            whether to highlight the class; `printed`: text at the right, such as "0.43 [0.24, 0.63], n = 21"; `detail`:
            the support in words, or why there is no interval.
        title: Heading.
        description: Text alternative.
        noun: What a row is called in its tooltip.
        reference_name: The meaning of the ticks.
        upper: Right end of the axis, which starts at 0.

    Returns:
        A chart of at most 20 rows. With more classes, the parameters `search` and `order` say which rows are visible.
    """
    if not len(table):
        return frame.empty(title, description)
    padding = Padding(8, 8, 34, 44 if table["reference"].notna().any() else 26)
    names = frame.beside(table["class"], table["printed"], padding.inner)
    count = min(len(table), MOST_ROWS)
    height = PITCH * count
    base = _visible(alt.Chart(frame.data(table.assign(label=names, place=range(1, len(table) + 1)))), len(table))
    base = base.encode(
        y=alt.Y("row:Q", scale=alt.Scale(domain=[0.5, count + 0.5], reverse=True, nice=False), axis=None),
        opacity=frame.unless_other_picked(),
        tooltip=frame.tooltip({"class": noun, "printed": "value", "detail": "from"}),
    )
    x = frame.linear("value", 0, upper, flush=True)
    layers = [*_marks(base, x, padding.inner), *frame.row_texts(base, padding.inner)]
    if table["reference"].notna().any():
        layers += frame.key([(reference_name, frame.tick_mark())], -6, height + 24)
    parameters = [frame.PICKED, SEARCH, ORDER] if len(table) > MOST_ROWS else [frame.PICKED]
    return frame.assemble(layers, height, padding, title=title, description=description, parameters=parameters)


def _visible(chart: alt.Chart, classes: int) -> alt.Chart:
    """Number the rows from top to bottom as `row`; with many classes, keep those that are searched for."""
    if classes <= MOST_ROWS:
        return chart.transform_calculate(row="datum.place")
    value = "isValid(datum.value) ? (order === 'low' ? datum.value : -datum.value) : 2"
    key = f"order === 'low' || order === 'high' ? ({value}) : 0"
    name = "order === 'name' ? lower(datum.class) : ''"
    sort = [alt.SortField("name"), alt.SortField("key"), alt.SortField("place")]
    return (
        chart.transform_filter(f"search === '' || indexof({FOUND}) >= 0")
        .transform_calculate(key=key, name=name)
        .transform_window([alt.WindowFieldDef(op="row_number", **{"as": "row"})], sort=sort)  # type: ignore[arg-type]
        .transform_filter(f"datum.row <= {MOST_ROWS}")
    )


def _marks(base: alt.Chart, x: alt.X, width: int) -> list[alt.Chart]:
    """Draw the track, the interval, the tick and the dot of each row."""
    track = base.mark_rule(color=theme.color("track"), strokeWidth=8, strokeCap="round", yOffset=9)
    span = base.mark_rule(strokeWidth=2, yOffset=9).encode(x=alt.X("low:Q"), x2=alt.X2("high"), color=frame.by_focus())
    tick = base.mark_tick(color=theme.color("ink"), thickness=2, size=14, yOffset=9)
    tick = tick.encode(x=alt.X("reference:Q"))
    point = base.mark_circle(size=75, opacity=1, yOffset=9).encode(x=x, color=frame.by_focus())
    return [
        track.encode(x=alt.XValue(4), x2=alt.X2Value(width - 4)),
        tick.transform_filter(frame.known("reference")),
        span.transform_filter(frame.known("low", "high")),
        point.transform_filter(frame.known("value")),
    ]
