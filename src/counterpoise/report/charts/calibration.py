"""Predicted probabilities against observed frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.precision_recall import HEIGHT, PADDING, unit_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

COLORS = {"raw": "compare", "calibrated": "focus"}
SHAPES = {"raw": "diamond", "calibrated": "circle"}


def calibration(
    bins: pd.DataFrame, *, details: Mapping[str, str], unit: str, title: str, description: str
) -> alt.LayerChart:
    """Draw the observed share of each bin against its mean predicted probability, with intervals and the diagonal.

    Args:
        bins: One row for each bin: `way` is raw or calibrated; `predicted`, `observed`; `low`, `high`: the interval of
            `observed`, NaN if there is none; `count`: what the bin holds; `printed`: the observed share in words.
        details: Maps a way to its text in the legend, such as "calibrated: 10 bins of 50 to 53 images".
        unit: What bins contain, in the plural.
        title: Heading.
        description: Text alternative.

    Returns:
        A chart in which the area of a point grows with the count of its bin.
    """
    ways = [way for way in COLORS if way in set(bins["way"])]
    full = bins[(bins["count"] > 0) & bins["observed"].notna()]
    base = alt.Chart(frame.data(full))
    x, y = unit_axes("predicted", "observed", "predicted probability", "observed share")
    color = _scaled(alt.Color, COLORS, ways, details, colors=True)
    shape = _scaled(alt.Shape, SHAPES, ways, details, colors=False)
    size = alt.Size(
        "count:Q", scale=alt.Scale(domain=[0, float(bins["count"].max() or 1)], range=[30, 260]), legend=None
    )
    tips = [alt.Tooltip("predicted:Q", format=".2f"), *frame.tooltip({"printed": "observed"})]
    tips += [alt.Tooltip("count:Q", title=unit, format=",d")]
    sure = base.transform_filter(frame.known("low", "high"))
    line = sure.mark_line(strokeWidth=1, opacity=0.6).encode(x=x, y=y, color=color)
    span = sure.mark_rule(strokeWidth=1.5)
    point = base.mark_point(filled=True, opacity=0.85).encode(
        x=x, y=y, color=color, shape=shape, size=size, tooltip=tips
    )
    layers = [_diagonal(), line, span.encode(x=x, y=_at("low"), y2=alt.Y2("high"), color=color), point]
    padding = PADDING._replace(bottom=PADDING.bottom + 20 * len(ways) + 8)
    return frame.assemble(layers, HEIGHT, padding, title=title, description=description)


def _scaled(
    channel: type[alt.Color] | type[alt.Shape],
    values: Mapping[str, str],
    ways: Sequence[str],
    details: Mapping[str, str],
    *,
    colors: bool,
) -> alt.Color | alt.Shape:
    """Give each way its colour or shape, and its words in the legend."""
    ends = [theme.color(values[way]) if colors else values[way] for way in ways]
    legend = alt.Legend(labelExpr=frame.worded({way: details[way] for way in ways}))
    return channel(field="way", type="nominal", scale=alt.Scale(domain=list(ways), range=ends), legend=legend)


def _at(column: str) -> alt.Y:
    return alt.Y(field=column, type="quantitative")


def _diagonal() -> alt.Chart:
    """Draw where predicted and observed agree."""
    ends = alt.Chart(frame.inline([{"from": 0, "to": 1, "text": "perfectly calibrated"}]))
    line = ends.mark_rule(color=theme.color("axis"), strokeDash=[5, 4], strokeWidth=1.5)
    chart: alt.Chart = line.encode(
        x=alt.X("from:Q"), x2=alt.X2("to"), y=alt.Y("from:Q"), y2=alt.Y2("to"), tooltip=frame.tooltip({"text": ""})
    )
    return chart
