"""Charts of a study: differences with the margin, versions of a figure for each arm, and power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.charts.variants import Look

if TYPE_CHECKING:
    import pandas as pd

PITCH = 36
LOOKS = {
    "better": Look("focus", "triangle-right"),
    "worse": Look("focus", "triangle-left"),
    "equivalent": Look("focus"),
    "undecided": Look("compare", "diamond"),
    "identical": Look("compare", "square"),
}
"""Verdict -> how it is drawn."""
VIEWS = {"raw": Look("compare", "diamond"), "calibrated": Look("focus", "square"), "decided": Look("focus")}
"""View -> how it is drawn."""
BELOW = 9
"""A mark is so many px below the middle of its row, and its texts are above."""


def forest(
    table: pd.DataFrame, *, margin: float, domain: tuple[float, float], title: str, description: str
) -> alt.LayerChart:
    """Draw the difference of each arm with its interval, over a band of plus or minus the margin.

    Args:
        table: One row for each arm, from top to bottom: `arm`; `word`: a key of `LOOKS`; `difference`, `low`, `high`;
            `printed`: text at the right.
        margin: Half the width of the band.
        domain: Ends of the axis.
        title: Heading.
        description: Text alternative.
    """
    base, height, padding, words = _base(table, table["word"].tolist(), LOOKS)
    color, shape = _looks("word", words, LOOKS)
    x = alt.X("difference:Q", scale=alt.Scale(domain=list(domain), nice=False, zero=False), axis=_axis())
    tips = frame.tooltip({"arm": "arm", "word": "verdict", "printed": "difference"})
    rule = base.mark_rule(strokeWidth=2, yOffset=BELOW)
    point = base.mark_point(filled=True, size=80, opacity=1, yOffset=BELOW)
    layers = [
        *_band(margin, domain),
        rule.encode(x=alt.X("low:Q"), x2=alt.X2("high"), color=color, tooltip=tips),
        point.encode(x=x, color=color, shape=shape, tooltip=tips),
        *frame.row_texts(base, padding.inner),
    ]
    return frame.assemble(layers, height, padding, title=title, description=description)


def versions(
    table: pd.DataFrame,
    looks: Mapping[str, Look],
    *,
    margin: float | None,
    domain: tuple[float, float],
    title: str,
    description: str,
) -> alt.LayerChart:
    """Draw several versions of one figure for each arm as marks on one line.

    Args:
        table: One row for each arm and version, from top to bottom: `arm`; `version`: a key of `looks`; `value`;
            `printed`: text at the right, the same in all rows of an arm.
        looks: How versions are drawn.
        margin: Half the width of a band around 0; None for no band.
        domain: Ends of the axis.
        title: Heading.
        description: Text alternative.
    """
    one = table.drop_duplicates("arm")
    base, height, padding, names = _base(one, table["version"].tolist(), looks)
    color, shape = _looks("version", names, looks)
    points = alt.Chart(frame.data(table[["arm", "version", "value"]])).encode(y=frame.rows("arm", one["arm"].tolist()))
    ends = table.groupby("arm", sort=False)["value"].agg(["min", "max"]).reset_index()
    spans = alt.Chart(frame.data(ends)).encode(y=frame.rows("arm", one["arm"].tolist()))
    x = alt.X("value:Q", scale=alt.Scale(domain=list(domain), nice=False, zero=False), axis=_axis())
    tips = [*frame.tooltip({"arm": "arm", "version": "version"}), alt.Tooltip("value:Q", format=".3f")]
    layers = [
        *(_band(margin, domain) if margin is not None else []),
        spans.mark_rule(color=theme.color("axis"), strokeWidth=1.5, yOffset=BELOW).encode(
            x=alt.X("min:Q"), x2=alt.X2("max")
        ),
        points.mark_point(filled=True, size=70, opacity=0.85, yOffset=BELOW).encode(
            x=x, color=color, shape=shape, tooltip=tips
        ),
        *frame.row_texts(base, padding.inner),
    ]
    return frame.assemble(layers, height, padding, title=title, description=description)


def ends(values: Sequence[float], margin: float | None) -> tuple[float, float]:
    """Choose the ends of an axis that several charts share: all values and the margin, with a little room.

    Example:
        >>> ends([0.0, 0.1], 0.05)
        (-0.056, 0.106)
    """
    every = [*values, *((-margin, margin) if margin is not None else ())]
    low, high = min(every), max(every)
    room = 0.04 * (high - low) or 0.01
    return round(low - room, 6), round(high + room, 6)


def _base(
    table: pd.DataFrame, used: Sequence[str], looks: Mapping[str, Look]
) -> tuple[alt.Chart, int, Padding, list[str]]:
    """Prepare rows of one line per arm; returns them with their height, their padding, and the looks in use."""
    names = [name for name in looks if name in set(used)]
    padding = Padding(top=62, bottom=16 + 20 * len(names))
    labels = frame.beside(table["arm"], table["printed"], padding.inner)
    base = alt.Chart(frame.data(table.assign(label=labels))).encode(y=frame.rows("arm", table["arm"].tolist()))
    return base, PITCH * len(table), padding, names


def _axis() -> alt.Axis:
    return alt.Axis(title=None, orient="top", tickCount=5, grid=True, domain=False, ticks=False, labelFlush=True)


def _band(margin: float, domain: tuple[float, float]) -> list[alt.Chart]:
    """Shade differences below the margin, and draw a line at 0."""
    band = alt.Chart(alt.InlineData(values=[{"from": max(-margin, domain[0]), "to": min(margin, domain[1])}]))
    zero = alt.Chart(alt.InlineData(values=[{"at": 0}]))
    return [
        band.mark_rect(color=theme.color("track")).encode(x=alt.X("from:Q"), x2=alt.X2("to")),
        zero.mark_rule(color=theme.color("axis"), strokeWidth=1.5).encode(x=alt.X("at:Q")),
    ]


def _looks(field: str, names: Sequence[str], looks: Mapping[str, Look]) -> tuple[alt.Color, alt.Shape]:
    """Give each version its colour and its shape, with one legend."""
    colors = [theme.color(looks[name].color) for name in names]
    shapes = [looks[name].shape for name in names]
    return (
        alt.Color(f"{field}:N", sort=list(names), scale=alt.Scale(domain=list(names), range=colors)),
        alt.Shape(f"{field}:N", sort=list(names), scale=alt.Scale(domain=list(names), range=shapes)),
    )
