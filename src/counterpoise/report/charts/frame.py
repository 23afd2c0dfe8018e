"""Shared parts of charts: the width, a figure with its interval, a legend, an empty chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.report.charts.svg import SERIES, finite, label, line, marker, svg
from counterpoise.report.charts.texts import write_count, write_value

WIDTH = 400.0
"""Default width of a chart, in units of its viewBox."""


@dataclass(frozen=True)
class PointEstimate:
    """A figure with its interval and its support.

    Attributes:
        value: The point estimate; None or NaN if it is undefined.
        low: Lower end of the interval; None or NaN if there is none.
        high: Upper end of the interval.
        count: The support: number of images behind the figure; None does not print it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    count: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any], count: int | None = None) -> PointEstimate:
        """Read a value with its interval from a row of a table. An undefined value gets no interval."""
        value = finite(row["value"])
        return cls(value, count=count) if value is None else cls(value, row["low"], row["high"], count)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval; None if one is missing."""
        low, high = finite(self.low), finite(self.high)
        return None if low is None or high is None else (low, high)

    def overlaps(self, other: PointEstimate) -> bool:
        """Say whether the intervals of two figures overlap; so they do if one is unknown.

        Example:
            >>> PointEstimate(0.4, 0.3, 0.5).overlaps(PointEstimate(0.6, 0.5, 0.7))
            True
        """
        one, two = self.interval, other.interval
        return one is None or two is None or (one[0] <= two[1] and two[0] <= one[1])

    @property
    def text(self) -> str:
        """The figure as printed.

        Example:
            >>> PointEstimate(0.43, 0.24, 0.63, 21).text
            '0.43 [0.24, 0.63], n = 21'
        """
        interval = self.interval
        written = write_value(self.value)
        if interval is not None:
            written += f" [{write_value(interval[0])}, {write_value(interval[1])}]"
        return written if self.count is None else f"{written}, n = {write_count(self.count)}"


def legend(entries: Sequence[tuple[str, str, int]], top: float) -> tuple[str, float]:
    """Draw one entry per series: swatch, name, and a second line with the detail, if any.

    Args:
        entries: Name, detail, and index of the colour of each series. The order sets the shape of the point.
        top: Upper edge.

    Returns:
        The drawing and its lower edge.
    """
    body, y = [], top
    for shape, (name, detail, series) in enumerate(entries):
        body.append(line(8, y + 8, 30, y + 8, f"curve s{series % SERIES}"))
        body.append(marker(19, y + 8, 4.5, series, shape=shape))
        body.append(label(38, y + 12, name, max_width=WIDTH - 46))
        y += 19
        if detail:
            body.append(label(38, y + 10, detail, size=12, class_="muted", max_width=WIDTH - 46))
            y += 18
    return "".join(body), y + 6


def nothing(title: str, alt: str, kind: str) -> str:
    """Draw a chart with the text "nothing to draw"."""
    body = [label(WIDTH / 2, 40, "nothing to draw", anchor="middle", class_="muted")]
    return svg(WIDTH, 72, body, title=title, alt=alt, kind=kind)
