"""Shares before and after a change: two points on one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.report.charts.axes import axes, nice_ticks
from counterpoise.report.charts.bars import REST
from counterpoise.report.charts.frame import WIDTH, nothing
from counterpoise.report.charts.svg import label, line, marker, svg, text_width
from counterpoise.report.charts.texts import shown, write_prevalence


@dataclass(frozen=True)
class Change:
    """One row: two shares in [0, 1]."""

    name: str
    before: float
    after: float

    @property
    def text(self) -> str:
        """Both shares as printed.

        Example:
            >>> Change("a", 0.012, 0.3).text
            '1.2 % → 30 %'
        """
        return f"{write_prevalence(self.before)} → {write_prevalence(self.after)}"


def changes(rows: Sequence[Change], *, title: str, alt: str, names: tuple[str, str] = ("before", "after")) -> str:
    """Draw a line from the share before to the share after for each row.

    Args:
        rows: From top to bottom.
        title: Short name of the chart.
        alt: Text alternative.
        names: The names of both points in the legend.

    Returns:
        An SVG. Its axis is in per cent and starts at 0.
    """
    if not rows:
        return nothing(title, alt, "changes")
    left, right, top, pitch = 8.0, WIDTH - 8, 8.0, 40.0
    bottom = top + pitch * len(rows)
    largest = max(100 * max(row.before, row.after) for row in rows) or 1.0
    drawn, to_x, _ = axes(nice_ticks(0, largest), (), left, right, top, bottom, flush=True, x_label="per cent")
    body = [drawn]
    for i, row in enumerate(rows):
        y = top + i * pitch
        room = right - left - text_width(row.text, 12) - 14
        body.append(label(left, y + 15, shown(row.name), class_="halo", max_width=room))
        body.append(label(right, y + 15, row.text, size=12, anchor="end", class_="halo"))
        before, after = (to_x(100 * share) for share in (row.before, row.after))
        body.append(line(before, y + 27, after, y + 27, "curve s0"))
        body.append(marker(before, y + 27, 4.5, REST))
        body.append(marker(after, y + 27, 5, 0, shape=1))
    y, x = bottom + 46, left
    for i, (name, series) in enumerate(zip(names, (REST, 0), strict=True)):
        body.append(marker(x + 6, y + 6, 4.5, series, shape=i))
        body.append(label(x + 17, y + 10, name, size=12, class_="muted"))
        x += 36 + text_width(name, 12)
    return svg(WIDTH, y + 18, body, title=title, alt=alt, kind="changes")
