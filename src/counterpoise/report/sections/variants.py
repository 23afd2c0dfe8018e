"""The section of the report that scores the same model raw, calibrated and re-decided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from counterpoise.metrics.difference import Difference
from counterpoise.report.charts import variants as variants_chart
from counterpoise.report.facts import Facts, listed
from counterpoise.report.parts import Part, drawn
from counterpoise.report.texts import capitalized, figure_name, write_value
from counterpoise.report.units import ROUGH

if TYPE_CHECKING:
    import altair as alt

NAMES = {"raw": "raw", "calibrated": "calibrated", "decided": "re-decided"}
OF_PROBABILITIES = (
    "mean_average_precision",
    "average_precision",
    "roc_auc",
    "expected_calibration_error",
    "brier_score",
)
IN_LABELS = ("coverage",)
"""Figures that are numbers of labels and need a separate axis."""
MOST_DIGITS = 6
"""Of a difference whose interval ends near 0."""
LOWER_IS_BETTER = ("expected_calibration_error", "brier_score", "coverage")


def variants(facts: Facts) -> Part:
    """Show the scores of the same model raw, calibrated and re-decided."""
    figures = list(dict.fromkeys(facts.tables["scores"]["figure"]))
    decisions = [figure for figure in figures if figure not in (*OF_PROBABILITIES, *IN_LABELS)]
    of_probabilities, in_labels = (
        [figure for figure in figures if figure in kind] for kind in (OF_PROBABILITIES, IN_LABELS)
    )
    charts = [_chart(facts, decisions, "Quality of the decisions", list(NAMES))]
    if of_probabilities:
        charts.append(_chart(facts, of_probabilities, "Quality of the probabilities", list(NAMES)[:2]))
    if in_labels:
        most = float(len(facts.names))
        charts.append(_chart(facts, in_labels, "Labels to read", list(NAMES)[:2], most=most))
    sentence = f"On test, correction and rule “{facts.decision.rule}” change no decision."
    sentence += f" In test: {facts.label_count}{facts.rough_classes}." if facts.rough_classes else ""
    if not facts.rule_decides_as_raw:
        sentence = _compare(facts, sorted(decisions, key=lambda figure: figure != facts.task.JUDGED_BY))
    advice = (
        "A remedy that only moves the threshold improves raw scores, but not re-decided ones. Compare remedies by "
        "their re-decided scores, and by average precision, which no threshold changes."
    )
    heading, caption = "Three scores of one model", facts.task.variants_caption(facts)
    return Part("ways", heading, (sentence, advice), drawn(*charts), caption, closed=True)


def _chart(
    facts: Facts, figures: Sequence[str], title: str, shown: Sequence[str], *, most: float = 1.0
) -> alt.LayerChart:
    """Draw figures of several variants. The axis goes from 0 to `most`, or as far as the values go."""
    import numpy as np
    import pandas as pd

    rows = [
        variants_chart.row(
            capitalized(figure_name(figure)),
            NAMES[variant],
            facts.scores[variant, figure],
            note="lower is better" if figure in LOWER_IS_BETTER else "",
        )
        for figure in figures
        for variant in shown
        if (variant, figure) in facts.scores
    ]
    frame = pd.DataFrame(rows)
    ends = frame[["value", "low", "high"]].to_numpy(dtype=float)
    known = ends[np.isfinite(ends)].tolist()
    return variants_chart.variants(
        frame,
        title=title,
        description=variants_chart.describe(title, rows),
        domain=(min([0.0, *known]), max([most, *known])),
    )


def _compare(facts: Facts, figures: Sequence[str]) -> str:
    """Say which figures rose and fell from raw to re-decided, by the interval of the difference on the same images."""
    changes: dict[str, list[str]] = {"raised": [], "lowered": [], "unclear": [], "no interval": [], "few": []}
    for figure in figures:
        raw, final = (facts.score(variant, figure) for variant in ("raw", "decided"))
        gain = facts.difference(figure)
        if math.isnan(gain.value):
            continue
        kind = "raised" if gain.value > 0 else "lowered"
        if math.isnan(gain.low):
            kind = "no interval"
        elif facts.rests_on(figure) < ROUGH:
            kind = "few"
        elif not gain.clear:
            kind = "unclear"
        values = f"{write_value(raw)} to {write_value(final)}"
        changes[kind].append(f"{figure_name(figure)} ({values}, {write_difference(gain)})")
    clear = [f"{verb} {listed(changes[verb])}" for verb in ("raised", "lowered") if changes[verb]]
    texts = [f"Re-deciding needs no new training. It {listed(clear)}."] if clear else []
    if changes["unclear"]:
        texts.append(f"No clear change: {listed(changes['unclear'])}.")
    if changes["no interval"]:
        texts.append(f"Without an interval, so not compared: {listed(changes['no interval'])}.")
    if changes["few"]:
        few = f"a {facts.words.noun} in test has fewer than {ROUGH} units"
        texts.append(f"Not compared, since {few}: {listed(changes['few'])}.")
    return " ".join(texts)


def write_difference(gain: Difference, digits: int = 2) -> str:
    """Write a difference with its sign and its interval, if there is one.

    An interval that leaves out 0 gets as many digits as show this, at most `MOST_DIGITS`.

    Example:
        >>> write_difference(Difference(0.002, 0.0001, 0.004))
        '+0.0020 [+0.0001, +0.0040]'
        >>> write_difference(Difference(0.13, 0.07, 0.19)), write_difference(Difference(-0.001, -0.04, 0.04))
        ('+0.13 [+0.07, +0.19]', '0.00 [−0.04, +0.04]')
    """
    ends = () if math.isnan(gain.low) else (gain.low, gain.high)
    while gain.clear and digits < MOST_DIGITS and any(round(end, digits) == 0 for end in ends):
        digits += 1
    value, *interval = (_signed(number, digits) for number in (gain.value, *ends))
    return f"{value} [{', '.join(interval)}]" if interval else value


def _signed(number: float, digits: int) -> str:
    rounded = round(number, digits)
    written = write_value(rounded, digits)
    return f"+{written}" if rounded > 0 else written
