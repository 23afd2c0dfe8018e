"""How precision, false alarms and work change with the share of the class that matters, beside one slider.

Where scripts run, the slider of the page sets the parameter `prevalence`; elsewhere the chart shows its first value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.charts.lines import decades

if TYPE_CHECKING:
    import pandas as pd

FIGURES = {
    "precision": "Precision: share of alarms that are right",
    "false_alarms_per_found": "False alarms for each image found",
    "flagged_per_1000": "Images to look at, of 1,000",
}
"""`figure` of `reports/plots/prevalence_grid.csv` -> heading of its chart."""
HEIGHT = 120
PARAMETER = "prevalence"


def over_prevalence(
    grid: pd.DataFrame, *, start: float, title: str, description: str, scale: Literal["linear", "sqrt"] = "linear"
) -> alt.LayerChart:
    """Draw one figure against the share of the class that matters, with its interval, and its value at one share.

    Args:
        grid: One row for each share, the rows of one figure of `prevalence_grid.csv`: `prevalence`: in (0, 1);
            `value`, `low`, `high`: the figure and its 95 % interval, NaN if undefined; `printed`: both in words.
        start: The share that is marked at first. It is one of those of the grid.
        title: Heading.
        description: Text alternative.
        scale: The vertical scale. A square root leaves room for small values beside very large ones.

    Raises:
        ValueError: `start` is no share of the grid.
    """
    if start not in set(grid["prevalence"]):
        raise ValueError(f"the grid has no prevalence {start}; expected one of {sorted(set(grid['prevalence']))}")
    known = grid.dropna(subset=["value"])
    if not len(known):
        return frame.empty(title, description)
    low, high = float(grid["prevalence"].min()), float(grid["prevalence"].max())
    base = alt.Chart(frame.data(grid)).encode(x=_share(low, high))
    ends = known[["value", "low", "high"]].to_numpy()
    top = float(ends[ends == ends].max())
    layers = [*_curve(base, top, scale), *_marked(base)]
    padding = Padding(58, 14, 54, 48)
    parameter = alt.param(name=PARAMETER, value=float(f"{start:.{frame.DIGITS}g}"))
    return frame.assemble(layers, HEIGHT, padding, title=title, description=description, parameters=[parameter])


def _share(low: float, high: float) -> alt.X:
    axis = alt.Axis(
        title="share of the class that matters",
        values=decades(low, high),
        labelExpr="format(100 * datum.value, '~g') + ' %'",
        titleY=34,
        labelFlush=False,
        labelOverlap=True,
    )
    return alt.X("prevalence:Q", scale=alt.Scale(type="log", domain=[low, high], nice=False), axis=axis)


def _curve(base: alt.Chart, top: float, kind: Literal["linear", "sqrt"]) -> list[alt.Chart]:
    """Draw the figure as a line in the band of its interval."""
    focus = theme.color("focus")
    scale = alt.Scale(type=kind, domain=[0, top or 1.0], nice=True)
    label = f"format(datum.value, '{'~s' if top >= 10_000 else ',~g'}')"
    axis = alt.Axis(title=None, tickCount=4, labelExpr=label)
    band = base.transform_filter(frame.known("low", "high")).mark_area(color=focus, opacity=0.16)
    line = base.transform_filter(frame.known("value")).mark_line(color=focus, strokeWidth=2)
    y = alt.Y("value:Q", scale=scale, axis=axis)
    return [band.encode(y=alt.Y("low:Q", scale=scale, axis=axis), y2=alt.Y2("high")), line.encode(y=y)]


def _marked(base: alt.Chart) -> list[alt.Chart]:
    """Mark the share of the slider: a line, the interval, a dot, and the figure in words above the plot."""
    here = base.transform_filter(f"abs(log(datum.prevalence) - log({PARAMETER})) < 1e-4")
    focus = theme.color("focus")
    tips = [alt.Tooltip("prevalence:Q", title="share", format=".2~%"), *frame.tooltip({"printed": "value"})]
    rule = here.mark_rule(color=theme.color("axis"), strokeDash=[2, 3])
    span = here.transform_filter(frame.known("low", "high")).mark_rule(color=focus, strokeWidth=3)
    dot = here.transform_filter(frame.known("value")).mark_circle(color=focus, size=90, opacity=1)
    words = here.mark_text(align="left", baseline="bottom", fontWeight=600)
    return [
        rule,
        span.encode(y=alt.Y("low:Q"), y2=alt.Y2("high")),
        dot.encode(y=alt.Y("value:Q"), tooltip=tips),
        words.encode(x=alt.XValue(0), y=alt.YValue(-10), text=alt.Text("printed:N")),
    ]
