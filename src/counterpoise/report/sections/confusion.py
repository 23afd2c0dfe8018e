"""The part of the report page that shows which classes are taken for which, or which labels are missed."""

from __future__ import annotations

import numpy as np

from counterpoise.report.charts.confusion_matrix import confusion_matrix
from counterpoise.report.charts.errors import Errors, errors_by_class
from counterpoise.report.charts.texts import write_count, write_share
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part, Table, as_markup, folded_classes, shown_classes

MATRIX_CLASSES = 15
"""A confusion matrix of more classes is a table of the most confused pairs."""
WIDE_CLASSES = 5
"""From so many classes on the matrix needs a row of its own."""
PAIRS = 20
"""So many pairs that table lists."""


def confusion(facts: Facts) -> Part:
    """Show which classes are taken for which."""
    names, table = facts.names, facts.confusion
    errors = table.copy()
    np.fill_diagonal(errors, 0)
    support = table.sum(axis=1)
    pairs = [(int(k), int(j)) for k, j in zip(*np.nonzero(errors), strict=True)]
    pairs.sort(key=lambda pair: (-errors[pair], pair))
    text = f"All {counted(int(table.sum()), 'test image')} are decided rightly."
    if pairs:
        actual, decided = pairs[0]
        text = (
            f"{write_count(errors.sum())} of {counted(int(table.sum()), 'test image')} are decided wrongly. Most often "
            f"{quote(names[actual])} is taken for {quote(names[decided])}: {write_count(errors[actual, decided])} of "
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
        return Part("confusion", "Confusion", (text,), as_markup({"": matrix}), caption, row)
    rows = tuple(
        (names[k], names[j], write_count(errors[k, j]), write_count(support[k]), write_share(errors[k, j] / support[k]))
        for k, j in pairs[:PAIRS]
    )
    caption = f"The {len(rows)} most confused of {counted(len(pairs), 'pair')} of actual and decided class."
    tables = (Table(caption, ("actual", "decided", "images", "of", "share"), rows, 2),) if rows else ()
    return Part(
        "confusion",
        "Confusion",
        (text,),
        as_markup({"": _errors_by_class(facts)}),
        shown_classes(facts).strip(),
        tables=tables,
    )


def label_errors(facts: Facts) -> Part:
    """Show of each of many labels what is found, missed and wrongly decided."""
    counts, images = facts.counts, len(facts.targets)
    tp, fn, fp = (sum(getattr(count, cell) for count in counts) for cell in ("tp", "fn", "fp"))
    exact = images - int(facts.mistaken.sum())
    text = (
        f"Of {counted(tp + fn, 'label')} on {counted(images, 'test image')}, {write_count(tp)} are found; "
        f"{write_count(fp)} are decided wrongly. {counted(exact, 'image is', 'images are')} wholly right."
    )
    worst = max(range(len(counts)), key=lambda k: (counts[k].fp, -k))
    if counts[worst].fp:
        text += f" Most often wrong: {quote(facts.names[worst])}, {counted(counts[worst].fp, 'time')}."
    cells = {k: (write_count(counts[k].tp), write_count(counts[k].fn), write_count(counts[k].fp)) for k in facts.folded}
    folds = folded_classes(facts, "Test images, by label.", ("found", "missed", "wrongly called so"), cells)
    caption = f"A label is no other label’s rival, so there is no table of one against the other.{shown_classes(facts)}"
    return Part(
        "confusion", "Confusion", (text,), as_markup({"": _errors_by_class(facts)}), caption, "labels", folds=folds
    )


def _errors_by_class(facts: Facts) -> str:
    rows = [Errors(facts.names[k], facts.counts[k].tp, facts.counts[k].fn, facts.counts[k].fp) for k in facts.shown]
    alt = "; ".join(f"{row.name}: {row.text}" for row in rows)
    return errors_by_class(rows, title=f"Decisions of each {facts.words.noun}", alt=alt)
