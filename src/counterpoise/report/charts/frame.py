"""What charts share: their width, their data, the class under the pointer, and how layers form a chart."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import altair as alt

from counterpoise.report.charts import theme
from counterpoise.report.charts.labels import shorten, text_width
from counterpoise.report.texts import shown

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
    return inline(rows)


def inline(rows: Iterable[Mapping[str, object]]) -> alt.InlineData:
    """Put rows into a chart."""
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


def write(texts: Sequence[tuple[float, float, str]], mark: alt.MarkDef | None = None) -> alt.Chart:
    """Write texts at places: x and y in px from the upper left corner of the plot, and the text.

    Args:
        texts: Places with their texts.
        mark: How they are written; None for text that begins at its place.
    """
    rows = [{"x": x, "y": y, "text": text} for x, y, text in texts]
    chart: alt.Chart = alt.Chart(inline(rows)).encode(
        x=alt.X("x:Q", scale=None), y=alt.Y("y:Q", scale=None), text=alt.Text("text:N")
    )
    chart.mark = mark or alt.MarkDef(type="text", align="left")
    return chart


def beside(names: Iterable[str], printed: Iterable[str], width: float) -> list[str]:
    """Shorten names so that each fits beside what is printed at the right end of its row."""
    return [shorten(shown(name), width - text_width(text) - 12) for name, text in zip(names, printed, strict=True)]


def row_texts(base: alt.Chart, width: int) -> list[alt.Chart]:
    """Write `label` at the left and `printed` at the right of each row, above its marks."""
    name = base.mark_text(align="left", baseline="bottom", fontWeight=600)
    value = base.mark_text(align="right", baseline="bottom")
    return [
        name.encode(x=alt.XValue(0), text=alt.Text("label:N")),
        value.encode(x=alt.XValue(width), text=alt.Text("printed:N")),
    ]


def worded(texts: Mapping[str, str]) -> str:
    """Write the expression that turns a value of a legend into its text.

    Example:
        >>> worded({"raw": "raw: 10 bins"})
        '{"raw": "raw: 10 bins"}[datum.value]'
    """
    return f"{json.dumps(dict(texts))}[datum.value]"


def assemble(
    layers: Sequence[alt.Chart | alt.LayerChart],
    height: int,
    padding: Padding,
    *,
    title: str,
    description: str,
    parameters: Sequence[alt.Parameter] = (),
) -> alt.LayerChart:
    """Lay charts over each other.

    Args:
        layers: In order of drawing.
        height: Height of the plot, in px.
        padding: Room around it, in which titles, axes and texts fit.
        title: The heading; empty for none.
        description: Text alternative.
        parameters: What controls of the page, or the pointer, set.
    """
    heading = [_heading(title, padding)] if title else []
    return alt.LayerChart(
        layer=[_written_out(layer) for layer in (*layers, *heading)],
        width=padding.inner,
        height=height,
        padding=padding._asdict(),
        autosize=alt.AutoSizeParams(type="none"),
        description=description,
        params=[parameter.param for parameter in parameters],  # type: ignore[misc]  # all are defined
    )


def _written_out(layer: alt.Chart | alt.LayerChart) -> alt.Chart | alt.LayerChart:
    """Write mark and encodings as dictionaries: Altair copies all that objects leave undefined, again and again."""
    if isinstance(layer, alt.LayerChart):
        return layer
    light: alt.Chart = layer.copy(deep=False)
    if isinstance(layer.mark, alt.MarkDef):
        light.mark = layer.mark.to_dict(validate=False)
    if isinstance(layer.encoding, alt.FacetedEncoding):
        light.encoding = alt.Dict(**layer.encoding.to_dict(validate=False))
    return light


def _heading(title: str, padding: Padding) -> alt.Chart:
    """Write the heading at the upper left corner; the title of Vega-Lite moves with the length of labels."""
    text = shorten(title, WIDTH - 4, 1.15 * HEADING_PX)
    mark = alt.MarkDef(type="text", align="left", fontSize=HEADING_PX, fontWeight=600, aria=False)
    return write([(2 - padding.left, 14 - padding.top, text)], mark)


def key(entries: Sequence[tuple[str, alt.MarkDef]], x: float, y: float) -> list[alt.Chart]:
    """Explain marks below a chart: one mark and its name per line, from the upper left corner (x, y) on.

    Args:
        entries: The name of each mark, and how it is drawn.
        x: Left edge, in px from the corner of the plot.
        y: Upper edge, in px from the corner of the plot.
    """
    words = alt.MarkDef(type="text", align="left", baseline="middle", color=theme.color("ink"))
    charts = []
    for i, (name, mark) in enumerate(entries):
        at = y + 8 + 19 * i
        sign = alt.Chart(alt.InlineData(values=[{}])).encode(x=alt.XValue(x + 8), y=alt.YValue(at))
        sign.mark = mark
        charts += [sign, write([(x + 24, at, name)], words)]
    return charts


def tick_mark() -> alt.MarkDef:
    """Draw a value to compare with."""
    return alt.MarkDef(type="tick", orient="vertical", color=theme.color("ink"), thickness=2, size=12)


def empty(title: str, description: str) -> alt.LayerChart:
    """Draw a chart that says that there is nothing to draw."""
    text = alt.Chart(inline([{"text": "nothing to draw"}])).mark_text(color=theme.color("muted"))
    return assemble([text.encode(text=alt.Text("text:N"))], 40, Padding(), title=title, description=description)
