"""Counts of each class at each stage: a table with bars in its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from counterpoise.report.charts.bars import REST
from counterpoise.report.charts.frame import WIDTH, nothing
from counterpoise.report.charts.svg import label, line, rect, svg, text_width, wrap
from counterpoise.report.charts.texts import shown, write_count, write_prevalence


@dataclass(frozen=True)
class Stage:
    """One column of `counts_through_stages`.

    Attributes:
        name: Its heading, such as "train".
        counts: Number of images of each class, in the order of the rows.
        total: The denominator of the shares; None for the sum. For multilabel, pass the number of images.
    """

    name: str
    counts: Sequence[int]
    total: int | None = None


def counts_through_stages(
    names: Sequence[str],
    stages: Sequence[Stage],
    *,
    title: str,
    alt: str,
    scale: Literal["share", "log"] = "share",
    focus: int | None = None,
) -> str:
    """Draw the number of images of each class at each stage, as a table with bars in its cells.

    Args:
        names: Class names, from top to bottom.
        stages: Columns, from left to right.
        title: Short name of the chart.
        alt: Text alternative.
        scale: "share" prints and draws the share at the stage; a full cell is 100 %. "log" prints the count and draws
            log(1 + count); a full cell is the largest count.
        focus: Row of the class to highlight; the others are grey. None for no highlight.

    Returns:
        An SVG.

    Raises:
        ValueError: if the counts of a stage do not match the number of names.
    """
    for stage in stages:
        if len(stage.counts) != len(names):
            raise ValueError(
                f"stage {stage.name!r} has {len(stage.counts)} counts; expected {len(names)}, one per name"
            )
    if not names or not stages:
        return nothing(title, alt, "stages")
    counts = np.array([stage.counts for stage in stages], dtype=float)
    totals = [float(sum(stage.counts) if stage.total is None else stage.total) for stage in stages]
    shares = np.array([row / total if total > 0 else row * 0 for row, total in zip(counts, totals, strict=True)])
    lengths = shares if scale == "share" else np.log1p(counts)
    longest = 1.0 if scale == "share" else float(lengths.max()) or 1.0
    left, right, gap = 8.0, WIDTH - 8, 10.0
    column = (right - left + gap) / len(stages)
    cell = column - gap
    size = min(13.0, cell / text_width("00000", 1))
    headings = [wrap(shown(stage.name), cell, 12) for stage in stages]
    top = 12.0 + 15 * max(len(lines) for lines in headings)
    body = []
    for s, lines in enumerate(headings):
        for i, text in enumerate(lines):
            y = top - 8 - 15 * (len(lines) - 1 - i)
            body.append(label(left + s * column, y, text, size=12, class_="muted"))
    pitch = 58.0
    for c, name in enumerate(names):
        y = top + c * pitch
        body.append(line(left, y, right, y, "hair"))
        body.append(label(left, y + 18, shown(name), class_="strong", max_width=right - left))
        for s, stage in enumerate(stages):
            x = left + s * column
            count = float(stage.counts[c])
            printed = write_count(count)
            if scale == "share":
                printed = write_prevalence(float(shares[s, c])) if totals[s] > 0 else "n/a"
            body.append(label(x, y + 35, printed, size=size, class_="" if count else "alarm"))
            body.append(rect(x, y + 41, cell, 7, "track", 2))
            if count > 0:
                length = max(cell * float(lengths[s, c]) / longest, 1.5)
                colour = REST if focus is not None and c != focus else 0
                body.append(rect(x, y + 41, length, 7, f"fill s{colour}", min(2.0, length / 2)))
    height = top + pitch * len(names)
    body.append(line(left, height, right, height, "hair"))
    body.append(label(left, height + 18, "total", size=12, class_="muted"))
    for s, total in enumerate(totals):
        body.append(label(left + s * column, height + 35, write_count(total), size=size, class_="muted"))
    return svg(WIDTH, height + 42, body, title=title, alt=alt, kind="stages")
