"""Line charts over epochs or ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterpoise.report.charts.axes import Scale, axes, nice_ticks, tick_texts, write_power
from counterpoise.report.charts.frame import WIDTH, nothing
from counterpoise.report.charts.svg import SERIES, el, finite, label, line, marker, num, spread, svg, text_width
from counterpoise.report.charts.texts import shown


@dataclass(frozen=True)
class Line:
    """One series of `line_chart`. `x` defaults to 1, 2, ... (epochs), `series` to the position."""

    name: str
    y: Sequence[float | None]
    x: Sequence[float] = ()
    series: int | None = None


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    alt: str,
    x_label: str = "epoch",
    y_label: str = "",
    mark: float | None = None,
    mark_name: str = "best epoch",
    log: bool = False,
) -> str:
    """Draw curves over epochs with a label at the end of each. Missing values leave a gap.

    Args:
        lines: Series. One without a finite value is named below the chart.
        title: Short name of the chart.
        alt: Text alternative.
        x_label: Title of the horizontal axis. Its ticks are whole numbers.
        y_label: Title of the vertical axis.
        mark: Position of the vertical marker, such as the best epoch; None for no marker.
        mark_name: The text above the marker, before its position.
        log: Whether the y axis is logarithmic. Values of 0 and below then count as missing.

    Returns:
        An SVG.

    Raises:
        ValueError: if x and y of a series have different lengths.
    """
    runs_of = {i: _runs(track, log) for i, track in enumerate(lines)}
    tracks = [
        _Track(shown(one.name), runs_of[i], i if one.series is None else one.series)
        for i, one in enumerate(lines)
        if runs_of[i]
    ]
    if not tracks:
        return nothing(title, alt, "lines")
    points = np.array([point for track in tracks for run in track.runs for point in run])
    mark = finite(mark)
    xs = points[:, 0] if mark is None else np.append(points[:, 0], mark)
    x_low, x_high = float(xs.min()), float(xs.max())
    y_low, y_high = float(points[:, 1].min()), float(points[:, 1].max())
    if not log and 0 <= y_low < 0.5 * y_high:
        y_low = 0.0
    names_width = min(max(text_width(track.name, 12) for track in tracks), 138.0)
    right, bottom = WIDTH - 18 - names_width, 236.0
    top = 12.0 + 18 * (bool(y_label) + (mark is not None))
    y_ticks = nice_ticks(y_low, y_high, whole=log)
    y_texts = _powers(y_ticks) if log else tick_texts(y_ticks)
    left = max(text_width(text, 12) for text in y_texts) + 10
    x_ticks = [x_low] if x_low == x_high else nice_ticks(x_low, x_high, 5, whole=True)
    frame, to_x, to_y = axes(
        x_ticks, y_ticks, left, right, top, bottom, x_label=x_label, x_domain=(x_low, x_high), y_texts=y_texts
    )
    body = [frame]
    if y_label:
        body.append(label(2, 14, y_label, size=12, class_="muted", max_width=WIDTH - 4))
    if mark is not None:
        body += _draw_mark(to_x(mark), f"{mark_name} {mark:g}", top, bottom)
    ends = [to_y(track.runs[-1][-1][1]) for track in tracks]
    for track, y_name in zip(tracks, spread(ends, 16, top, bottom), strict=True):
        body += _draw_track(track, to_x, to_y, right, y_name)
        body.append(label(right + 13, y_name + 4, track.name, class_="halo", max_width=names_width + 4, size=12))
    height = bottom + 42
    for i, without in enumerate(lines):
        if not runs_of[i]:
            missing = f"{shown(without.name)}: no finite value"
            body.append(label(2, height + 10, missing, size=12, class_="muted", max_width=WIDTH - 4))
            height += 18
    return svg(WIDTH, height, body, title=title, alt=alt, kind="lines")


@dataclass(frozen=True)
class _Track:
    """A line with at least one point: its runs of points without a gap, and the index of its colour."""

    name: str
    runs: list[list[tuple[float, float]]]
    series: int


def _draw_mark(x: float, text: str, top: float, bottom: float) -> list[str]:
    """Draw a vertical line with a text above it."""
    half = text_width(text, 12) / 2
    at = min(max(x, half + 2), WIDTH - half - 2)
    return [
        line(x, top - 4, x, bottom, "marker-line"),
        label(at, top - 9, text, size=12, anchor="middle", max_width=WIDTH - 4),
    ]


def _draw_track(track: _Track, to_x: Scale, to_y: Scale, right: float, y_name: float) -> list[str]:
    """Draw the runs of a line, a point at its end, and a leader to its name if that is not beside it."""
    body = []
    for run in track.runs:
        if len(run) > 1:
            coordinates = " ".join(f"{num(to_x(x))},{num(to_y(y))}" for x, y in run)
            dashed = " dashed" if track.series >= SERIES else ""
            body.append(el("polyline", points=coordinates, class_=f"curve s{track.series % SERIES}{dashed}"))
        else:
            body.append(marker(to_x(run[0][0]), to_y(run[0][1]), 3, track.series))
    x_end, y_end = (scale(value) for scale, value in zip((to_x, to_y), track.runs[-1][-1], strict=True))
    body.append(marker(x_end, y_end, 3.5, track.series))
    if abs(y_name - y_end) > 4 or x_end < right - 1:
        body.append(line(x_end + 4, y_end, right + 11, y_name, "leader"))
    return body


def _powers(exponents: Sequence[float]) -> list[str]:
    """Write powers of ten: as counts if all are from 1 to 1,000,000, else as mantissa and exponent."""
    if all(0 <= exponent <= 6 for exponent in exponents):
        return [f"{10**exponent:,.0f}" for exponent in exponents]
    return [write_power(10.0**exponent) for exponent in exponents]


def _runs(track: Line, log: bool) -> list[list[tuple[float, float]]]:
    """Split a series at its missing values, and take log10 of y if the axis is logarithmic."""
    xs = track.x if len(track.x) else range(1, len(track.y) + 1)
    if len(xs) != len(track.y):
        raise ValueError(f"line {track.name!r} has {len(xs)} x and {len(track.y)} y; expected the same number")
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in ((finite(x), finite(y)) for x, y in zip(xs, track.y, strict=True)):
        if x is None or y is None or (log and y <= 0):
            runs.append([])
        else:
            runs[-1].append((x, math.log10(y) if log else y))
    return [run for run in runs if run]
