"""The section of the report that scores the same model raw, calibrated and re-decided."""

from __future__ import annotations

from collections.abc import Sequence

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
VERBS = {"rose": "raised", "fell": "lowered", "same": "did not change"}
"""How the text says that a figure changed."""


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
    """Say which figures rose and fell from raw to re-decided, and for which the intervals overlap."""
    moved: dict[str, list[str]] = {"rose": [], "fell": [], "overlap": [], "same": []}
    for figure in figures:
        raw, final = (facts.estimate(variant, figure) for variant in ("raw", "decided"))
        if raw.value is None or final.value is None:
            continue
        name = _title(figure).lower().replace("f1", "F1").replace("matthews", "Matthews")
        same = write_value(raw.value) == write_value(final.value)
        kind = "overlap" if raw.overlaps(final) else "rose" if final.value > raw.value else "fell"
        values = f"at {write_value(raw.value)}" if same else f"{write_value(raw.value)} to {write_value(final.value)}"
        moved["same" if same else kind].append(f"{name} ({values})")
    changes = [f"{verb} {listed(moved[kind])}" for kind, verb in VERBS.items() if moved[kind]]
    text = f"Re-deciding needs no new training. It {listed(changes)}." if changes else ""
    if moved["overlap"]:
        text += f" For {listed(moved['overlap'])}, the separate intervals of raw and re-decided overlap; " + (
            "the report does not test the difference."
        )
    return text.strip()


def _title(figure: str) -> str:
    return SCORES.get(figure, figure.replace("_", " "))
