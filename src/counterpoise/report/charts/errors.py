"""Numbers of found images, missed images and false alarms of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.report.charts.frame import WIDTH, nothing
from counterpoise.report.charts.svg import label, rect, svg, text_width
from counterpoise.report.charts.texts import shown, write_count


@dataclass(frozen=True)
class Errors:
    """Counts of one class: true positives, false negatives, false positives."""

    name: str
    found: int
    missed: int
    alarms: int

    @property
    def text(self) -> str:
        """The counts as printed.

        Example:
            >>> Errors("a", 3, 1, 5).text
            '3 of 4 found, 5 false alarms'
        """
        of = f"{write_count(self.found)} of {write_count(self.found + self.missed)} found"
        return f"{of}, {write_count(self.alarms)} false alarm{'' if self.alarms == 1 else 's'}"


KINDS = (("found", "found"), ("missed", "missed"), ("alarms", "false alarms"))


def errors_by_class(rows: Sequence[Errors], *, title: str, alt: str) -> str:
    """Draw for each class the found and missed images and the false alarms, on one scale.

    Args:
        rows: Classes, from top to bottom.
        title: Short name of the chart.
        alt: Text alternative.

    Returns:
        An SVG.
    """
    if not rows:
        return nothing(title, alt, "errors")
    left, width, pitch = 8.0, WIDTH - 16, 46.0
    longest = max(row.found + row.missed + row.alarms for row in rows) or 1
    body, y = [], 8.0
    for row in rows:
        room = width - text_width(row.text, 12) - 14
        body.append(label(left, y + 15, shown(row.name), class_="strong", max_width=room))
        body.append(label(left + width, y + 15, row.text, size=12, anchor="end"))
        body.append(rect(left, y + 23, width, 12, "track", 2))
        x = left
        for attribute, _ in KINDS:
            length = width * getattr(row, attribute) / longest
            if length:
                inset = 0.75 if attribute == "missed" else 0.0  # an outline would reach beyond its rectangle
                body.append(rect(x + inset, y + 23 + inset, length - 2 * inset, 12 - 2 * inset, f"part {attribute}", 2))
                x += length
        y += pitch
    x = left
    for attribute, name in KINDS:
        body.append(rect(x + 0.75, y + 3, 14, 11, f"part {attribute}", 2))
        body.append(label(x + 21, y + 13, name, size=12, class_="muted"))
        x += 33 + text_width(name, 12)
    return svg(WIDTH, y + 22, body, title=title, alt=alt, kind="errors")
