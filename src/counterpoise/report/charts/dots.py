"""Images as dots, which show how rare a class is, and how many images are found, missed and false alarms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from counterpoise.report.charts.frame import WIDTH, nothing
from counterpoise.report.charts.svg import el, label, num, svg
from counterpoise.report.charts.texts import write_count

MOST_DOTS = 1000
"""Largest number of dots in a chart."""
Kind = Literal["missed", "found", "alarm", "rest"]


@dataclass(frozen=True)
class Group:
    """Images that are drawn in the same way. `name` follows their number, as in "19 found"."""

    name: str
    count: float
    kind: Kind


def dots(
    groups: Sequence[Group],
    *,
    title: str,
    alt: str,
    notes: Sequence[str] = (),
    noun: str = "image",
    most: int = MOST_DOTS,
) -> str:
    """Draw one dot per image, or per several images if there are many, group by group.

    Args:
        groups: Groups in drawing order. Their counts need not be whole numbers.
        title: Short name of the chart.
        alt: Text alternative.
        notes: Lines below the legend.
        noun: What a dot represents.
        most: Largest number of dots.

    Returns:
        An SVG. Every group that is not empty has at least one dot.
    """
    total = sum(group.count for group in groups)
    drawn = apportion([group.count for group in groups], min(most, round(total)))
    number = sum(drawn)
    if not number:
        return nothing(title, alt, "dots")
    columns = min(max(math.ceil(math.sqrt(1.8 * number)), 12), 40)
    pitch = round((WIDTH - 16) / columns, 2)
    width = min(0.74 * pitch, 15.0)
    body, start = [], 0
    for group, count in zip(groups, drawn, strict=True):
        if count:
            path = _rows(start, start + count, columns, pitch)
            kind = group.kind
            dashes = f"0 {num(pitch)}"
            body.append(el("path", d=path, stroke_width=width, stroke_dasharray=dashes, class_=f"dots {kind}"))
            if kind == "missed":
                body.append(el("path", d=path, stroke_width=0.5 * width, stroke_dasharray=dashes, class_="dots hole"))
        start += count
    y = pitch * math.ceil(number / columns) + 8
    y = _legend(body, groups, y)
    per_dot = total / number
    each = f"Each dot is one {noun}." if per_dot < 1.05 else f"Each dot is about {per_dot:,.3g} {noun}s."
    body.append(label(8, y + 14, each, size=12, class_="muted"))
    y += 20
    for note in notes:
        body.append(label(8, y + 16, note, size=13, class_="strong", max_width=WIDTH - 16))
        y += 20
    return svg(WIDTH, y + 6, body, title=title, alt=alt, kind="dots-chart")


def apportion(counts: Sequence[float], number: int) -> list[int]:
    """Distribute dots over counts by largest remainder; every count above 0 gets at least one.

    Args:
        counts: Numbers of at least 0.
        number: Total number of dots, more if needed to give each count above 0 one.

    Returns:
        The number of dots of each count.

    Example:
        >>> apportion([0.4, 99.6, 0.0], 50), apportion([2, 1], 3)
        ([1, 49, 0], [2, 1])
    """
    total = sum(counts)
    if total <= 0 or number <= 0:
        return [0] * len(counts)
    exact = [count / total * number for count in counts]
    whole = [max(math.floor(share), int(share > 0)) for share in exact]
    by_remainder = sorted(range(len(counts)), key=lambda i: (whole[i] - exact[i], i))
    for i in by_remainder[: max(number - sum(whole), 0)]:
        whole[i] += 1
    while sum(whole) > number and max(whole) > 1:
        whole[whole.index(max(whole))] -= 1
    return whole


def _rows(first: int, end: int, columns: int, pitch: float) -> str:
    """Write a run of dots as dashed lines, one per row."""
    path = []
    while first < end:
        row, column = divmod(first, columns)
        length = min(end - first, columns - column)
        x, y = 8 + (column + 0.5) * pitch, 4 + (row + 0.5) * pitch
        path.append(f"M{num(x)} {num(y)}H{num(x + (length - 0.7) * pitch)}")
        first += length
    return "".join(path)


def _legend(body: list[str], groups: Sequence[Group], top: float) -> float:
    """Draw a swatch and a number for each group, two per line, and return the lower edge."""
    for i, group in enumerate(groups):
        x, y = 8 + (i % 2) * (WIDTH / 2), top + 10 + 21 * (i // 2)
        swatch = f"M{num(x + 6)} {num(y)}h0.1"
        body.append(el("path", d=swatch, stroke_width=11, stroke_dasharray="0 20", class_=f"dots {group.kind}"))
        if group.kind == "missed":
            body.append(el("path", d=swatch, stroke_width=5.5, stroke_dasharray="0 20", class_="dots hole"))
        written = f"{write_count(group.count)} {group.name}"
        body.append(label(x + 18, y + 4, written, size=13, max_width=WIDTH / 2 - 26))
    return top + 4 + 21 * math.ceil(len(groups) / 2)
