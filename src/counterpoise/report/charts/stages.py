"""Counts of each class at each stage, from the labels to the samples of one epoch: bars in the cells of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import altair as alt
import numpy as np

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.charts.labels import shorten, wrap
from counterpoise.report.texts import shown, write_count, write_prevalence

if TYPE_CHECKING:
    import pandas as pd

PITCH = 54
FILLED = 0.88
"""Share of the width of a column that a full bar takes."""


def counts_by_stage(
    counts: pd.DataFrame,
    *,
    totals: Sequence[int],
    scale: Literal["share", "log"],
    focus: str,
    title: str,
    description: str,
) -> alt.LayerChart:
    """Draw the number of images of each class at each stage.

    Args:
        counts: Numbers of images. Index: classes, from top to bottom; columns: stages, from left to right.
        totals: Number of images of each stage, which shares are of.
        scale: "share" prints and draws the share at the stage; a full bar is 100 %. "log" prints the count and draws
            log(1 + count); a full bar is the largest count.
        focus: The class that matters.
        title: Heading.
        description: Text alternative.
    """
    if not counts.size:
        return frame.empty(title, description)
    rows = _cells(counts, totals, scale, focus)
    heads = [wrap(shown(str(stage)), frame.WIDTH / len(counts.columns) - 12) for stage in counts.columns]
    tall = max(map(len, heads))
    padding = Padding(8, 8, 36 + 16 * tall, 44)
    height = PITCH * len(counts)
    base = alt.Chart(frame.data(rows)).encode(
        x=alt.X("from:Q", scale=alt.Scale(domain=[0, len(counts.columns)], nice=False), axis=None),
        y=alt.Y("row:Q", scale=alt.Scale(domain=[0, len(counts)], reverse=True, nice=False), axis=None),
        opacity=frame.unless_other_picked(),
        tooltip=frame.tooltip({"class": "class", "stage": "stage", "printed": "share", "count": "images"}),
    )
    size = min(12.0, (frame.WIDTH / len(counts.columns) - 12) / 3.6)
    layers = [*_heads(heads, padding.inner), *_totals(totals, height, size, padding.inner), *_bars(base, size)]
    return frame.assemble(layers, height, padding, title=title, description=description, parameters=[frame.PICKED])


def _cells(counts: pd.DataFrame, totals: Sequence[int], scale: str, focus: str) -> pd.DataFrame:
    """List the cells: their place, the end of their bar, and their texts."""
    import pandas as pd

    values = counts.to_numpy(dtype=float)
    shares = values / np.maximum(np.asarray(totals, dtype=float), 1)
    lengths = shares if scale == "share" else np.log1p(values) / max(float(np.log1p(values).max()), 1e-9)
    rows = []
    for row, name in enumerate(counts.index):
        for column, stage in enumerate(counts.columns):
            number = write_count(values[row, column])
            share = write_prevalence(shares[row, column]) if totals[column] else "n/a"
            bar = {"from": column, "full": column + FILLED, "to": column + FILLED * lengths[row, column], "row": row}
            texts = {
                "stage": str(stage),
                "count": number,
                "printed": share,
                "text": share if scale == "share" else number,
            }
            label = shorten(shown(str(name)), frame.WIDTH - 24) if column == 0 else ""
            rows.append({"class": str(name), "label": label, "focus": name == focus, **bar, **texts})
    return pd.DataFrame(rows)


def _bars(base: alt.Chart, size: float) -> list[alt.Chart]:
    """Draw the name of each row, the text of each cell, and its bar below."""
    line = base.transform_filter("datum.label !== ''").mark_rule(color=theme.color("hair"), opacity=1)
    name = base.mark_text(align="left", baseline="middle", fontWeight=600, dy=13).encode(text=alt.Text("label:N"))
    text = base.mark_text(align="left", baseline="middle", fontSize=size, dy=31).encode(text=alt.Text("text:N"))
    track = base.mark_bar(color=theme.color("track"), height=7, yOffset=44).encode(x2=alt.X2("full"))
    return [
        line.encode(x=alt.XValue(0), x2=alt.X2Value("width")),
        name.transform_filter("datum.label !== ''"),
        text,
        track,
        base.mark_bar(height=7, yOffset=44).encode(x2=alt.X2("to"), color=frame.by_focus()),
    ]


def _heads(heads: Sequence[Sequence[str]], width: int) -> list[alt.Chart]:
    step = width / len(heads)
    ends = [(i * step, lines) for i, lines in enumerate(heads)]
    places = [(x, -10 - 15 * (len(lines) - 1 - j), text) for x, lines in ends for j, text in enumerate(lines)]
    return [frame.write(places, _muted())]


def _totals(totals: Sequence[int], height: int, size: float, width: int) -> list[alt.Chart]:
    step = width / len(totals)
    places = [(i * step, height + 34, write_count(total)) for i, total in enumerate(totals)]
    return [frame.write([(0, height + 18, "total")], _muted()), frame.write(places, _muted(size))]


def _muted(size: float = theme.TEXT_PX) -> alt.MarkDef:
    return alt.MarkDef(type="text", align="left", baseline="alphabetic", color=theme.color("muted"), fontSize=size)
