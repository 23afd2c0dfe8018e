"""The part of the report page that shows what the same model scores raw, calibrated and re-decided."""

from __future__ import annotations

from collections.abc import Sequence

from counterpoise.report.charts.dot_whisker import Measure, dots_by_way
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_value
from counterpoise.report.facts import Facts
from counterpoise.report.parts import Part, as_markup

NAMES = {"raw": "raw", "calibrated": "calibrated", "decided": "re-decided"}
COLOURS = {"raw": 6, "calibrated": 0, "re-decided": 2}
"""Index of the colour of each variant, wherever it is drawn."""
SCORES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "matthews": "Matthews correlation",
    "exact_match": "Exact match",
    "mean_average_precision": "Mean average precision",
    "average_precision": "Average precision",
    "roc_auc": "Area under ROC",
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
"""Figures that are numbers of labels, and need another axis."""
LOWER_IS_BETTER = ("expected_calibration_error", "brier_score", "coverage")


def variants(facts: Facts) -> Part:
    """Show what the same model scores raw, calibrated and re-decided."""
    table = facts.tables["scores"]

    def chart(figures: Sequence[str], shown: Sequence[str], title: str, *, most: float | None = None) -> str:
        measures = []
        for figure in figures:
            rows = {row["way"]: row for row in table[table["figure"] == figure].to_dict("records")}
            note = "lower is better" if figure in LOWER_IS_BETTER else ""
            estimates = {NAMES[variant]: PointEstimate.from_row(rows[variant]) for variant in shown if variant in rows}
            measures.append(Measure(_title(figure), estimates, note))
        alt = "; ".join(
            f"{m.name}: " + ", ".join(f"{variant} {e.text}" for variant, e in m.ways.items()) for m in measures
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
        "Labels to look through": (
            [figure for figure in figures if figure in IN_LABELS],
            list(NAMES)[:2],
            float(len(facts.names)),
        ),
    }
    charts = {title: chart(names, shown, title, most=most) for title, (names, shown, most) in kinds.items() if names}
    figure = facts.task.JUDGED_BY
    raw, final = (facts.score(variant, figure) for variant in ("raw", "decided"))
    sentence = ""
    if finite(raw) is not None and finite(final) is not None:
        verb = "left" if write_value(raw) == write_value(final) else "moved"
        sentence = (
            f"Without any new training, correcting the prior and deciding by rule “{facts.decision.rule}” {verb} "
            f"{_title(figure).lower().replace('f1', 'F1')} {_from_to(raw, final)}."
        )
    advice = (
        "A remedy that only moves the threshold gains nothing once both are re-decided: compare remedies in the row "
        "“re-decided”, and by average precision, which no threshold changes."
    )
    heading, caption = "Three ways to use the same model", facts.task.variants_caption(facts)
    return Part("ways", heading, (sentence, advice), as_markup(charts), caption, short="Three ways")


def _title(figure: str) -> str:
    return SCORES.get(figure, figure.replace("_", " "))


def _from_to(before: float, after: float) -> str:
    first, second = write_value(before), write_value(after)
    return f"at {first}" if first == second else f"from {first} to {second}"
