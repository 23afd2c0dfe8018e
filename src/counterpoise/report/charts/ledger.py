"""The prior ledger as a chart: the share of each class after each line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.charts.labels import shorten, wrap
from counterpoise.report.charts.lines import decades
from counterpoise.report.texts import shown, write_prevalence

if TYPE_CHECKING:
    import pandas as pd

PITCH = 40
SIDE = 160
"""Width of the column with the names of the lines, in px."""


def shares_by_step(
    table: pd.DataFrame, *, steps: Sequence[str], classes: Sequence[str], title: str, description: str
) -> alt.LayerChart:
    """Draw shares on a logarithmic axis, with steps from top to bottom. Lines bridge unknown shares.

    Args:
        table: One row for each class and step: `class`; `step`: the position of the step, from 0; `share`: in [0, 1],
            NaN if unknown.
        steps: Names of the steps, from top to bottom. Line breaks in them are kept.
        classes: The classes to draw. The first is the one that matters.
        title: Heading.
        description: Text alternative.
    """
    known = table[table["share"] > 0]
    if not len(known):
        return frame.empty(title, description)
    padding = Padding(SIDE + 16, 24, 62, 12 + 20 * len(classes))
    height = PITCH * len(steps)
    low, high = known["share"].min() / 1.15, min(known["share"].max() * 1.15, 1.0)
    names = {str(i): step.replace("\n", " ") for i, step in enumerate(steps)}
    rows = known.assign(
        name=[names[str(step)] for step in known["step"]], printed=[write_prevalence(share) for share in known["share"]]
    )
    axis = alt.Axis(orient="top", title=None, values=_ticks(low, high), labelExpr=_LABEL, ticks=False, domain=False)
    domain = [low, high]
    color, shape = _looks(classes)
    base = alt.Chart(frame.data(rows)).encode(
        x=alt.X("share:Q", scale=alt.Scale(type="log", domain=domain, nice=False), axis=axis),
        y=alt.Y("step:Q", scale=alt.Scale(domain=[-0.5, len(steps) - 0.5], reverse=True, nice=False), axis=None),
        opacity=frame.unless_other_picked(),
        color=color,
        shape=shape,
    )
    tips = frame.tooltip({"class": "class", "name": "after", "printed": "share"})
    layers = [
        *_names(steps),
        base.mark_line(strokeWidth=2).encode(order=alt.Order("step:Q"), detail=alt.Detail("class:N")),
    ]
    layers.append(base.mark_point(filled=True, size=60).encode(tooltip=tips))
    return frame.assemble(layers, height, padding, title=title, description=description, parameters=[frame.PICKED])


_LABEL = "format(100 * datum.value, '~g') + ' %'"


def _ticks(low: float, high: float) -> list[float]:
    """Choose at most four shares to label."""
    ticks = decades(low, high)
    return ticks[:: math.ceil(len(ticks) / 4)]


def _looks(classes: Sequence[str]) -> tuple[alt.Color, alt.Shape]:
    """Give the class that matters its colour, and each class a shape of its own."""
    domain = list(classes)
    colors = [theme.color("focus"), *[theme.color("compare")] * (len(domain) - 1)]
    shapes = [theme.SHAPES[i % len(theme.SHAPES)] for i in range(len(domain))]
    names = {name: shorten(shown(name), frame.WIDTH - SIDE - 60) for name in domain}
    legend = alt.Legend(labelExpr=frame.worded(names), offset=14)
    return (
        alt.Color("class:N", sort=domain, scale=alt.Scale(domain=domain, range=colors), legend=legend),
        alt.Shape("class:N", sort=domain, scale=alt.Scale(domain=domain, range=shapes), legend=legend),
    )


def _names(steps: Sequence[str]) -> list[alt.Chart]:
    """Write the name of each step in up to two lines, and draw a line below it."""
    lines = [step.split("\n") if "\n" in step else wrap(step, SIDE) for step in steps]
    hair = alt.Chart(frame.inline([{"y": i + 0.5} for i in range(len(steps))])).mark_rule(color=theme.color("hair"))
    charts = [hair.encode(x=alt.XValue(-SIDE - 8), x2=alt.X2Value("width"), y=alt.Y("y:Q", axis=None))]
    for place, shade in ((0, "ink"), (1, "muted")):
        places = [
            (-SIDE - 8, PITCH * (i + 0.5) + 14.4 * (place - 0.5) * (len(parts) > 1), shorten(parts[place], SIDE))
            for i, parts in enumerate(lines)
            if len(parts) > place
        ]
        mark = alt.MarkDef(type="text", align="left", baseline="middle", color=theme.color(shade))
        charts += [frame.write(places, mark)] if places else []
    return charts
