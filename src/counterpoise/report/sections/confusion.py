"""The section of the report that shows which classes are confused, or which labels are missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.report.charts import errors as errors_chart
from counterpoise.report.charts.confusion import confusion_matrix
from counterpoise.report.facts import Facts, counted, listed, quote
from counterpoise.report.parts import Part, Table, drawn, folded_classes, shown_classes
from counterpoise.report.texts import write_count, write_share
from counterpoise.report.units import Support

if TYPE_CHECKING:
    import altair as alt

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
        verb = "is" if errors.sum() == 1 else "are"
        text = f"{write_count(errors.sum())} of {counted(int(table.sum()), 'test image')} {verb} decided wrongly."
        text += _most_frequent(facts, {pair: pairs[pair] for pair in order})
    if len(names) <= MATRIX_CLASSES:
        matrix = _matrix(facts)
        caption = (
            f"Rows: actual classes. Columns: decided classes. Shade and percentage: share of the row.{_units(facts)}"
        )
        row = "decided" if len(names) < WIDE_CLASSES else ""
        return Part("confusion", "Confusion", (text,), drawn(matrix), caption, row)
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
        drawn(_errors_by_class(facts)),
        shown_classes(facts).strip(),
        tables=tables,
    )


def _matrix(facts: Facts) -> alt.LayerChart:
    import pandas as pd

    names, table = list(facts.names), facts.confusion
    rows = "; ".join(
        f"actual {name}: " + ", ".join(f"{count} decided {other}" for count, other in zip(row, names, strict=True))
        for name, row in zip(names, table.tolist(), strict=True)
    )
    counts = pd.DataFrame(table, index=names, columns=names)
    return confusion_matrix(counts, title="Test images by class", description=f"Confusion matrix. {rows}")


def _units(facts: Facts) -> str:
    """List the units of each row of the matrix, where they are not the images."""
    if all(support.images == support.units for support in facts.supports):
        return ""
    rows = [f"{quote(name)} {write_count(one.units)}" for name, one in zip(facts.names, facts.supports, strict=True)]
    return f" Units of the rows: {listed(rows, len(rows))}."


def _most_frequent(facts: Facts, pairs: Mapping[tuple[int, int], Support]) -> str:
    """Name the mistake with the most units, the first of `pairs`, if these are enough and it alone has so many."""
    (actual, decided), wrong = next(iter(pairs.items()))
    of = facts.supports[actual]
    if wrong.rough or list(pairs.values()).count(wrong) > 1:
        return ""
    return (
        f" The most frequent mistake on test: {quote(facts.names[actual])} is taken for "
        f"{quote(facts.names[decided])} ({write_count(wrong.images)} of {of.text})."
    )


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
    if not alarms[most].rough and alarms.count(alarms[most]) == 1:
        text += f" Most false alarms on test: {quote(facts.names[most])}, {alarms[most].text}."
    cells = {k: (write_count(counts[k].tp), write_count(counts[k].fn), write_count(counts[k].fp)) for k in facts.folded}
    folds = folded_classes(facts, "Test images, by label.", ("found", "missed", "false alarms"), cells)
    caption = f"An image can have several labels, so there is no table of actual by decided.{shown_classes(facts)}"
    return Part("confusion", "Confusion", (text,), drawn(_errors_by_class(facts)), caption, "labels", folds=folds)


def _errors_by_class(facts: Facts) -> alt.LayerChart:
    import pandas as pd

    noun = facts.words.noun
    rows = [(facts.names[k], facts.counts[k].tp, facts.counts[k].fn, facts.counts[k].fp) for k in facts.shown]
    description = "; ".join(f"{name}: {errors_chart.text_of(*counts)}" for name, *counts in rows)
    table = pd.DataFrame(rows, columns=["class", "found", "missed", "alarms"])
    return errors_chart.errors_by_class(table, title=f"Decisions of each {noun}", description=description, noun=noun)
