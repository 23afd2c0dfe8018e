"""The parts of the report page that say what the model is worth on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from counterpoise import charts
from counterpoise.charts import Estimate, write_count, write_share, write_value
from counterpoise.page.facts import Facts, counted, quote
from counterpoise.page.parts import Part, Table, folded, panel
from counterpoise.svg import finite

MATRIX_CLASSES = 15
"""A confusion matrix of more classes is a table of the most confused pairs."""
WIDE_CLASSES = 5
"""From so many classes on the matrix is too wide to stand beside its text."""
PAIRS = 30
"""So many pairs that table lists."""
WAYS = {"raw": "raw", "calibrated": "calibrated", "decided": "re-decided"}
SCORES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "matthews": "Matthews correlation",
    "average_precision": "Average precision",
    "roc_auc": "Area under ROC",
    "expected_calibration_error": "Expected calibration error",
    "brier_score": "Brier score",
}
OF_PROBABILITIES = ("average_precision", "roc_auc", "expected_calibration_error", "brier_score")
LOWER_IS_BETTER = ("expected_calibration_error", "brier_score")
MEASURES = {
    "precision": "Precision: how many of the decisions are right",
    "recall": "Recall: how many of the images are found",
    "average_precision": "Average precision: how well images are ranked",
}


def ways(facts: Facts) -> Part:
    """Show what the same model scores raw, calibrated and re-decided."""
    table = facts.tables["scores"]

    def chart(figures: list[str], shown: Sequence[str], title: str) -> str:
        measures = []
        for figure in figures:
            rows = {row["way"]: row for row in table[table["figure"] == figure].to_dict("records")}
            note = "lower is better" if figure in LOWER_IS_BETTER else ""
            its = {WAYS[way]: _estimate(rows[way]) for way in shown if way in rows}
            measures.append(charts.Measure(SCORES.get(figure, figure.replace("_", " ")), its, note))
        alt = "; ".join(f"{m.name}: " + ", ".join(f"{way} {e.text}" for way, e in m.ways.items()) for m in measures)
        return charts.dots_by_way(measures, title=title, alt=f"{title}. {alt}")

    figures = list(dict.fromkeys(table["figure"]))
    made = {
        "Quality of the decisions": chart(
            [figure for figure in figures if figure not in OF_PROBABILITIES], list(WAYS), "Quality of the decisions"
        ),
        "Quality of the probabilities": chart(
            [figure for figure in figures if figure in OF_PROBABILITIES], list(WAYS)[:2], "Quality of the probabilities"
        ),
    }
    raw, final = (facts.score(way, "balanced_accuracy") for way in ("raw", "decided"))
    sentence = ""
    if finite(raw) is not None and finite(final) is not None:
        verb = "left" if write_value(raw) == write_value(final) else "moved"
        sentence = (
            f"Without any new training, correcting the prior and deciding by rule “{facts.decision.rule}” {verb} "
            f"balanced accuracy {_from_to(raw, final)}. "
        )
    sentence += (
        "A class weight or a sampler that only moves the threshold gains nothing over plain training once both are "
        "re-decided: compare remedies in the row “re-decided”, and by average precision, which no threshold changes."
    )
    caption = (
        f"Raw: softmax of the logits, most probable class. Calibrated: by “{facts.decision.calibrator}”, moved to the "
        "target prior, most probable class. Re-decided: the same probabilities under the rule, which changes no "
        f"probability. Average precision and ROC: {quote(facts.positive_name)} against the rest. Lines: 95 % intervals."
    )
    return Part("ways", "Three ways to use the same model", (sentence,), Markup(charts.panels(made)), caption)


def per_class(facts: Facts) -> Part:
    """Show precision, recall and average precision of each class with intervals and counts."""
    table = facts.tables["classes"]
    row_of = {(row["measure"], row["class"]): row for row in table.to_dict("records")}

    def panels(order: Sequence[int]) -> Markup:
        made = {}
        for series, (measure, heading) in enumerate(MEASURES.items()):
            rows = []
            for class_ in order:
                row = row_of[measure, facts.names[class_]]
                rows.append(charts.Row(facts.names[class_], _estimate(row, int(row["count"])), finite(row["no_skill"])))
            alt = f"{heading}. " + "; ".join(f"{row.name}: {row.estimate.text}" for row in rows)
            made[heading] = charts.bars_with_intervals(rows, title=heading, alt=alt, series=series)
        return Markup(charts.panels(made))

    recalls = table[(table["measure"] == "recall") & table["value"].notna()].sort_values("value", kind="stable")
    text = "No class has a test image."
    if len(recalls):
        worst, best = recalls.iloc[0], recalls.iloc[-1]
        text = (
            f"Found best: {quote(best['class'])}, recall {write_value(best['value'])} of "
            f"{counted(int(best['count']), 'image')}. Found worst: {quote(worst['class'])}, recall "
            f"{write_value(worst['value'])} of {counted(int(worst['count']), 'image')}."
        )
        if worst["value"] == best["value"]:
            text = f"Every class that test holds has the same recall, {write_value(best['value'])}."
    caption = (
        "n is what the rate is a share of: decisions for precision, images for recall. Lines: 95 % intervals. The tick "
        "is the value of guessing, which is the share of the class in test."
    )
    return folded(Part("per-class", "Per class", (text,), panels(facts.order[0]), caption), facts, panels)


def confusion(facts: Facts) -> Part:
    """Show which classes are taken for which."""
    names, table = facts.names, facts.confusion
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    support = table.sum(axis=1)
    pairs = [(int(k), int(j)) for k, j in zip(*np.nonzero(wrong), strict=True)]
    pairs.sort(key=lambda pair: (-wrong[pair], pair))
    text = f"All {counted(int(table.sum()), 'test image')} are decided rightly."
    if pairs:
        actual, decided = pairs[0]
        text = (
            f"{write_count(wrong.sum())} of {counted(int(table.sum()), 'test image')} are decided wrongly. Most often "
            f"{quote(names[actual])} is taken for {quote(names[decided])}: {write_count(wrong[actual, decided])} of "
            f"{write_count(support[actual])}."
        )
    if len(names) <= MATRIX_CLASSES:
        alt = "; ".join(
            f"actual {names[k]}: " + ", ".join(f"{table[k, j]} decided {names[j]}" for j in range(len(names)))
            for k in range(len(names))
        )
        drawn = charts.confusion_matrix(table, names, title="Confusion matrix", alt=f"Confusion matrix. {alt}")
        caption = "Rows: what images are. Columns: what was decided. Shade and percentage: share of the row."
        return Part("confusion", "Confusion", (text,), panel(drawn), caption, beside=len(names) < WIDE_CLASSES)
    rows = tuple(
        (names[k], names[j], write_count(wrong[k, j]), write_count(support[k]), write_share(wrong[k, j] / support[k]))
        for k, j in pairs[:PAIRS]
    )
    caption = f"The {len(rows)} most confused of {counted(len(pairs), 'pair')} of actual and decided class."
    head = ("actual", "decided", "images", "of", "share")
    return Part("confusion", "Confusion", (text,), tables=(Table(caption, head, rows, 2),) if rows else ())


def precision_recall(facts: Facts) -> Part:
    """Show the trade of precision against recall for the class that matters."""
    curve, name = facts.tables["precision_recall"], facts.positive_name
    heading = "Precision and recall"
    positives = int(facts.confusion[facts.positive].sum())
    if not positives:
        return Part("precision-recall", heading, (f"Test holds no image of {quote(name)}: there is no curve.",))
    found, decided = int(facts.confusion[facts.positive, facts.positive]), facts.confusion[:, facts.positive].sum()
    recall, precision = found / positives, found / decided if decided else float("nan")
    no_skill = positives / len(facts.targets)
    on_curve = len(facts.names) == 2
    at = "at the threshold" if on_curve else "as decided"
    one = charts.PRCurve(name, curve["recall"].tolist(), curve["precision"].tolist(), (recall, precision), at)
    alt = (
        f"Precision against recall of {name}; {at}: recall {write_value(recall)}, precision {write_value(precision)}; "
        f"no skill {write_value(no_skill)}."
    )
    drawn = charts.precision_recall([one], title=f"Precision and recall of {name}", alt=alt, no_skill=no_skill)
    text = f"As decided, {found} of {counted(positives, 'image')} of {quote(name)} are found"
    text += (
        f", and {found} of {counted(int(decided), 'such decision')} are right." if decided else "; it is never decided."
    )
    reachable = curve.loc[curve["recall"] >= 0.5, "precision"]
    if len(reachable):
        text += (
            f" To find half of them by a threshold on their probability, one gets {write_share(reachable.max())} "
            "right decisions at best; this is read off test, so it is no figure to promise."
        )
    caption = f"The dashed line is the precision of guessing, the share of {quote(name)} in test."
    if not on_curve:
        caption += (
            f" The point may lie off the curve: the curve sets a threshold on the probability of {quote(name)} alone, "
            f"while the decision compares {len(facts.names)} classes."
        )
    return Part("precision-recall", heading, (text,), panel(drawn), caption, beside=True)


def calibration(facts: Facts) -> Part:
    """Show whether probabilities mean what they say."""
    table = facts.tables["calibration"]
    series = []
    for way in dict.fromkeys(table["way"]):
        rows = table[table["way"] == way]
        observed = [
            Estimate(row["observed"], row["low"], row["high"], int(row["count"])) for row in rows.to_dict("records")
        ]
        series.append(charts.Calibration(way, rows["predicted"].tolist(), observed))
    alt = "Observed share of right decisions by predicted probability. " + " ".join(
        f"{one.name}: "
        + "; ".join(f"{write_value(x)}: {y.text}" for x, y in zip(one.predicted, one.observed, strict=True))
        + "."
        for one in series
    )
    drawn = charts.reliability(series, title="Calibration", alt=alt)
    raw, calibrated = (facts.score(way, "expected_calibration_error") for way in ("raw", "calibrated"))
    text = ""
    if finite(raw) is not None and finite(calibrated) is not None:
        change = "fell" if calibrated < raw else "did not fall"
        text = (
            f"The gap between stated probability and share of right answers (expected calibration error) {change}: "
            f"{write_value(raw, 3)} raw, {write_value(calibrated, 3)} calibrated by “{facts.decision.calibrator}”. "
        )
    rows = table[table["way"] == "calibrated"]
    if len(rows):
        said, was = (np.average(rows[column], weights=rows["count"]) for column in ("predicted", "observed"))
        text += f"Calibrated, the most probable class is given {write_share(said)} on average, and is right for "
        text += f"{write_share(was)} of the images."
    caption = "Of the most probable class. Points below the diagonal: too sure. Larger points hold more images."
    return Part("calibration", "Calibration", (text,), panel(drawn), caption, beside=True)


def _estimate(row: Mapping[Any, Any], count: int | None = None) -> Estimate:
    """Read a value with its interval from a row; what is undefined has no interval."""
    value = finite(row["value"])
    return Estimate(value, count=count) if value is None else Estimate(value, row["low"], row["high"], count)


def _from_to(before: float, after: float) -> str:
    first, second = write_value(before), write_value(after)
    return f"at {first}" if first == second else f"from {first} to {second}"
