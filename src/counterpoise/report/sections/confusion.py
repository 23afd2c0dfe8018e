"""The section of the report that shows which classes are confused, or which labels are missed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from counterpoise.report.charts.confusion_matrix import confusion_matrix
from counterpoise.report.charts.errors import Errors, errors_by_class
from counterpoise.report.charts.texts import write_count, write_share
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Part, Table, as_markup, folded_classes, shown_classes
from counterpoise.report.units import Support

MATRIX_CLASSES = 15
"""With more classes, a table of the most confused pairs replaces the matrix."""
WIDE_CLASSES = 5
"""With this many classes or more, the matrix has a separate row."""
PAIRS = 20
"""Largest number of pairs in that table."""


def confusion(facts: Facts) -> Part:
    """Show which classes are confused."""
    names, table = facts.names, facts.confusion
    errors = table.copy()
    np.fill_diagonal(errors, 0)
    support = table.sum(axis=1)
    pairs = {
        (int(k), int(j)): facts.support(facts.targets[:, k] & facts.decided[:, j])
        for k, j in zip(*np.nonzero(errors), strict=True)
    }
    order = sorted(pairs, key=lambda pair: (-pairs[pair].units, -pairs[pair].images, pair))
    text = f"All {counted(int(table.sum()), 'test image')} are decided correctly."
    if pairs:
        text = f"{write_count(errors.sum())} of {counted(int(table.sum()), 'test image')} are decided wrongly."
        text += _most_frequent(facts, {pair: pairs[pair] for pair in order})
    if len(names) <= MATRIX_CLASSES:
        alt = "; ".join(
            f"actual {names[k]}: " + ", ".join(f"{table[k, j]} decided {names[j]}" for j in range(len(names)))
            for k in range(len(names))
        )
        matrix = confusion_matrix(table, names, title="Confusion matrix", alt=f"Confusion matrix. {alt}")
        caption = "Rows: actual classes. Columns: decided classes. Shade and percentage: share of the row."
        row = "decided" if len(names) < WIDE_CLASSES else ""
        return Part("confusion", "Confusion", (text,), as_markup({"": matrix}), caption, row)
    rows = tuple(
        (
            names[k],
            names[j],
            write_count(errors[k, j]),
            write_count(pairs[k, j].units),
            write_count(support[k]),
            write_share(errors[k, j] / support[k]),
        )
        for k, j in order[:PAIRS]
    )
    caption = f"The {len(rows)} most confused of {counted(len(pairs), 'pair')} of actual and decided class."
    tables = (Table(caption, ("actual", "decided", "images", "units", "of", "share"), rows, 2),) if rows else ()
    return Part(
        "confusion",
        "Confusion",
        (text,),
        as_markup({"": _errors_by_class(facts)}),
        shown_classes(facts).strip(),
        tables=tables,
    )


def _most_frequent(facts: Facts, pairs: Mapping[tuple[int, int], Support]) -> str:
    """Name the mistake with the most units, of classes with enough of them; the first of `pairs` has the most."""
    for (actual, decided), wrong in pairs.items():
        of = facts.supports[actual]
        if not of.rough:
            return (
                f" The most frequent mistake on test: {quote(facts.names[actual])} is taken for "
                f"{quote(facts.names[decided])} ({write_count(wrong.images)} of {of.text})."
            )
    return ""


def label_errors(facts: Facts) -> Part:
    """Show how often each label is found, missed and wrongly decided."""
    counts, images = facts.counts, len(facts.targets)
    tp, fn, fp = (sum(getattr(count, cell) for count in counts) for cell in ("tp", "fn", "fp"))
    exact = images - int(facts.mistaken.sum())
    text = (
        f"Of {counted(tp + fn, 'label')} on {counted(images, 'test image')}, the model finds {write_count(tp)}. It "
        f"raises {counted(fp, 'false alarm')}. {counted(exact, 'image has', 'images have')} no error."
    )
    alarms = [facts.support(wrong) for wrong in (facts.decided & ~facts.targets).T]
    most = max(range(len(counts)), key=lambda k: (alarms[k].units, alarms[k].images, -k))
    if not alarms[most].rough:
        text += f" Most false alarms on test: {quote(facts.names[most])}, {alarms[most].text}."
    cells = {k: (write_count(counts[k].tp), write_count(counts[k].fn), write_count(counts[k].fp)) for k in facts.folded}
    folds = folded_classes(facts, "Test images, by label.", ("found", "missed", "false alarms"), cells)
    caption = f"An image can have several labels, so there is no table of actual by decided.{shown_classes(facts)}"
    return Part(
        "confusion", "Confusion", (text,), as_markup({"": _errors_by_class(facts)}), caption, "labels", folds=folds
    )


def _errors_by_class(facts: Facts) -> str:
    rows = [Errors(facts.names[k], facts.counts[k].tp, facts.counts[k].fn, facts.counts[k].fp) for k in facts.shown]
    alt = "; ".join(f"{row.name}: {row.text}" for row in rows)
    return errors_by_class(rows, title=f"Decisions of each {facts.words.noun}", alt=alt)
