"""What several charts share: their width, a figure with its interval, a legend, an empty chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.report.charts.svg import SERIES, finite, label, line, marker, svg
from counterpoise.report.charts.texts import write_count, write_value

WIDTH = 400.0
"""Of a chart, in units of its viewBox, unless it says otherwise."""


@dataclass(frozen=True)
class PointEstimate:
    """A figure with its interval and its support.

    Attributes:
        value: Point estimate; None or NaN where it is undefined.
        low: Lower end of the interval; None or NaN for none.
        high: Upper end of the interval.
        count: Number of images (or objects) behind the figure; None leaves it unprinted.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    count: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any], count: int | None = None) -> PointEstimate:
        """Read a value with its interval from a row of a table; what is undefined has no interval."""
        value = finite(row["value"])
        return cls(value, count=count) if value is None else cls(value, row["low"], row["high"], count)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval, or None if one is missing."""
        low, high = finite(self.low), finite(self.high)
        return None if low is None or high is None else (low, high)

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
    """Write a line per series: swatch, name, and a detail on a second line if there is one.

    Args:
        entries: Name, detail, and index of the colour; the shape of the point follows from the order.
        top: Upper edge.

    Returns:
        The drawing, and its lower edge.
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
    """Return a chart that says that there is nothing to draw."""
    body = [label(WIDTH / 2, 40, "nothing to draw", anchor="middle", class_="muted")]
    return svg(WIDTH, 72, body, title=title, alt=alt, kind=kind)
