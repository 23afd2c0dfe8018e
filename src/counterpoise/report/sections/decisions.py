"""The parts of the report page that say how decisions fall out: confusion, precision against recall, calibration."""

from __future__ import annotations

import numpy as np

from counterpoise.report.charts import curves
from counterpoise.report.charts.errors import Errors, errors_by_class
from counterpoise.report.charts.frame import Estimate
from counterpoise.report.charts.matrix import confusion_matrix
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_count, write_prevalence, write_share, write_value
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.layout import Part, Table, drawn, others, shown_classes
from counterpoise.report.sections.scores import COLOURS

MATRIX_CLASSES = 15
"""A confusion matrix of more classes is a table of the most confused pairs."""
WIDE_CLASSES = 5
"""From so many classes on the matrix needs a row of its own."""
PAIRS = 20
"""So many pairs that table lists."""


def confusion(facts: Facts) -> Part:
    """Show which classes are taken for which; of many labels, what of each is found, missed and wrongly decided."""
    if facts.many:
        return _errors_of_labels(facts)
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
        matrix = confusion_matrix(table, names, title="Confusion matrix", alt=f"Confusion matrix. {alt}")
        caption = "Rows: what images are. Columns: what was decided. Shade and percentage: share of the row."
        row = "decided" if len(names) < WIDE_CLASSES else ""
        return Part("confusion", "Confusion", (text,), drawn({"": matrix}), caption, row)
    rows = tuple(
        (names[k], names[j], write_count(wrong[k, j]), write_count(support[k]), write_share(wrong[k, j] / support[k]))
        for k, j in pairs[:PAIRS]
    )
    caption = f"The {len(rows)} most confused of {counted(len(pairs), 'pair')} of actual and decided class."
    tables = (Table(caption, ("actual", "decided", "images", "of", "share"), rows, 2),) if rows else ()
    return Part(
        "confusion", "Confusion", (text,), drawn({"": _errors(facts)}), shown_classes(facts).strip(), tables=tables
    )


def _errors(facts: Facts) -> str:
    rows = [Errors(facts.names[k], facts.counts[k].tp, facts.counts[k].fn, facts.counts[k].fp) for k in facts.order[0]]
    alt = "; ".join(f"{row.name}: {row.text}" for row in rows)
    return errors_by_class(rows, title=f"Decisions of each {facts.noun}", alt=alt)


def _errors_of_labels(facts: Facts) -> Part:
    counts, images = facts.counts, len(facts.borne)
    found, missed, alarms = (sum(getattr(count, cell) for count in counts) for cell in ("tp", "fn", "fp"))
    exact = images - int(facts.wrong.sum())
    text = (
        f"Of {counted(found + missed, 'label')} on {counted(images, 'test image')}, {write_count(found)} are found; "
        f"{write_count(alarms)} are decided wrongly. {counted(exact, 'image is', 'images are')} wholly right."
    )
    loudest = max(range(len(counts)), key=lambda k: (counts[k].fp, -k))
    if counts[loudest].fp:
        text += f" Most often wrong: {quote(facts.names[loudest])}, {counted(counts[loudest].fp, 'time')}."
    cells = {
        k: (write_count(counts[k].tp), write_count(counts[k].fn), write_count(counts[k].fp)) for k in facts.order[1]
    }
    folds = others(facts, "Test images, by label.", ("found", "missed", "wrongly called so"), cells)
    caption = f"A label is no other label’s rival, so there is no table of one against the other.{shown_classes(facts)}"
    return Part("confusion", "Confusion", (text,), drawn({"": _errors(facts)}), caption, "labels", folds=folds)


def precision_recall(facts: Facts) -> Part:
    """Show the trade of precision against recall for the class that matters."""
    curve, name, on = facts.tables["precision_recall"], facts.positive_name, facts.on_test
    heading = "Precision and recall"
    if not on.positives:
        text = f"Test holds no image of {quote(name)}: there is no curve."
        return Part("precision-recall", heading, (text,), row="decided")
    on_curve = len(facts.names) == 2 or (facts.many and not facts.decision.at_least)
    at = "at the threshold" if on_curve else "as decided"
    one = curves.PRCurve(name, curve["recall"].tolist(), curve["precision"].tolist(), (on.recall, on.precision), at)
    alt = (
        f"Precision against recall of {name}; {at}: recall {write_value(on.recall)}, precision "
        f"{write_value(on.precision)}; no skill {write_value(on.prevalence)}."
    )
    chart = curves.precision_recall([one], title=f"Precision and recall of {name}", alt=alt, no_skill=on.prevalence)
    text = f"As decided, {on.tp} of {counted(on.positives, 'image')} of {quote(name)} are found"
    text += f", and {on.tp} of {counted(on.called, 'such decision')} are right." if on.called else "; never decided."
    reachable = curve.loc[curve["recall"] >= 0.5, "precision"]
    if len(reachable):
        text += (
            f" A threshold that finds half of them gets {write_share(reachable.max())} right at best (read off test: "
            "no figure to promise)."
        )
    caption = f"Dashed: the precision of guessing, which is the share of {quote(name)} in test."
    if not on_curve:
        caption += (
            f" The point may lie off the curve: the decision compares {facts.label_count}, the curve sets a threshold "
            "on one probability."
        )
    return Part("precision-recall", heading, (text,), drawn({"": chart}), caption, "decided")


def calibration(facts: Facts) -> Part:
    """Show whether probabilities mean what they say."""
    table = facts.tables["calibration"]
    series = []
    for way in dict.fromkeys(table["way"]):
        rows = table[table["way"] == way]
        observed = [
            Estimate(row["observed"], row["low"], row["high"], int(row["count"])) for row in rows.to_dict("records")
        ]
        series.append(curves.Calibration(way, rows["predicted"].tolist(), observed, COLOURS.get(way)))
    what = "labels that are there" if facts.many else "right decisions"
    alt = f"Observed share of {what} by predicted probability. " + " ".join(
        f"{one.name}: "
        + "; ".join(f"{write_value(x)}: {y.text}" for x, y in zip(one.predicted, one.observed, strict=True))
        + "."
        for one in series
    )
    chart = curves.reliability(series, title="Calibration", alt=alt, unit="pairs" if facts.many else "images")
    raw, calibrated = (facts.score(way, "expected_calibration_error") for way in ("raw", "calibrated"))
    text = ""
    if finite(raw) is not None and finite(calibrated) is not None:
        change = "fell" if calibrated < raw else "did not fall"
        text = (
            f"The gap between what is said and what is so (expected calibration error) {change}: "
            f"{write_value(raw, 3)} raw, {write_value(calibrated, 3)} calibrated by “{facts.decision.calibrator}”. "
        )
    rows = table[table["way"] == "calibrated"]
    if len(rows):
        said, was = (float(np.average(rows[column], weights=rows["count"])) for column in ("predicted", "observed"))
        text += (
            f"Calibrated, a label is given {write_prevalence(said)} on average, and is there in "
            f"{write_prevalence(was)} of the cases."
            if facts.many
            else f"Calibrated, the most probable class is given {write_share(said)} on average, and is right for "
            f"{write_share(was)} of the images."
        )
    of = "Over all pairs of image and label." if facts.many else "Of the most probable class."
    caption = (
        f"{of} Points below the diagonal: too sure. Larger points hold more {'pairs' if facts.many else 'images'}."
    )
    return Part("calibration", "Calibration", (text,), drawn({"": chart}), caption, "decided")
