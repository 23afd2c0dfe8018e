"""The table of suspects, which a person confirms, and the table of labels that follows from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import labels, sources, storage, tasks
from counterpoise.config import InputError, suggest
from counterpoise.labelling.confident_learning import Suspect
from counterpoise.study.images import Images

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image", "given", "suggested", "margin", "confirmed")
YES, NO = "yes", "no"
"""In column `confirmed`: take the suggested labels, or keep the given ones; an empty cell keeps them, too."""


@dataclass(frozen=True)
class Line:
    """A row of the table of suspects.

    Attributes:
        image_id: The image.
        given: Its labels, joined by `|`.
        suggested: The labels that it probably has, likewise.
        margin: As `Suspect.margin`.
    """

    image_id: str
    given: str
    suggested: str
    margin: float


def lines(suspects: Sequence[Suspect], of: Images) -> list[Line]:
    """Name images and labels."""

    def cell(columns: Iterable[int]) -> str:
        return labels.join(of.names[column] for column in columns)

    return [Line(str(of.image_ids[one.row]), cell(one.given), cell(one.suggested), one.margin) for one in suspects]


def write(path: Path, table: Sequence[Line]) -> None:
    """Write the table of suspects, to be confirmed."""
    rows = [(one.image_id, one.given, one.suggested, f"{one.margin:.4f}", "") for one in table]
    _write(path, [COLUMNS, *rows])


def read(path: Path, of: pd.DataFrame, classes: Sequence[str], task: str) -> dict[str, str]:
    """Read what was confirmed.

    Args:
        path: The table, of which columns `image`, `given`, `suggested` and `confirmed` are read.
        of: The manifest.
        classes: The class names.
        task: What labels mean.

    Returns:
        image_id -> labels joined by `|`, of the rows that were confirmed.

    Raises:
        InputError: There is no such table, a column is missing, or a row names an unknown image or class, has labels
            that no image can have, or is about labels that the image no longer has.
    """
    if not path.is_file():
        raise InputError(f"--apply {path}: no such file; name the table of suspects in which you confirmed labels")
    try:
        rows = list(csv.DictReader(io.StringIO(sources.read_text(path, "table"), newline=""), strict=True))
    except csv.Error as error:
        raise InputError(f"{path}: not a table of comma-separated values: {error}") from error
    needed = [name for name in COLUMNS if name != "margin"]
    missing = [name for name in needed if not rows or name not in rows[0]]
    if missing:
        raise InputError(f"{path}: expected a table with columns {needed}, found no row with {missing[0]!r}")
    label_of = dict(zip(of["image_id"], of["labels"], strict=True))
    confirmed: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path} row {number}"
        if _is_confirmed(where, row["confirmed"]):
            image_id = row["image"]
            if image_id in confirmed:
                raise InputError(f"{where}: image {image_id!r} is confirmed twice; keep one of the rows")
            confirmed[image_id] = _checked(where, row, label_of, classes, task)
    return confirmed


def _is_confirmed(where: str, cell: str | None) -> bool:
    text = (cell or "").strip().casefold()
    if text not in ("", YES, NO):
        raise InputError(f"{where}: column 'confirmed' holds {cell!r}; expected 'yes', 'no', or nothing")
    return text == YES


def _checked(
    where: str, row: Mapping[str, str | None], label_of: Mapping[str, str], classes: Sequence[str], task: str
) -> str:
    image_id, given, suggested = (row[name] or "" for name in ("image", "given", "suggested"))
    if image_id not in label_of:
        raise InputError(f"{where}: there is no image {image_id!r}; run `counterpoise suspects` again")
    if label_of[image_id] != given:
        raise InputError(
            f"{where}: image {image_id!r} has labels {label_of[image_id]!r} now, not {given!r}; run `counterpoise "
            "suspects` again"
        )
    names = labels.parse(suggested, labels.SEPARATOR)
    if unknown := [name for name in names if name not in classes]:
        raise InputError(f"{where}: {unknown[0]!r} is no class; {suggest(unknown[0], classes)}")
    if fault := tasks.find(task).fault_of_labels(names):
        raise InputError(f"{where}: {fault}")
    return labels.join(names)


def corrected(of: pd.DataFrame, confirmed: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Make a table of all labels, with those that were confirmed in place of the raw ones.

    Args:
        of: The manifest.
        confirmed: image_id -> labels.

    Returns:
        A first row of names, `image`, `label`, and `group` and `split` where the raw labels had them; then a row for
        each image.
    """
    kept = [name for name, own in (("group", of["group"] != of["image_id"]), ("split", of["split"] != "")) if own.any()]
    rows = [
        (row["image_id"], confirmed.get(row["image_id"], row["raw_labels"]), *(row[name] for name in kept))
        for row in of[["image_id", "raw_labels", "group", "split"]].to_dict("records")
    ]
    return [("image", "label", *kept), *rows]


def write_labels(path: Path, table: Sequence[Sequence[str]]) -> None:
    """Write a table of labels, as source `csv` reads it."""
    _write(path, table)


def _write(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with storage.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
