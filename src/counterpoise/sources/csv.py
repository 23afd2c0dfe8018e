"""A table of labels: one row per image, or several rows per image with a label each."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from counterpoise import labels
from counterpoise.config import InputError, Section, suggest
from counterpoise.sources import Row


class Params(Section):
    """Block `ingest.sources.csv`."""

    file: str
    """Path of the table below `ingest.root`."""
    image_column: str
    """Column with the path of the image below `ingest.root`."""
    label_column: str
    """Column with the label, or the labels joined by `|`."""
    group_column: str
    """Column with the image's group, such as the site or the patient; empty where there is none."""
    delimiter: str = Field(min_length=1, max_length=1)
    """What separates columns."""


def read(folder: Path, params: Params) -> list[Row]:
    """Read the table.

    Args:
        folder: `ingest.root`.
        params: Names of the file and its columns.

    Returns:
        One row for each row of the table, in its order.

    Raises:
        InputError: The table is missing, is no UTF-8, lacks a column, or has a row with too few or too many cells.
    """
    path = folder / params.file
    if not path.is_file():
        raise InputError(f"{path}: the labels file does not exist; set ingest.root and ingest.sources.csv.file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _rows(path, csv.reader(file, delimiter=params.delimiter, strict=True), params)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path}: not a table of comma-separated values: {error}") from error


def _rows(path: Path, table: Iterator[list[str]], params: Params) -> list[Row]:
    header = next(table, None)
    if not header:
        raise InputError(f"{path}: the labels file is empty; its first row should name the columns")
    wanted = [
        params.image_column,
        params.label_column,
        *([params.group_column] if params.group_column else []),
    ]
    for name in wanted:
        if name not in header:
            raise InputError(f"{path}: there is no column {name!r}; {suggest(name, header)}")
    image, label, *group = [header.index(name) for name in wanted]
    rows = []
    for number, cells in enumerate(table, start=2):
        if not cells:
            continue
        where = f"{params.file} row {number}"
        if len(cells) != len(header):
            raise InputError(f"{path} row {number}: found {len(cells)} cells, expected {len(header)}")
        names = tuple(name.strip() for name in labels.split(cells[label].strip()) if name.strip())
        rows.append(Row(where, cells[image].strip(), names, cells[group[0]].strip() if group else ""))
    return rows
