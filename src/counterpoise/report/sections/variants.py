"""The section of the report that scores the same model raw, calibrated and re-decided."""

from __future__ import annotations

import math
from collections.abc import Sequence

from counterpoise.metrics.difference import Difference
from counterpoise.report.charts.dot_whisker import Measure, dots_by_way
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.texts import write_value
from counterpoise.report.facts import Facts, listed
from counterpoise.report.parts import Part, as_markup

NAMES = {"raw": "raw", "calibrated": "calibrated", "decided": "re-decided"}
COLOURS = {"raw": 6, "calibrated": 0, "re-decided": 2}
"""Index of the colour of each variant, in every chart."""
SCORES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "matthews": "Matthews correlation",
    "exact_match": "Exact match",
    "mean_average_precision": "Mean average precision",
    "average_precision": "Average precision",
    "roc_auc": "ROC AUC",
    "expected_calibration_error": "Expected calibration error",
    "brier_score": "Brier score",
    "coverage": "Coverage",
}
OF_PROBABILITIES = (
    "mean_average_precision",
    "average_precision",
    "roc_auc",
    "expected_calibration_error",
    "brier_score",
)
IN_LABELS = ("coverage",)
"""Figures that are numbers of labels and need a separate axis."""
LOWER_IS_BETTER = ("expected_calibration_error", "brier_score", "coverage")


def variants(facts: Facts) -> Part:
    """Show the scores of the same model raw, calibrated and re-decided."""
    table = facts.tables["scores"]

    def chart(figures: Sequence[str], shown: Sequence[str], title: str, *, most: float | None = None) -> str:
        measures = []
        for figure in figures:
            rows = {row["way"]: row for row in table[table["figure"] == figure].to_dict("records")}
            note = "lower is better" if figure in LOWER_IS_BETTER else ""
            estimates = {NAMES[variant]: PointEstimate.from_row(rows[variant]) for variant in shown if variant in rows}
            measures.append(Measure(_title(figure), estimates, note))
        alt = "; ".join(
            f"{m.name}: " + ", ".join(f"{variant} {e.text}" for variant, e in m.variants.items()) for m in measures
        )
        domain = None if most is None else (0.0, most)
        return dots_by_way(measures, title=title, alt=f"{title}. {alt}", domain=domain, series=COLOURS)

    figures = list(dict.fromkeys(table["figure"]))
    apart = (*OF_PROBABILITIES, *IN_LABELS)
    kinds = {
        "Quality of the decisions": ([figure for figure in figures if figure not in apart], list(NAMES), None),
        "Quality of the probabilities": (
            [figure for figure in figures if figure in OF_PROBABILITIES],
            list(NAMES)[:2],
            None,
        ),
        "Labels to read": (
            [figure for figure in figures if figure in IN_LABELS],
            list(NAMES)[:2],
            float(len(facts.names)),
        ),
    }
    charts = {title: chart(names, shown, title, most=most) for title, (names, shown, most) in kinds.items() if names}
    decisions = kinds["Quality of the decisions"][0]
    sentence = _compare(facts, sorted(decisions, key=lambda figure: figure != facts.task.JUDGED_BY))
    advice = (
        "A remedy that only moves the threshold improves raw scores, but not re-decided ones. Compare remedies by "
        "their re-decided scores, and by average precision, which no threshold changes."
    )
    heading, caption = "Three scores of one model", facts.task.variants_caption(facts)
    return Part("ways", heading, (sentence, advice), as_markup(charts), caption, short="Three scores")


def _compare(facts: Facts, figures: Sequence[str]) -> str:
    """Say which figures rose and fell from raw to re-decided, by the interval of the difference on the same images."""
    changes: dict[str, list[str]] = {"raised": [], "lowered": [], "unclear": [], "no interval": []}
    for figure in figures:
        raw, final = (facts.score(variant, figure) for variant in ("raw", "decided"))
        gain = facts.difference(figure)
        if math.isnan(gain.value):
            continue
        name = _title(figure).lower().replace("f1", "F1").replace("matthews", "Matthews")
        kind = "raised" if gain.value > 0 else "lowered"
        if math.isnan(gain.low):
            kind = "no interval"
        elif not gain.clear:
            kind = "unclear"
        values = f"{write_value(raw)} to {write_value(final)}"
        changes[kind].append(f"{name} ({values}, {write_difference(gain)})")
    clear = [f"{verb} {listed(changes[verb])}" for verb in ("raised", "lowered") if changes[verb]]
    texts = [f"Re-deciding needs no new training. It {listed(clear)}."] if clear else []
    if changes["unclear"]:
        texts.append(f"No clear change: {listed(changes['unclear'])}.")
    if changes["no interval"]:
        texts.append(f"Without an interval, so not compared: {listed(changes['no interval'])}.")
    return " ".join(texts)


def write_difference(gain: Difference, digits: int = 2) -> str:
    """Write a difference with its sign and its interval, if there is one.

    Example:
        >>> write_difference(Difference(0.13, 0.07, 0.19)), write_difference(Difference(-0.001, -0.04, 0.04))
        ('+0.13 [+0.07, +0.19]', '0.00 [−0.04, +0.04]')
    """
    ends = () if math.isnan(gain.low) else (gain.low, gain.high)
    value, *interval = (_signed(number, digits) for number in (gain.value, *ends))
    return f"{value} [{', '.join(interval)}]" if interval else value


def _signed(number: float, digits: int) -> str:
    rounded = round(number, digits)
    written = write_value(rounded, digits)
    return f"+{written}" if rounded > 0 else written


def _title(figure: str) -> str:
    return SCORES.get(figure, figure.replace("_", " "))
