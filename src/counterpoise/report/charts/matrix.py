"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

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
        counts: Number of images, shape (classes, classes); rows are the truth.
        names: Classes, in the order of rows and columns.
        title: Short name of the chart.
        alt: Text alternative.

    Returns:
        An SVG; from five classes on it is wider, and scrolls on a phone.

    Raises:
        ValueError: the matrix is not square, or not of the size of the names.
    """
    matrix = np.nan_to_num(np.asarray(counts, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    classes = len(names)
    if matrix.shape != (classes, classes) and not (classes == 0 and matrix.size == 0):
        raise ValueError(f"the confusion matrix has shape {matrix.shape}; expected {(classes, classes)}, as names")
    if classes == 0:
        return nothing(title, alt, "confusion")
    width, min_width, side = (WIDTH, 0.0, 100.0) if classes <= 4 else (560.0, 500.0, 112.0)
    shown_names = [shown(name) for name in names]
    cell = min((width - side - 8) / classes, 96.0)
    for head_size in (12.0, 11.0):
        heads = [wrap(name, cell - 4, head_size) for name in shown_names]
        turned = any(lines[-1].endswith("…") for lines in heads)
        if not turned:
            break
    if turned:
        reach = min(max(text_width(name, 12) for name in shown_names), 110.0)
        cell = min((width - side - max(reach * 0.71 - 12, 8)) / classes, 96.0)
        top = 32.0 + reach * 0.71
    else:
        top = 32.0 + 15 * max(len(lines) for lines in heads)
    height_of_cell = min(max(cell, 34.0), 64.0)
    body = [
        label(side, 15, "decided as", size=13, class_="strong"),
        label(side - 8, top - 9, "actual", size=13, anchor="end", class_="strong"),
    ]
    for c, (name, lines) in enumerate(zip(shown_names, heads, strict=True)):
        x = side + (c + 0.5) * cell
        if turned:
            body.append(label(x + 2, top - 7, name, size=12, max_width=110, rotate=-45))
        else:
            for i, text in enumerate(lines):
                y = top - 8 - 15 * (len(lines) - 1 - i)
                body.append(label(x, y, text, size=head_size, anchor="middle"))
    large = min(15.0, cell / text_width("00000", 1))
    for r, name in enumerate(shown_names):
        y = top + r * height_of_cell
        support = float(matrix[r].sum())
        lines = wrap(name, side - 10, 12)
        lines = [shorten(name, side - 10, 12)] if height_of_cell < 46 else lines
        first = y + height_of_cell / 2 - 7 * len(lines) + 4
        for i, text in enumerate(lines):
            body.append(label(side - 8, first + 14 * i, text, size=12, anchor="end"))
        written = f"n = {write_count(support)}"
        body.append(label(side - 8, first + 14 * len(lines), written, size=11, anchor="end", class_="muted"))
        for c, other in enumerate(shown_names):
            x = side + c * cell
            count = float(matrix[r, c])
            share = count / support if support > 0 else 0.0
            tip = f"actual {name}, decided {other}: {write_count(count)} of {write_count(support)}"
            kind = "cell right" if r == c else "cell wrong"
            body.append(rect(x + 1, y + 1, cell - 2, height_of_cell - 2, "cell empty", 3))
            shade = el(
                "rect",
                el("title", escape(tip)),
                x=x + 1,
                y=y + 1,
                width=cell - 2,
                height=height_of_cell - 2,
                rx=3,
                fill_opacity=0.62 * share,
                class_=kind,
            )
            body.append(shade)
            centre = x + cell / 2
            faint = "" if count else "muted"
            strong = f"strong {faint}".strip() if r == c else faint
            half = y + height_of_cell / 2
            body.append(label(centre, half - 1, write_count(count), size=large, anchor="middle", class_=strong))
            if support > 0:
                percent = write_share(share)
                body.append(label(centre, half + large - 1, percent, size=large * 0.8, anchor="middle", class_=faint))
    height = top + height_of_cell * classes + 6
    return svg(width, height, body, title=title, alt=alt, kind="confusion", min_width=min_width)
