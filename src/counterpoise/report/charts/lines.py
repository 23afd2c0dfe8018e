"""Lines over epochs, penalties or ranks, each with its name at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import altair as alt
import numpy as np

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.charts.labels import shorten, text_width
from counterpoise.report.texts import shown

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 210
GAP = 15
"""Smallest distance of two names, in px."""


class Axis(NamedTuple):
    """An axis: its title, whether it is logarithmic, and whether its ticks are whole numbers."""

    title: str
    log: bool = False
    whole: bool = False


class Mark(NamedTuple):
    """A vertical line with a text above it, such as the epoch that was kept."""

    x: float
    text: str


def lines(
    table: pd.DataFrame, *, x: Axis, y: Axis, title: str, description: str, mark: Mark | None = None
) -> alt.LayerChart:
    """Draw one line per series. Missing values leave a gap.

    Args:
        table: One row for each point: `series`: its name; `x`; `y`: NaN where missing; `color`: what the series is
            (`theme.MEANINGS`). Series of one colour differ by their dashes.
        x: The horizontal axis.
        y: The vertical axis. On a logarithmic axis, values of 0 and below count as missing.
        title: Heading.
        description: Text alternative.
        mark: A position to mark; None for none.
    """
    known = table[np.isfinite(table["y"]) & ((table["y"] > 0) | (not y.log))]
    names = list(dict.fromkeys(table["series"]))
    drawn = [name for name in names if name in set(known["series"])]
    if not drawn:
        return frame.empty(title, description)
    labels = {name: shorten(shown(name), 130) for name in drawn}
    right = 22 + round(max(map(text_width, labels.values())))
    missing = [f"{shown(name)}: no finite value" for name in names if name not in drawn]
    padding = Padding(58, right, 76 if mark else 56, 50 + 18 * len(missing))
    across, upwards = _ends(known["x"].tolist() + ([mark.x] if mark else []), x), _ends(known["y"].tolist(), y)
    base = alt.Chart(frame.data(table.assign(y=table["y"].where(table.index.isin(known.index)))))
    x_at = alt.X("x:Q", scale=_scale(across, x), axis=_axis(x, across, alt.Axis(titleY=34)))
    above = alt.Axis(titleAngle=0, titleAlign="left", titleX=-50, titleY=-14 - 20 * bool(mark))
    y_at = alt.Y("y:Q", scale=_scale(upwards, y), axis=_axis(y, upwards, above))
    layers = [*_mark(mark), *_curves(base, x_at, y_at, table, drawn, x.title)]
    layers += _names(known, drawn, labels, y, upwards, padding) + _remarks(missing, padding)
    return frame.assemble(layers, HEIGHT, padding, title=title, description=description)


def _ends(values: Sequence[float], axis: Axis) -> tuple[float, float]:
    """Choose the ends of an axis: round values around those given, and 0 if they come close to it."""
    low, high = min(values), max(values)
    if axis.log:
        return (low, high) if low < high else (low / 2, high * 2)
    if low == high:
        low, high = (low - 0.5, high + 0.5) if axis.whole or not low else (low - abs(low) / 2, high + abs(high) / 2)
    if axis.whole:
        return low, high
    low = 0.0 if 0 <= low < 0.5 * high else low
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if 4 * factor * power >= high - low)
    return round(math.floor(low / step + 1e-9) * step, 12), round(math.ceil(high / step - 1e-9) * step, 12)


def _scale(ends: tuple[float, float], axis: Axis) -> alt.Scale:
    if axis.log:
        return alt.Scale(type="log", domain=list(ends), nice=False)
    return alt.Scale(domain=list(ends), nice=False, zero=False)


def _axis(axis: Axis, ends: tuple[float, float], drawn: alt.Axis) -> alt.Axis:
    """Add the title and the ticks to an axis whose title has its place."""
    drawn.title, drawn.labelOverlap = axis.title, True
    if axis.log:
        drawn.values, drawn.format = decades(*ends), "~g"
    elif axis.whole:
        drawn.tickMinStep, drawn.format = 1, ",d"
    return drawn


def decades(low: float, high: float) -> list[float]:
    """List round values between two positive numbers, for a logarithmic axis.

    Example:
        >>> decades(0.003, 2), decades(20, 90)
        ([0.01, 0.1, 1.0], [20.0, 50.0])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5), tuple(range(1, 10))):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        ticks = [float(f"{tick:.6g}") for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) >= 2:
            break
    return ticks[:: math.ceil(len(ticks) / 6)]


