"""Bars with intervals: one measure per class, and the small gauge of a headline figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.report.charts.axes import axes, linear, nice_ticks
from counterpoise.report.charts.frame import WIDTH, PointEstimate, nothing
from counterpoise.report.charts.svg import (
    SERIES,
    el,
    escape,
    finite,
    label,
    line,
    marker,
    rect,
    svg,
    text_width,
    whisker,
)
from counterpoise.report.charts.texts import shown, write_value

GAUGE = 200.0
"""Width of a gauge."""
REST = 6
"""Index of the grey colour, for rows that are not in focus."""


@dataclass(frozen=True)
class Row:
    """One class of `bars_with_intervals`.

    Attributes:
        name: The class.
        estimate: Its value.
        reference: Its no-skill value, drawn as a tick; None for no tick.
        focus: Whether to highlight the class. If one is highlighted, the others are grey.
        text: Printed instead of the text of the estimate, if not empty.
    """

    name: str
    estimate: PointEstimate
    reference: float | None = None
    focus: bool = False
    text: str = ""


def bars_with_intervals(
    rows: Sequence[Row],
    *,
    title: str,
    alt: str,
    upper: float = 1.0,
    reference_name: str = "no skill",
    series: int = 0,
) -> str:
    """Draw one measure per class: a bar from zero, its interval, and the value with its support.

    Args:
        rows: Classes, from top to bottom.
        title: Short name of the chart.
        alt: Text alternative.
        upper: Right end of the axis, which starts at 0.
        reference_name: The meaning of the ticks.
        series: Index of the colour.

    Returns:
        An SVG.
    """
    if not rows:
        return nothing(title, alt, "bars")
    left, right, top, pitch = 8.0, WIDTH - 8, 8.0, 46.0
    bottom = top + pitch * len(rows)
    drawn, to_x, _ = axes(nice_ticks(0, upper), (), left, right, top, bottom, flush=True)
    body = [drawn]
    focused = any(row.focus for row in rows)
    for i, row in enumerate(rows):
        y = top + i * pitch
        own = REST if focused and not row.focus else series % SERIES
        printed = row.text or row.estimate.text
        room = right - left - text_width(printed, 12) - 14
        body.append(label(left, y + 15, shown(row.name), class_="strong halo", max_width=room))
        class_ = "halo" if finite(row.estimate.value) is not None else "halo muted"
        body.append(label(right, y + 15, printed, size=12, anchor="end", class_=class_))
        middle = y + 29
        body.append(rect(left, middle - 6, right - left, 12, "track", 2))
        value, interval, reference = finite(row.estimate.value), row.estimate.interval, finite(row.reference)
        if value is not None:
            body.append(rect(left, middle - 6, to_x(value) - left, 12, f"bar s{own}", 2))
        if reference is not None:
            x = to_x(reference)
            tip = el("title", escape(f"{reference_name} = {write_value(reference)}"))
            body.append(el("line", tip, x1=x, y1=middle - 9, x2=x, y2=middle + 9, class_="tick"))
        if interval is not None:
            body.append(whisker(to_x(interval[0]), middle, to_x(interval[1]), middle, own))
        if value is not None:
            body.append(marker(to_x(value), middle, 4.5, own))
    height = bottom + 26
    if any(finite(row.reference) is not None for row in rows):
        body.append(line(left + 3, height, left + 3, height + 14, "tick"))
        body.append(label(left + 12, height + 11, reference_name, size=12, class_="muted"))
        height += 20
    return svg(WIDTH, height, body, title=title, alt=alt, kind="bars")


def gauge(estimate: PointEstimate, *, title: str, reference: float | None = None, upper: float = 1.0) -> str:
    """Draw one figure between 0 and `upper`, with its interval and a tick at the value of no skill.

    Args:
        estimate: The figure.
        title: Its name.
        reference: The value of no skill; None for no tick.
        upper: Right end of the axis.

    Returns:
        An SVG of 200 by 18 units.
    """
    to_x, middle = linear((0, upper), (2, GAUGE - 2)), 9.0
    value, interval, no_skill = finite(estimate.value), estimate.interval, finite(reference)
    body = [rect(0, middle - 4, GAUGE, 8, "track", 4)]
    if value is not None:
        body.append(rect(0, middle - 4, to_x(value), 8, "bar s0", 4))
    if no_skill is not None:
        body.append(line(to_x(no_skill), middle - 8, to_x(no_skill), middle + 8, "tick"))
    if interval is not None:
        body.append(whisker(to_x(interval[0]), middle, to_x(interval[1]), middle, 0))
    if value is not None:
        body.append(marker(to_x(value), middle, 5, 0))
    alt = f"{title}: {estimate.text}, between 0 and {upper:g}"
    alt += "" if no_skill is None else f"; no skill {write_value(no_skill)}"
    return svg(GAUGE, 18, body, title=title, alt=alt, kind="gauge", max_width=0)
