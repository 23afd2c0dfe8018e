"""The part of the comment that goes class by class: recall, precision and average precision."""

from __future__ import annotations

from typing import Any

from counterpoise.report.facts import counted
from counterpoise.report.markdown import code, folded, table
from counterpoise.report.texts import figure_name, finite, write_value
from counterpoise.revisions.gains import Gains, differs, written
from counterpoise.revisions.run import Run

MEASURES = ("recall", "precision", "average_precision")
MOST = 20
"""Classes that are listed, those with the fewest units first."""
Rows = dict[tuple[str, str], dict[Any, Any]]


def rows(base: Run, now: Run, gains: Gains | None, *, comparable: bool) -> list[str]:
    """Write the table of classes; nothing where a run has none, or the runs cannot be compared.

    Args:
        base: The run that is compared with.
        now: The run of the change.
        gains: Paired differences; `None` without predictions.
        comparable: Whether the runs have the same classes and test images.
    """
    if not comparable or not base.tables or not now.tables:
        return []
    before, after = _by_class(base), _by_class(now)
    names = sorted({name for name, _ in after}, key=lambda name: (_units(after, name), name))
    present = [name for name in names if _units(after, name)]
    cells = [_cells(name, before, after, gains) for name in present[:MOST]]
    head = ["class", "units", *(text for measure in MEASURES for text in (figure_name(measure), "difference"))]
    title = "Class by class" + (
        f": the {MOST} with the fewest units of {counted(len(present), 'class', 'classes')}"
        if len(present) > MOST
        else ""
    )
    note = "Bold: the interval of the difference leaves out 0. With many classes, some do so by chance."
    return folded(title, [*table(head, cells), "", note]) if cells else []


def _by_class(run: Run) -> Rows:
    """Take the figures of each class: of boxes where there are any, else of images."""
    own = run.tables["detection_sizes"]
    own = own[(own["class"] != "") & (own["size"] == "all")] if len(own) else run.tables["classes"]
    return {(row["class"], row["measure"]): row for row in own.to_dict("records")}


def _as_kept(value: float | None) -> float | None:
    """Round as `reports/metrics.json` does, so that a figure of both tables is written in the same way."""
    return None if value is None else float(f"{value:.4g}")


def _units(of: Rows, name: str) -> int:
    return int(of[name, "recall"]["units"]) if (name, "recall") in of else 0


def _cells(name: str, before: Rows, after: Rows, gains: Gains | None) -> list[str]:
    units = _units(after, name)
    cells = [code(name), f"{units:,}"]
    for measure in MEASURES:
        values = [finite(rows.get((name, measure), {}).get("value")) for rows in (before, after)]
        cells.append(" → ".join(write_value(_as_kept(value), 3) for value in values))
        found = None if gains is None else gains.classes.get((name, measure))
        if gains is None and values[0] is not None and values[1] is not None:
            cells.append(f"{values[1] - values[0]:+.3f}")
        else:
            text = written(found)
            cells.append(f"**{text}**" if differs(found, units) else text)
    return cells
