"""What the decision costs at any share of the class that matters: charts beside one slider, and a table without it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from counterpoise.artifacts import plots
from counterpoise.report.charts.prevalence import FIGURES, PARAMETER, over_prevalence
from counterpoise.report.facts import Facts, quote
from counterpoise.report.parts import Table
from counterpoise.report.texts import PointEstimate, finite, write_count, write_prevalence, write_value

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

PLACES = {"target": "deployment", "test": "test", "stated": "stated"}
"""`place` of `prevalence.csv` -> its name in the table."""


def charts(facts: Facts) -> list[alt.LayerChart]:
    """Draw each figure of the grid over the share of the class that matters; what is nowhere defined is left out."""
    drawn = []
    for figure in plots.GRID_FIGURES:
        rows = _of(facts, figure)
        if rows["value"].notna().any():
            printed = [
                f"at {write_prevalence(share)}: {_text(figure, row)}"
                for share, row in zip(rows["prevalence"], rows.to_dict("records"), strict=True)
            ]
            start = _nearest(rows, facts.decision.target[facts.positive])
            here = printed[rows["prevalence"].tolist().index(start)]
            drawn.append(
                over_prevalence(
                    rows.assign(printed=printed),
                    start=start,
                    title=FIGURES[figure],
                    description=f"{FIGURES[figure]}, over the share of {quote(facts.positive_name)}; {here}.",
                    scale="linear" if figure == "flagged_per_1000" else "sqrt",
                )
            )
    return drawn


def _has_intervals(facts: Facts) -> bool:
    return bool(_of(facts, plots.GRID_FIGURES[0])["low"].notna().any())


def remark(facts: Facts) -> str:
    """Say what the figures do not show: intervals where images come in groups, false alarms where test has none."""
    texts = []
    if not _has_intervals(facts) and facts.test_counts.predicted:
        texts.append("Images come in groups here, so these figures have no interval.")
    if not facts.test_counts.fp:
        texts.append("Test has no false alarm, but new images may have some.")
    return " ".join(texts)


def legend(facts: Facts) -> str:
    """Explain lines and bands."""
    lines = "Lines: this decision on test images, weighted to each share. Images to look at: all alarms."
    if not _has_intervals(facts):
        return lines
    bands = "Bands: 95 % intervals if the share is exactly this, so that of precision differs from the headline."
    return f"{lines} {bands}"


def controls(facts: Facts) -> Markup:
    """Make the slider. Its positions are the shares of the grid; it starts at that of deployment."""
    shares = _of(facts, plots.GRID_FIGURES[0])["prevalence"]
    start = shares.tolist().index(_nearest(shares.to_frame(), facts.decision.target[facts.positive]))
    texts = json.dumps([write_prevalence(share) for share in shares], ensure_ascii=False)
    return Markup(
        f'<label for="share">Share of {escape(quote(facts.positive_name))}</label>'
        f'<input type="range" id="share" min="0" max="{len(shares) - 1}" value="{start}" data-signal="{PARAMETER}" '
        f'data-values="{escape(json.dumps(shares.tolist()))}" data-texts="{escape(texts)}">'
        f'<output for="share">{escape(write_prevalence(shares.iloc[start]))}</output>'
    )


def table(facts: Facts) -> Table:
    """List the figures at the shares of deployment, test and `evaluate.at_prevalence`, the largest first."""
    places = facts.tables["prevalence"][["place", "prevalence"]].drop_duplicates()
    as_in: dict[float, list[str]] = {}
    for share, place in zip(places["prevalence"], places["place"], strict=True):
        as_in.setdefault(share, []).append(PLACES[place])
    ends = facts.metrics.intervals.get("recall", (None, None))
    recall = PointEstimate(facts.metrics.figures.get("recall"), *ends).text
    rows, written = [], _distinct(list(as_in))
    for share in sorted(as_in, reverse=True):
        cells = []
        for figure in plots.GRID_FIGURES:
            of = _of(facts, figure)
            at = of[of["prevalence"] == _nearest(of, share)]
            cells.append(_text(figure, at.to_dict("records")[0]))
        rows.append((written[share], " and ".join(as_in[share]), *cells))
    caption = (
        "At the shares of deployment (decide.target) and test, and those stated in evaluate.at_prevalence. Recall is "
        f"{recall} at each."
    )
    head = ("share", "as in", "precision", "false alarms for each image found", "images to look at, of 1,000")
    return Table(caption, head, tuple(rows), 2)


def _distinct(shares: Sequence[float]) -> dict[float, str]:
    """Write shares, with a third digit where two of them would read the same.

    Example:
        >>> _distinct([0.0404, 0.04, 0.01])
        {0.0404: '4.04 %', 0.04: '4 %', 0.01: '1 %'}
    """
    short = {share: write_prevalence(share) for share in shares}
    return {
        share: f"{100 * share:.3g} %" if list(short.values()).count(text) > 1 else text for share, text in short.items()
    }


def _of(facts: Facts, figure: str) -> pd.DataFrame:
    grid = facts.tables["prevalence_grid"]
    return grid[grid["figure"] == figure].reset_index(drop=True)


def _nearest(rows: pd.DataFrame, share: float) -> float:
    """Find the share of the grid that is closest to one."""
    shares: list[float] = rows["prevalence"].tolist()
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
