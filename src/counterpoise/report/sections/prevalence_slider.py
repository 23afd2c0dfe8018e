"""What the decision costs at any share of the class that matters: charts beside one slider, and a table without it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from counterpoise.artifacts import plots
from counterpoise.report.charts.prevalence import FIGURES, PARAMETER, over_prevalence
from counterpoise.report.facts import Facts, quote
from counterpoise.report.parts import Table
from counterpoise.report.texts import PointEstimate, finite, write_count, write_prevalence, write_value

if TYPE_CHECKING:
    import altair as alt

PLACES = {"target": "deployment", "test": "test", "stated": "stated"}
"""`place` of `prevalence.csv` -> its name in the table."""
MOST_DIGITS = 6
"""Significant digits of a share in the grid."""


def charts(facts: Facts) -> list[alt.LayerChart]:
    """Draw each figure of the grid over the share of the class that matters; what is nowhere defined is left out."""
    import pandas as pd

    drawn = []
    for figure in plots.GRID_FIGURES:
        rows = _of(facts, figure)
        if any(finite(row["value"]) is not None for row in rows):
            shares = [row["prevalence"] for row in rows]
            texts = _distinct(shares).values()
            printed = [f"at {text}: {_text(figure, row)}" for text, row in zip(texts, rows, strict=True)]
            start = _nearest(shares, facts.decision.target[facts.positive])
            here = printed[shares.index(start)]
            drawn.append(
                over_prevalence(
                    pd.DataFrame(rows).assign(printed=printed),
                    start=start,
                    title=FIGURES[figure],
                    description=f"{FIGURES[figure]}, over the share of {quote(facts.positive_name)}; {here}.",
                    scale="linear" if figure == "flagged_per_1000" else "sqrt",
                )
            )
    return drawn


def _has_intervals(facts: Facts) -> bool:
    return any(finite(row["low"]) is not None for row in _of(facts, plots.GRID_FIGURES[0]))


def remark(facts: Facts) -> str:
    """Say what the figures do not show: false alarms where test has none."""
    return "" if facts.test_counts.fp else "Test has no false alarm, but new images may have some."


def legend(facts: Facts) -> str:
    """Explain lines and bands."""
    lines = "Lines: this decision on test images, weighted to each share. Images to look at: all alarms."
    if not _has_intervals(facts):
        return lines
    bands = "Bands: 95 % intervals if the share is exactly this, so that of precision differs from the headline."
    return f"{lines} {bands}"


def controls(facts: Facts) -> Markup:
    """Make the slider. Its positions are the shares of the grid; it starts at that of deployment."""
    shares = [row["prevalence"] for row in _of(facts, plots.GRID_FIGURES[0])]
    start = shares.index(_nearest(shares, facts.decision.target[facts.positive]))
    words = list(_distinct(shares).values())
    texts = json.dumps(words, ensure_ascii=False)
    return Markup(
        f'<label for="share">Share of {escape(quote(facts.positive_name))}</label>'
        f'<input type="range" id="share" min="0" max="{len(shares) - 1}" value="{start}" data-signal="{PARAMETER}" '
        f'data-values="{escape(json.dumps(shares))}" data-texts="{escape(texts)}">'
        f'<output for="share">{escape(words[start])}</output>'
    )


def table(facts: Facts) -> Table:
    """List the figures at the shares of deployment, test and `evaluate.at_prevalence`, the largest first."""
    as_in: dict[float, list[str]] = {}
    for share, place in dict.fromkeys((row["prevalence"], row["place"]) for row in facts.records("prevalence")):
        as_in.setdefault(share, []).append(PLACES[place])
    ends = facts.metrics.intervals.get("recall", (None, None))
    recall = PointEstimate(facts.metrics.figures.get("recall"), *ends).text
    rows, written = [], _distinct(list(as_in))
    for share in sorted(as_in, reverse=True):
        cells = []
        for figure in plots.GRID_FIGURES:
            row_of = {row["prevalence"]: row for row in _of(facts, figure)}
            cells.append(_text(figure, row_of[_nearest(row_of, share)]))
        rows.append((written[share], " and ".join(as_in[share]), *cells))
    caption = (
        "At the shares of deployment (decide.target) and test, and those stated in evaluate.at_prevalence. Recall is "
        f"{recall} at each."
    )
    head = ("share", "as in", "precision", "false alarms for each image found", "images to look at, of 1,000")
    return Table(caption, head, tuple(rows), 2)


def _distinct(shares: Sequence[float]) -> dict[float, str]:
    """Write shares, with more digits where two of them would read the same.

    Example:
        >>> _distinct([0.0404, 0.04, 0.01])
        {0.0404: '4.04 %', 0.04: '4 %', 0.01: '1 %'}
    """
    texts = {share: write_prevalence(share) for share in shares}
    for digits in range(3, MOST_DIGITS + 1):
        same = {text for text, times in Counter(texts.values()).items() if times > 1}
        texts |= {share: f"{100 * share:.{digits}g} %" for share, text in texts.items() if text in same}
    return texts


def _of(facts: Facts, figure: str) -> list[dict[Any, Any]]:
    return [row for row in facts.records("prevalence_grid") if row["figure"] == figure]


def _nearest(shares: Iterable[float], share: float) -> float:
    """Find the share of the grid that is closest to one."""
    return min(shares, key=lambda other: abs(other - share))


def _text(figure: str, row: Mapping[Any, Any]) -> str:
    """Write a value of the grid with its interval."""
    if figure == "precision":
        return PointEstimate.from_row(row).text
    value, low, high = (finite(row[end]) for end in ("value", "low", "high"))
    if value is None:
        return "n/a"
    return _number(value) + (f" [{_number(low)}, {_number(high)}]" if low is not None and high is not None else "")


def _number(value: float) -> str:
    return write_count(value) if value >= 99.5 else write_value(value, 1)