def _curves(
    base: alt.Chart, x: alt.X, y: alt.Y, table: pd.DataFrame, drawn: Sequence[str], x_title: str
) -> list[alt.Chart]:
    """Draw the lines. A point without neighbours is drawn as a dot."""
    color_of = dict(zip(table["series"], table["color"], strict=True))
    colors = [theme.color(color_of[name]) for name in drawn]
    nth = [sum(color_of[other] == color_of[name] for other in drawn[:i]) for i, name in enumerate(drawn)]
    dashes = [list(theme.DASHES[n % len(theme.DASHES)]) for n in nth]
    color = alt.Color("series:N", scale=alt.Scale(domain=list(drawn), range=colors), legend=None)
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=list(drawn), range=dashes), legend=None)
    line = base.mark_line(strokeWidth=2, invalid="break-paths-show-path-domains").encode(
        x=x, y=y, color=color, strokeDash=dash
    )
    tips = [
        *frame.tooltip({"series": ""}),
        alt.Tooltip("x:Q", title=x_title),
        alt.Tooltip("y:Q", title="value", format=".3g"),
    ]
    few = len(table) <= 60 * len(drawn)
    point = base.transform_filter(frame.known("y")).mark_circle(size=22 if few else 9, opacity=1)
    return [line, point.encode(x=x, y=y, color=color, tooltip=tips)]


def _names(
    known: pd.DataFrame,
    drawn: Sequence[str],
    labels: dict[str, str],
    axis: Axis,
    ends: tuple[float, float],
    padding: Padding,
) -> list[alt.Chart]:
    """Write the name of each series beside its last point, moved apart where they would overlap."""
    low, high = (np.log10(end) if axis.log else end for end in ends)
    last = known.sort_values("x", kind="stable").groupby("series", sort=False)["y"].last()
    values = [float(np.log10(last[name]) if axis.log else last[name]) for name in drawn]
    at = spread([HEIGHT * (high - value) / (high - low) for value in values], GAP, 6, HEIGHT - 6)
    places = [(padding.inner + 8, round(y, 1), labels[name]) for name, y in zip(drawn, at, strict=True)]
    return [frame.write(places, alt.MarkDef(type="text", align="left", baseline="middle"))]


def _mark(mark: Mark | None) -> list[alt.Chart]:
    if mark is None:
        return []
    base = alt.Chart(frame.inline([{"x": mark.x}]))
    rule = base.mark_rule(color=theme.color("muted"), strokeDash=[2, 3], strokeWidth=1.5).encode(x=alt.X("x:Q"))
    text = alt.MarkDef(type="text", align="left", baseline="bottom", color=theme.color("muted"))
    return [rule, frame.write([(0, -5, mark.text)], text)]


def _remarks(texts: Sequence[str], padding: Padding) -> list[alt.Chart]:
    """Name series that have nothing to draw, below the axis."""
    places = [(8 - padding.left, HEIGHT + 58 + 18 * i, shorten(text, frame.WIDTH - 16)) for i, text in enumerate(texts)]
    return [frame.write(places, alt.MarkDef(type="text", align="left", color=theme.color("muted")))] if places else []


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions apart by at least `gap`, without changing their order, within [low, high] if they fit.

    Example:
        >>> spread([50, 50, 90], 10, 0, 100)
        [45.0, 55.0, 90.0]
    """
    order = [int(i) for i in np.argsort(positions, kind="stable")]
    placed = np.asarray(positions, dtype=float)[order]
    for _ in range(50):
        overlaps = gap - np.diff(placed)
        if not (overlaps > 1e-6).any():
            break
        for i in np.flatnonzero(overlaps > 1e-6).tolist():
            move = max(gap - (placed[i + 1] - placed[i]), 0) / 2
            placed[i] -= move
            placed[i + 1] += move
    for i in range(len(placed)):
        placed[i] = max(placed[i], low if i == 0 else placed[i - 1] + gap)
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], high if i == len(placed) - 1 else placed[i + 1] - gap)
    result = np.empty_like(placed)
    result[order] = placed
    return [float(y) for y in result]
