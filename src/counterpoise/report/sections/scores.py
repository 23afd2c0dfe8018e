"""The parts of the report page that say what the model is worth on test: three ways to use it, and class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.report.charts.bars import Row, bars_with_intervals
from counterpoise.report.charts.frame import Estimate
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_value
from counterpoise.report.charts.ways import Measure, dots_by_way
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.layout import Part, drawn, others, shown_classes

WAYS = {"raw": "raw", "calibrated": "calibrated", "decided": "re-decided"}
COLOURS = {"raw": 6, "calibrated": 0, "re-decided": 2}
"""Index of the colour of each way, wherever it is drawn."""
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
MEASURES = {
    "precision": "Precision: share of decisions right",
    "recall": "Recall: share of images found",
    "average_precision": "Average precision: quality of ranking",
}
JUDGED_BY = {"multiclass": "balanced_accuracy", "multilabel": "macro_f1"}
"""The figure of decisions by which the three ways are told apart in words."""


def ways(facts: Facts) -> Part:
    """Show what the same model scores raw, calibrated and re-decided."""
    table = facts.tables["scores"]

    def chart(figures: Sequence[str], shown: Sequence[str], title: str, *, most: float | None = None) -> str:
        measures = []
        for figure in figures:
            rows = {row["way"]: row for row in table[table["figure"] == figure].to_dict("records")}
            note = "lower is better" if figure in LOWER_IS_BETTER else ""
            its = {WAYS[way]: estimate(rows[way]) for way in shown if way in rows}
            measures.append(Measure(SCORES.get(figure, figure.replace("_", " ")), its, note))
        alt = "; ".join(f"{m.name}: " + ", ".join(f"{way} {e.text}" for way, e in m.ways.items()) for m in measures)
        domain = None if most is None else (0.0, most)
        return dots_by_way(measures, title=title, alt=f"{title}. {alt}", domain=domain, series=COLOURS)

    figures = list(dict.fromkeys(table["figure"]))
    apart = (*OF_PROBABILITIES, *IN_LABELS)
    kinds = {
        "Quality of the decisions": ([figure for figure in figures if figure not in apart], list(WAYS), None),
        "Quality of the probabilities": (
            [figure for figure in figures if figure in OF_PROBABILITIES],
            list(WAYS)[:2],
            None,
        ),
        "Labels to look through": (
            [figure for figure in figures if figure in IN_LABELS],
            list(WAYS)[:2],
            float(len(facts.names)),
        ),
    }
    made = {title: chart(names, shown, title, most=most) for title, (names, shown, most) in kinds.items() if names}
    figure = JUDGED_BY[facts.decision.task]
    raw, final = (facts.score(way, figure) for way in ("raw", "decided"))
    sentence = ""
    if finite(raw) is not None and finite(final) is not None:
        verb = "left" if write_value(raw) == write_value(final) else "moved"
        sentence = (
            f"Without any new training, correcting the prior and deciding by rule “{facts.decision.rule}” {verb} "
            f"{SCORES[figure].lower().replace('f1', 'F1')} {_from_to(raw, final)}."
        )
    advice = (
        "A remedy that only moves the threshold gains nothing once both are re-decided: compare remedies in the row "
        "“re-decided”, and by average precision, which no threshold changes."
    )
    heading = "Three ways to use the same model"
    return Part("ways", heading, (sentence, advice), drawn(made), _ways_caption(facts), short="Three ways")


def _ways_caption(facts: Facts) -> str:
    name, chosen = quote(facts.positive_name), facts.decision
    if facts.many:
        return (
            f"Raw: sigmoid of the logits, decided from 0.5 on. Calibrated: by “{chosen.calibrator}”, moved to the "
            "target prior, from 0.5 on. Re-decided: the same probabilities under the rule. Average precision and ROC: "
            f"{name} alone. Coverage: how many labels one must look through, the most probable first, to meet all that "
            "an image bears. Lines: 95 % intervals."
        )
    return (
        f"Raw: softmax of the logits, most probable class. Calibrated: by “{chosen.calibrator}”, moved to the target "
        "prior, most probable class. Re-decided: the same probabilities under the rule. Average precision and ROC: "
        f"{name} against the rest. Lines: 95 % intervals."
    )


def per_class(facts: Facts) -> Part:
    """Show precision, recall and average precision of each class with intervals and counts."""
    table = facts.tables["classes"]
    row_of = {(row["measure"], row["class"]): row for row in table.to_dict("records")}
    made = {}
    for measure, heading in MEASURES.items():
        rows = []
        for k in facts.order[0]:
            row = row_of[measure, facts.names[k]]
            found = estimate(row, int(row["count"]))
            rows.append(Row(facts.names[k], found, finite(row["no_skill"]), focus=k == facts.positive))
        alt = f"{heading}. " + "; ".join(f"{row.name}: {row.estimate.text}" for row in rows)
        made[heading] = bars_with_intervals(rows, title=heading, alt=alt)
    recalls = table[(table["measure"] == "recall") & table["value"].notna()].sort_values("value", kind="stable")
    text = f"No {facts.noun} has a test image."
    if len(recalls):
        worst, best = recalls.iloc[0], recalls.iloc[-1]
        text = (
            f"Found best: {quote(best['class'])}, recall {write_value(best['value'])} of "
            f"{counted(int(best['count']), 'image')}. Found worst: {quote(worst['class'])}, recall "
            f"{write_value(worst['value'])} of {counted(int(worst['count']), 'image')}."
        )
        if worst["value"] == best["value"]:
            text = f"Every {facts.noun} that test holds has the same recall, {write_value(best['value'])}."
    caption = (
        "n is what the rate is a share of: decisions for precision, images for recall. Lines: 95 % intervals. The tick "
        f"is the value of guessing, which is the share of the {facts.noun} in test.{shown_classes(facts)}"
    )
    cells = {
        k: tuple(
            estimate(row_of[measure, facts.names[k]], int(row_of[measure, facts.names[k]]["count"])).text
            for measure in MEASURES
        )
        for k in facts.order[1]
    }
    head = tuple(measure.replace("_", " ") for measure in MEASURES)
    folds = others(facts, "Value, 95 % interval, and what it is a share of.", head, cells)
    return Part("per-class", f"{facts.noun.capitalize()} by {facts.noun}", (text,), drawn(made), caption, folds=folds)


def estimate(row: Mapping[Any, Any], count: int | None = None) -> Estimate:
    """Read a value with its interval from a row; what is undefined has no interval."""
    value = finite(row["value"])
    return Estimate(value, count=count) if value is None else Estimate(value, row["low"], row["high"], count)


def _from_to(before: float, after: float) -> str:
    first, second = write_value(before), write_value(after)
    return f"at {first}" if first == second else f"from {first} to {second}"
