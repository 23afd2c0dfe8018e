"""What charts share: their width, their data, the class under the pointer, and how layers form a chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import altair as alt

from counterpoise.report.charts import theme
from counterpoise.report.charts.labels import shorten

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 400
"""Width of a chart, in px at its own size. The page scales it to its column."""
PICKED = alt.param(name="picked", value=None)
"""The class under the pointer in any chart of the page; null if there is none."""
HEADING_PX = 13
DIGITS = 6
"""Significant digits of numbers in a specification."""


class Padding(NamedTuple):
    """Room around the plot, in px. It does not depend on fonts, so that a chart has the same size everywhere."""

    left: int = 8
    right: int = 8
    top: int = 34
    bottom: int = 8

    @property
    def inner(self) -> int:
        """Width of the plot."""
        return WIDTH - self.left - self.right


def data(table: pd.DataFrame) -> alt.InlineData:
    """Put a table into a chart. Missing numbers become null, and numbers keep six significant digits."""
    rows = [{str(key): _cell(value) for key, value in row.items()} for row in table.to_dict("records")]
    return alt.InlineData(values=tuple(rows))  # Altair copies lists, but not tuples, again and again


def _cell(value: object) -> bool | str | float | None:
    if isinstance(value, bool | str) or value is None:
        return value
    number = float(value)  # type: ignore[arg-type]  # numbers of NumPy
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else float(f"{number:.{DIGITS}g}")


def known(*columns: str) -> str:
    """Write the filter of rows that have a number in each column.

    Example:
        >>> known("low", "high")
        'isValid(datum.low) && isValid(datum.high)'
    """
    return " && ".join(f"isValid(datum.{column})" for column in columns)


def when(test: str, value: str | float) -> dict[str, str | float]:
    """Encode a value in rows for which an expression is true."""
    return {"test": test, "value": value}


def unless_other_picked() -> alt.OpacityValue:
    """Fade a mark while the pointer is on a mark of another class."""
    return alt.OpacityValue(0.25, condition=when("picked === null || picked === datum.class", 1))


def by_focus() -> alt.ColorValue:
    """Color the class that matters, in rows with a column `focus`."""
    return alt.ColorValue(theme.color("compare"), condition=when("datum.focus", theme.color("focus")))


def tooltip(columns: Mapping[str, str]) -> list[alt.Tooltip]:
    """Show columns of texts in a tooltip, each under its name."""
    return [alt.Tooltip(field=column, type="nominal", title=title) for column, title in columns.items()]


def linear(name: str, low: float, high: float, *, ticks: int = 5, flush: bool = False) -> alt.X:
    """Place values of a column on a horizontal axis with fixed ends."""
    axis = alt.Axis(title=None, tickCount=ticks, grid=True, domain=False, ticks=False, labelFlush=flush)
    return alt.X(field=name, type="quantitative", scale=alt.Scale(domain=[low, high], nice=False), axis=axis)


def rows(name: str, order: Sequence[str]) -> alt.Y:
    """Place the values of a column from top to bottom, in an order."""
    return alt.Y(field=name, type="nominal", sort=list(order), axis=None, scale=alt.Scale(domain=list(order)))


def assemble(
    layers: Sequence[alt.Chart | alt.LayerChart], height: int, padding: Padding, *, title: str, description: str
) -> alt.LayerChart:
    """Lay charts over each other.

    Args:
        layers: In order of drawing.
        height: Height of the plot, in px.
        padding: Room around it, in which titles, axes and texts fit.
        title: The heading; empty for none.
        description: Text alternative.
    """
    heading = [_heading(title, padding)] if title else []
    return alt.LayerChart(
        layer=[*layers, *heading],
        width=padding.inner,
        height=height,
        padding=padding._asdict(),
        autosize=alt.AutoSizeParams(type="none"),
        description=description,
    )


def _heading(title: str, padding: Padding) -> alt.Chart:
    """Write the heading at the upper left corner; the title of Vega-Lite moves with the length of labels."""
    text = shorten(title, WIDTH - 4, 1.15 * HEADING_PX)
    base = alt.Chart(alt.InlineData(values=[{"text": text}])).encode(
        x=alt.XValue(2 - padding.left), y=alt.YValue(14 - padding.top), text=alt.Text("text:N")
    )
    chart: alt.Chart = base.mark_text(align="left", fontSize=HEADING_PX, fontWeight=600, aria=False)
    return chart


def key(entries: Sequence[tuple[str, alt.MarkDef]], x: float, y: float) -> list[alt.Chart]:
    """Explain marks below a chart: one mark and its name per line, from the upper left corner (x, y) on.

    Args:
        entries: The name of each mark, and how it is drawn.
        x: Left edge, in px from the corner of the plot.
        y: Upper edge, in px from the corner of the plot.
    """
    charts = []
    for i, (name, mark) in enumerate(entries):
        base = alt.Chart(alt.InlineData(values=[{"text": name}])).encode(y=alt.YValue(y + 8 + 19 * i))
        sign = base.encode(x=alt.XValue(x + 8))
        sign.mark = mark
        text = base.mark_text(align="left", baseline="middle", color=theme.color("ink"))
        charts += [sign, text.encode(x=alt.XValue(x + 24), text=alt.Text("text:N"))]
    return charts


def tick_mark() -> alt.MarkDef:
    """Draw a value to compare with."""
    return alt.MarkDef(type="tick", orient="vertical", color=theme.color("ink"), thickness=2, size=12)


def empty(title: str, description: str) -> alt.LayerChart:
    """Draw a chart that says that there is nothing to draw."""
    text = alt.Chart(alt.InlineData(values=[{"text": "nothing to draw"}])).mark_text(color=theme.color("muted"))
    return assemble([text.encode(text=alt.Text("text:N"))], 40, Padding(), title=title, description=description)
