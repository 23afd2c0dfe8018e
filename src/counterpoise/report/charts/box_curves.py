"""Precision and recall of boxes, one curve for each class, and recall against false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.labels import shorten
from counterpoise.report.charts.precision_recall import HEIGHT, PADDING, unit_axes
from counterpoise.report.texts import shown

if TYPE_CHECKING:
    import pandas as pd


def box_curves(
    curves: pd.DataFrame,
    points: pd.DataFrame,
    *,
    x: str,
    y: str,
    x_title: str,
    y_title: str,
    first: str,
    title: str,
    description: str,
) -> alt.LayerChart:
    """Draw a curve for each class, with its current decision as a dot.

    Args:
        curves: `class` and the columns `x` and `y`, by falling threshold.
        points: `class`, `x` and `y` of the current decision; NaN if undefined.
        x: Column on the horizontal axis; in [0, 1], or any number of at least 0.
        y: Column on the vertical axis, in [0, 1].
        x_title: What `x` is.
        y_title: What `y` is.
        first: The class that matters, which is drawn thick.
        title: Heading.
        description: Text alternative.
    """
    names = list(dict.fromkeys(curves["class"]))
    if not names:
        return frame.empty(title, description)
    across, upwards = unit_axes(x, y, x_title, y_title)
    most = float(curves[x].max())
    if most > 1:
        across = alt.X(
            field=x,
            type="quantitative",
            scale=alt.Scale(domain=[0, most], nice=False),
            axis=alt.Axis(title=x_title, tickCount=5, grid=True, titleY=34),
        )
    domain = alt.Scale(domain=names, range=[theme.color(_color(name, first)) for name in names])
    dashes = alt.Scale(domain=names, range=_dashes(names, first))
    color = alt.Color("class:N", scale=domain, legend=None)
    tips = [*frame.tooltip({"class": ""}), *(alt.Tooltip(f"{column}:Q", format=".2f") for column in (x, y))]
    rows = curves.assign(order=range(len(curves)))[["class", x, y, "order"]]
    line = (
        alt.Chart(frame.data(rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=across,
            y=upwards,
            order=alt.Order("order:Q"),
            color=color,
            strokeDash=alt.StrokeDash("class:N", scale=dashes, legend=None),
            opacity=frame.unless_other_picked(),
            tooltip=tips,
        )
    )
    dot = alt.Chart(frame.data(points[["class", x, y]].dropna())).mark_circle(
        size=110, opacity=1, stroke=theme.color("card"), strokeWidth=2
    )
    below = PADDING._replace(bottom=PADDING.bottom + 19 * len(names))
    layers = [line, dot.encode(x=alt.X(f"{x}:Q"), y=alt.Y(f"{y}:Q"), color=color, tooltip=tips)]
    layers += _key(names, first)
    chart = frame.assemble(layers, HEIGHT, below, title=title, description=description)
    return chart.add_params(frame.PICKED)


def _color(name: str, first: str) -> str:
    return "focus" if name == first else "compare"


def _dashes(names: Sequence[str], first: str) -> list[list[int]]:
    others = [name for name in names if name != first]
    return [[1, 0] if name == first else list(theme.DASHES[others.index(name) % len(theme.DASHES)]) for name in names]


def _key(names: Sequence[str], first: str) -> list[alt.Chart]:
    """Explain the lines below the chart: a short piece of each, and its name."""
    charts = []
    for number, (name, dash) in enumerate(zip(names, _dashes(names, first), strict=True)):
        left, y = 8 - PADDING.left, HEIGHT + PADDING.bottom + 19 * number
        text = shorten(shown(name), frame.WIDTH - 60)
        base = alt.Chart(frame.inline([{"text": text}])).encode(x=alt.XValue(left), y=alt.YValue(y))
        sign = base.mark_rule(color=theme.color(_color(name, first)), strokeWidth=2, strokeDash=dash)
        charts.append(sign.encode(x2=alt.X2Value(left + 24), y2=alt.Y2Value(y)))
        words = base.mark_text(align="left", baseline="middle", dx=32, color=theme.color("ink"))
        charts.append(words.encode(text=alt.Text("text:N")))
    return charts
