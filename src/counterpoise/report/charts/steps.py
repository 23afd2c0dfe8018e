"""The prior ledger as a chart: the share of each class after each line."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.report.charts.axes import linear
from counterpoise.report.charts.frame import WIDTH, legend, nothing
from counterpoise.report.charts.svg import SERIES, el, finite, label, line, marker, num, svg, wrap
from counterpoise.report.charts.texts import shown, write_prevalence

SIDE = 158.0
"""Width of the column with the names of the lines."""
UNKNOWN = ": unknown"
"""The end of the name of a step that is highlighted."""


@dataclass(frozen=True)
class Track:
    """One class: its share at each step (None if unknown), and the index of its colour."""

    name: str
    shares: Sequence[float | None]
    series: int


def shares_by_step(steps: Sequence[str], tracks: Sequence[Track], *, title: str, alt: str) -> str:
    """Draw shares on a logarithmic axis, with steps from top to bottom. Dashes bridge unknown shares.

    Args:
        steps: Names, from top to bottom. Line breaks in them are kept.
        tracks: The classes to draw.
        title: Short name of the chart.
        alt: Text alternative.

    Returns:
        An SVG.

    Raises:
        ValueError: if the shares of a class do not match the number of steps.
    """
    for track in tracks:
        if len(track.shares) != len(steps):
            raise ValueError(
                f"track {track.name!r} has {len(track.shares)} shares; expected {len(steps)}, one per step"
            )
    known = [share for track in tracks for share in map(finite, track.shares) if share is not None and share > 0]
    if not known:
        return nothing(title, alt, "steps")
    ticks = _ticks(min(known), max(known))
    to_x = linear((math.log10(ticks[0]), math.log10(ticks[-1])), (SIDE + 12, WIDTH - 22))
    top, pitch = 30.0, 40.0
    bottom = top + pitch * len(steps)
    body = []
    for tick in ticks:
        x = to_x(math.log10(tick))
        body.append(line(x, top - 6, x, bottom, "hair"))
        body.append(label(x, top - 12, write_prevalence(tick), size=12, anchor="middle", class_="muted"))
    for i, step in enumerate(steps):
        y = top + (i + 0.5) * pitch
        body.append(line(0, y + pitch / 2, WIDTH, y + pitch / 2, "hair"))
        lines = step.split("\n") if "\n" in step else wrap(step, SIDE, 12)
        for j, text in enumerate(lines):
            class_ = "alarm" if text.endswith(UNKNOWN) else "muted" if j else ""
            body.append(label(2, y + 4 - 7 * (len(lines) - 1) + 14 * j, text, size=12, max_width=SIDE, class_=class_))
    for track in reversed(tracks):  # drawn last, the first is on top
        points = [
            (to_x(math.log10(share)), top + (i + 0.5) * pitch, i)
            for i, share in enumerate(map(finite, track.shares))
            if share is not None and share > 0
        ]
        for (x1, y1, i), (x2, y2, j) in itertools.pairwise(points):
            dashed = " dashed" if j > i + 1 else ""
            coordinates = f"{num(x1)},{num(y1)} {num(x2)},{num(y2)}"
            body.append(el("polyline", points=coordinates, class_=f"curve s{track.series % SERIES}{dashed}"))
        for x, y, i in points:
            tip = f"{shown(track.name)}, {steps[i].replace(chr(10), ' ')}: {write_prevalence(track.shares[i] or 0.0)}"
            body.append(marker(x, y, 4, track.series, shape=tracks.index(track), tip=tip))
    drawn, height = legend([(shown(track.name), "", track.series) for track in tracks], bottom + 12)
    return svg(WIDTH, height, [*body, drawn], title=title, alt=alt, kind="steps")


def _ticks(low: float, high: float) -> list[float]:
    """Return shares of 1, 2 or 5 times a power of ten that span [low, high]; fewer for a wide range."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1, 2, 5), (1, 3), (1,)):
        every = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        below = max([tick for tick in every if tick <= low * 1.001], default=every[0])
        above = min([tick for tick in every if tick >= high * 0.999], default=every[-1])
        ticks = [tick for tick in every if below <= tick <= above]
        if 2 <= len(ticks) <= 5:
            return ticks
    step = math.ceil(len(ticks) / 5)
    return sorted({ticks[0], *ticks[::-step]})
