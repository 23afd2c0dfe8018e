"""The confusion matrix: which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.charts.labels import shorten, text_width, wrap
from counterpoise.report.texts import shown, write_count, write_share

if TYPE_CHECKING:
    import pandas as pd

FEW = 4
"""Up to this many classes, the matrix is as narrow as other charts."""
WIDE = 600
"""Width with more classes, in px."""
SIDE = 108
"""Room for names at the left, in px."""
LONGEST = 150
"""Longest name above a column, in px."""
SLANT = 0.71
"""Height and width of a text at 45 degrees, as a share of its length."""


def confusion_matrix(counts: pd.DataFrame, *, title: str, description: str) -> alt.LayerChart:
    """Draw actual classes (rows) against decided classes (columns), shaded by the share of the row.

    Args:
        counts: Numbers of images. Index: actual classes; columns: the same classes, as decided.
        title: Heading.
        description: Text alternative.

    Raises:
        ValueError: Rows and columns are not the same classes.
    """
    names = [str(name) for name in counts.index]
    if names != [str(name) for name in counts.columns]:
        raise ValueError(f"the confusion matrix has rows {names} and columns {list(counts.columns)}; expected the same")
    if not names:
        return frame.empty(title, description)
    width = frame.WIDTH if len(names) <= FEW else WIDE
    heads, slanted, height_px = _heads(names, (width - SIDE - 16) / len(names))
    padding = Padding(SIDE + 8, 8 + (round(height_px) - 12 if slanted else 0), 60 + round(height_px), 8)
    plot = width - padding.left - padding.right
    step = plot / len(names)
    cell = min(max(step, 34.0), 64.0)
    sides = [wrap(shown(name), SIDE - 8) for name in names]
    scale = alt.Scale(domain=names, padding=0.0)
    base = alt.Chart(frame.data(_cells(counts))).encode(
        x=alt.X("decided:N", sort=names, scale=scale, axis=None),
        y=alt.Y("actual:N", sort=names, scale=scale, axis=None),
    )
    height = round(cell * len(names))
    back = alt.Chart(alt.InlineData(values=[{}])).mark_rect(color=theme.color("track"))
    layers = [back, _squares(base), *_counts(base, step, cell)]
    layers += [_column_heads(heads, slanted, step), _row_heads(sides, height / len(names)), *_titles(height_px)]
    return frame.assemble(
        layers, height, padding, title=title, description=description, parameters=[frame.PICKED]
    ).properties(width=plot)


def _cells(counts: pd.DataFrame) -> pd.DataFrame:
    """List the cells: actual, decided, count, share of the row, and texts."""
    import pandas as pd

    rows = []
    for actual, row in counts.iterrows():
        support = float(row.sum())
        for decided, count in row.items():
            share = float(count) / support if support else 0.0
            cell = {"actual": str(actual), "decided": str(decided), "count": int(count), "share": share}
            printed = write_share(share) if support else ""
            of = f"{write_count(float(count))} of {write_count(support)}"
            rows.append({**cell, "class": str(actual), "printed": printed, "of": of, "right": actual == decided})
    return pd.DataFrame(rows)


def _heads(names: list[str], step: float) -> tuple[list[list[str]], bool, float]:
    """Write the names above the columns in up to two lines if they fit, else slanted; with their height."""
    lines = [wrap(shown(name), step - 6) for name in names]
    if not any("…" in part for parts in lines for part in parts):
        return lines, False, 15.0 * max(map(len, lines))
    cut = [[shorten(shown(name), LONGEST)] for name in names]
    return cut, True, max(text_width(parts[0]) for parts in cut) * SLANT + 10


def _squares(base: alt.Chart) -> alt.Chart:
    color = alt.FillValue(theme.color("alarm"), condition=frame.when("datum.right", theme.color("found")))
    shade = alt.FillOpacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, 0.6]), legend=None)
    tips = frame.tooltip({"actual": "actual", "decided": "decided as", "of": "images"})
    squares: alt.Chart = base.mark_rect(stroke=theme.color("card"), strokeWidth=2)
    return squares.encode(fill=color, fillOpacity=shade, tooltip=tips)


def _counts(base: alt.Chart, step: float, cell: float) -> list[alt.Chart]:
    """Write the count, and below it the share of the row if there is room."""
    size, both = min(15.0, step / 3.2), cell >= 36
    ink = alt.ColorValue(theme.color("muted"), condition=frame.when("datum.count > 0", theme.color("ink")))
    count = base.mark_text(fontSize=size, dy=-6 if both else 0, baseline="middle")
    share = base.mark_text(fontSize=size * 0.8, dy=10, baseline="middle").transform_filter("datum.printed !== ''")
    faded = frame.unless_other_picked()
    texts = [count.encode(text=alt.Text("count:Q", format=",d"), color=ink, opacity=faded)]
    return [*texts, share.encode(text=alt.Text("printed:N"), color=ink, opacity=faded)] if both else texts


def _column_heads(heads: list[list[str]], slanted: bool, step: float) -> alt.Chart:
    mark = alt.MarkDef(type="text", align="center", baseline="line-bottom", lineBreak="\n")
    if slanted:
        mark = alt.MarkDef(type="text", align="left", baseline="middle", angle=315, dx=4)
    return frame.write([((i + 0.5) * step, -6, "\n".join(lines)) for i, lines in enumerate(heads)], mark)


def _row_heads(sides: list[list[str]], cell: float) -> alt.Chart:
    """Write the names of the rows, in one line or two."""
    places = [
        (-8.0, (i + 0.5) * cell + 14 * (j - (len(lines) - 1) / 2), line)
        for i, lines in enumerate(sides)
        for j, line in enumerate(lines)
    ]
    return frame.write(places, alt.MarkDef(type="text", align="right", baseline="middle"))


def _titles(height: float) -> list[alt.Chart]:
    """Name both axes."""
    left = alt.MarkDef(type="text", align="left", fontWeight=600, baseline="bottom")
    right = alt.MarkDef(type="text", align="right", fontWeight=600, baseline="bottom")
    return [frame.write([(0, -height - 12, "decided as")], left), frame.write([(-8, -8, "actual")], right)]
