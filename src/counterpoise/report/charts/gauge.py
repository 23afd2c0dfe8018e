"""One headline figure with its interval and the score of random guessing."""

from __future__ import annotations

import altair as alt
import pandas as pd

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding

WIDTH, HEIGHT = 200, 18


def gauge(value: float, low: float, high: float, *, description: str, no_skill: float = float("nan")) -> alt.LayerChart:
    """Draw a figure between 0 and 1, with its interval and a tick at the value of no skill.

    Args:
        value: The figure; NaN if it is undefined.
        low: Lower end of its interval; NaN if there is none.
        high: Upper end of its interval.
        description: Text alternative: the figure in words. It is the tooltip as well.
        no_skill: The score of random guessing; NaN for no tick.
    """
    row = {"value": value, "low": low, "high": high, "no_skill": no_skill, "text": description}
    base = alt.Chart(frame.data(pd.DataFrame([{"zero": 0, "one": 1, **row}]))).encode(
        x=alt.X("zero:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        tooltip=frame.tooltip({"text": ""}),
    )
    focus = theme.color("focus")
    track = base.mark_bar(color=theme.color("track"), height=8, cornerRadius=4).encode(x2=alt.X2("one"))
    bar = base.mark_bar(color=focus, opacity=0.3, height=8, cornerRadius=4).encode(x2=alt.X2("value"))
    span = base.mark_rule(color=focus, strokeWidth=2).encode(x=alt.X("low:Q"), x2=alt.X2("high"))
    tick = base.mark_tick(color=theme.color("ink"), thickness=2, size=16).encode(x=alt.X("no_skill:Q"))
    point = base.mark_circle(color=focus, size=70, opacity=1).encode(x=alt.X("value:Q"))
    layers = [
        track,
        bar.transform_filter(frame.known("value")),
        tick.transform_filter(frame.known("no_skill")),
        span.transform_filter(frame.known("low", "high")),
        point.transform_filter(frame.known("value")),
    ]
    chart = frame.assemble(layers, HEIGHT, Padding(5, 5, 0, 0), title="", description=description)
    return chart.properties(width=WIDTH - 10)
