"""Images as dots, which show how rare a class is, and how many images are found, missed and false alarms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.texts import write_count

if TYPE_CHECKING:
    import pandas as pd

MOST_DOTS = 1000
"""Largest number of dots in a chart."""
COLORS = {"found": "found", "missed": "found", "alarm": "alarm", "rest": "rest"}
"""Kind of an image -> its colour. A missed image is a hollow dot."""


def dots(
    groups: pd.DataFrame,
    *,
    title: str,
    description: str,
    noun: str = "image",
    notes: Sequence[str] = (),
    of: str = "images",
) -> alt.LayerChart:
    """Draw one dot per image, or per several images if there are many, group by group.

    Args:
        groups: One row for each group, in order of drawing: `name` follows the number in the legend, as in "19 found";
            `count` is its number of images (it need not be whole); `kind` is found, missed, alarm or rest.
        title: Heading; empty for none.
        description: Text alternative.
        noun: What a dot represents.
        notes: Lines below the legend.
        of: Heading of the numbers when a reader points at a dot.

    Returns:
        A chart in which every group that is not empty has at least one dot.
    """
    counts = groups["count"].tolist()
    numbers = apportion(counts, min(MOST_DOTS, round(sum(counts))))
    total = sum(numbers)
    if not total:
        return frame.empty(title, description)
    columns = min(max(math.ceil(math.sqrt(1.8 * total)), 12), 40)
    padding = frame.Padding(8, 8, 34 if title else 4, 0)
    pitch = padding.inner / columns
    lines = math.ceil(total / columns)
    legend = groups.assign(text=[f"{write_count(row['count'])} {row['name']}" for _, row in groups.iterrows()])
    runs = _runs(legend, numbers, columns)
    height = math.ceil(lines * pitch)
    marks = _marks(runs, columns, lines, pitch, height, of)
    per_dot = sum(counts) / total
    each = f"Each dot is one {noun}." if per_dot < 1.05 else f"Each dot is about {per_dot:,.3g} {noun}s."
    key, below = _legend(legend, height)
    texts = [(each, "muted"), *((note, "ink") for note in notes)]
    body = [*marks, *key]
    for i, (text, shade) in enumerate(texts):
        mark = alt.MarkDef(type="text", align="left", color=theme.color(shade))
        body.append(frame.write([(0, below + 20 * i, text)], mark))
    padding = padding._replace(bottom=below - height + 20 * len(texts))
    return frame.assemble(body, height, padding, title=title, description=description)


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


def _runs(groups: pd.DataFrame, numbers: Sequence[int], columns: int) -> list[dict[str, object]]:
    """List the runs of dots of one group in one row: first and last column, and row."""
    runs: list[dict[str, object]] = []
    start = 0
    for group, number in zip(groups.to_dict("records"), numbers, strict=True):
        end = start + number
        while start < end:
            row, column = divmod(start, columns)
            length = min(end - start, columns - column)
            run = {"from": column, "to": column + length - 0.75, "row": row}
            runs.append({**run, "kind": group["kind"], "text": group["text"]})
            start += length
    return runs


def _marks(
    runs: list[dict[str, object]], columns: int, lines: int, pitch: float, height: int, of: str
) -> list[alt.Chart]:
    """Draw runs as dashed lines with round caps: one dot per dash, and fifty elements for a thousand dots."""
    width = min(0.74 * pitch, 15.0)
    kinds = list(COLORS)
    base = alt.Chart(frame.inline(runs)).encode(
        x=alt.X("from:Q", scale=alt.Scale(domain=[-0.5, columns - 0.5], nice=False), axis=None),
        x2=alt.X2("to"),
        y=alt.Y("row:Q", scale=alt.Scale(domain=[-0.5, height / pitch - 0.5], reverse=True, nice=False), axis=None),
        tooltip=frame.tooltip({"text": of}),
    )
    palette = alt.Scale(domain=kinds, range=[theme.color(COLORS[kind]) for kind in kinds])
    dash = [0, round(pitch, 4)]
    full = base.mark_rule(strokeWidth=round(width, 2), strokeCap="round", strokeDash=dash)
    full = full.encode(color=alt.Color("kind:N", scale=palette, legend=None))
    holes = base.mark_rule(
        strokeWidth=round(width / 2, 2), strokeCap="round", strokeDash=dash, color=theme.color("card")
    )
    return [full, holes.transform_filter("datum.kind === 'missed'")]


def _legend(groups: pd.DataFrame, height: int) -> tuple[list[alt.Chart], int]:
    """Draw a dot and a number for each group, two per line, and return the lower edge."""
    places = [
        {
            "kind": row["kind"],
            "text": row["text"],
            "x": 6 + (i % 2) * frame.WIDTH // 2,
            "y": height + 14 + 21 * (i // 2),
        }
        for i, row in enumerate(groups.to_dict("records"))
    ]
    base = alt.Chart(frame.inline(places)).encode(x=alt.X("x:Q", scale=None), y=alt.Y("y:Q", scale=None))
    kinds = list(COLORS)
    palette = alt.Scale(domain=kinds, range=[theme.color(COLORS[kind]) for kind in kinds])
    full = base.mark_circle(size=95, opacity=1).encode(color=alt.Color("kind:N", scale=palette, legend=None))
    holes = base.mark_circle(size=24, opacity=1, color=theme.color("card"))
    names = base.mark_text(align="left", dx=12, fontSize=13, baseline="middle").encode(text=alt.Text("text:N"))
    return [full, holes.transform_filter("datum.kind === 'missed'"), names], height + 20 + 21 * math.ceil(
        len(groups) / 2
    )
