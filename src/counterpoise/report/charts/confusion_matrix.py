"""The confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.report.charts.frame import WIDTH, nothing
from counterpoise.report.charts.svg import el, escape, label, rect, shorten, svg, text_width, wrap
from counterpoise.report.charts.texts import shown, write_count, write_share


def confusion_matrix(
    counts: npt.ArrayLike,
    names: Sequence[str],
    *,
    title: str,
    alt: str,
) -> str:
    """Draw actual classes (rows) against decided classes (columns), shaded by the share of the row.

    Args:
        counts: Number of images, shape (classes, classes); rows are actual classes.
        names: Class names, in the order of rows and columns.
        title: Short name of the chart.
        alt: Text alternative.

    Returns:
        An SVG. With five classes or more it is wider, and scrolls on a phone.

    Raises:
        ValueError: if the shape of the matrix does not match the number of names.
    """
    matrix = np.nan_to_num(np.asarray(counts, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    classes = len(names)
    if matrix.shape != (classes, classes) and not (classes == 0 and matrix.size == 0):
        raise ValueError(f"the confusion matrix has shape {matrix.shape}; expected {(classes, classes)}, one per name")
    if classes == 0:
        return nothing(title, alt, "confusion")
    width, min_width, side = (WIDTH, 0.0, 100.0) if classes <= 4 else (560.0, 500.0, 112.0)
    shown_names = [shown(name) for name in names]
    heads = _place_heads(shown_names, width, side)
    height_of_cell = min(max(heads.cell, 34.0), 64.0)
    body = [
        label(side, 15, "decided as", size=13, class_="strong"),
        label(side - 8, heads.top - 9, "actual", size=13, anchor="end", class_="strong"),
        *_draw_heads(shown_names, heads, side),
    ]
    for r, name in enumerate(shown_names):
        y = heads.top + r * height_of_cell
        support = float(matrix[r].sum())
        body += _draw_name(name, support, side, y, height_of_cell)
        for c, other in enumerate(shown_names):
            count = float(matrix[r, c])
            tip = f"actual {name}, decided {other}: {write_count(count)} of {write_count(support)}"
            box = (side + c * heads.cell, y, heads.cell, height_of_cell)
            body += _draw_cell(box, count, support, tip, right=r == c)
    height = heads.top + height_of_cell * classes + 6
    return svg(width, height, body, title=title, alt=alt, kind="confusion", min_width=min_width)


@dataclass(frozen=True)
class _Heads:
    """The names above the columns, and the space that is left for the cells.

    Attributes:
        lines: The lines of the name of each column.
        size: Font size of names that are not rotated.
        turned: Whether names are rotated, because they do not fit otherwise.
        cell: Width of a column.
        top: Upper edge of the first row.
    """

    lines: list[list[str]]
    size: float
    turned: bool
    cell: float
    top: float


def _place_heads(names: Sequence[str], width: float, side: float) -> _Heads:
    """Write names in up to two lines if they fit, else rotate them."""
    cell = min((width - side - 8) / len(names), 96.0)
    for size in (12.0, 11.0):
        lines = [wrap(name, cell - 4, size) for name in names]
        if not any(parts[-1].endswith("…") for parts in lines):
            return _Heads(lines, size, False, cell, 32.0 + 15 * max(len(parts) for parts in lines))
    reach = min(max(text_width(name, 12) for name in names), 110.0)
    cell = min((width - side - max(reach * 0.71 - 12, 8)) / len(names), 96.0)
    return _Heads(lines, size, True, cell, 32.0 + reach * 0.71)


def _draw_heads(names: Sequence[str], heads: _Heads, side: float) -> list[str]:
    body = []
    for c, (name, lines) in enumerate(zip(names, heads.lines, strict=True)):
        x = side + (c + 0.5) * heads.cell
        if heads.turned:
            body.append(label(x + 2, heads.top - 7, name, size=12, max_width=110, rotate=-45))
            continue
        for i, text in enumerate(lines):
            y = heads.top - 8 - 15 * (len(lines) - 1 - i)
            body.append(label(x, y, text, size=heads.size, anchor="middle"))
    return body


def _draw_name(name: str, support: float, side: float, y: float, height: float) -> list[str]:
    """Write a class name and its number of images beside its row."""
    lines = wrap(name, side - 10, 12)
    lines = [shorten(name, side - 10, 12)] if height < 46 else lines
    first = y + height / 2 - 7 * len(lines) + 4
    body = [label(side - 8, first + 14 * i, text, size=12, anchor="end") for i, text in enumerate(lines)]
    written = f"n = {write_count(support)}"
    body.append(label(side - 8, first + 14 * len(lines), written, size=11, anchor="end", class_="muted"))
    return body


def _draw_cell(
    box: tuple[float, float, float, float], count: float, support: float, tip: str, *, right: bool
) -> list[str]:
    """Draw a cell, shaded by its share of the row, with its count and share. `box`: x, y, width, height."""
    x, y, width, height = box
    share = count / support if support > 0 else 0.0
    shade = el(
        "rect",
        el("title", escape(tip)),
        x=x + 1,
        y=y + 1,
        width=width - 2,
        height=height - 2,
        rx=3,
        fill_opacity=0.62 * share,
        class_="cell right" if right else "cell wrong",
    )
    large = min(15.0, width / text_width("00000", 1))
    faint = "" if count else "muted"
    strong = f"strong {faint}".strip() if right else faint
    centre, half = x + width / 2, y + height / 2
    body = [
        rect(x + 1, y + 1, width - 2, height - 2, "cell empty", 3),
        shade,
        label(centre, half - 1, write_count(count), size=large, anchor="middle", class_=strong),
    ]
    if support > 0:
        percent = write_share(share)
        body.append(label(centre, half + large - 1, percent, size=large * 0.8, anchor="middle", class_=faint))
    return body
