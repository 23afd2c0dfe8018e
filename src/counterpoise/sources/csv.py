"""A table of labels: one row per image, or several rows per image with a label each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from counterpoise import labels
from counterpoise.config import InputError, Section, suggest
from counterpoise.sources import Row, inside


def _below(path: str) -> str:
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise PydanticCustomError("below", "expected a path below ingest.root, without a leading `/` and without `..`")
    return path


def _separates(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise PydanticCustomError("delimiter", "expected one character, neither a double quote nor a line end")
    return delimiter


class Params(Section):
    """Block `ingest.sources.csv`."""

    file: Annotated[str, AfterValidator(_below)]
    """Path of the table, below `ingest.root`."""
    image_column: str
    """Column with the path of the image, below `ingest.root`, with its suffix."""
    label_column: str
    """Column with the label; several labels are separated by `|`."""
    join_columns: tuple[str, ...] = Field(strict=False)
    """Columns whose cells are appended to each label after a `/`. With `[cell_type]`, the label `defective` of a cell
    of type `mono` becomes `defective/mono`. Empty for none."""
    group_column: str
    """Column with the group of the image, such as the site or the patient; empty if there is none. A group is never
    split up."""
    delimiter: Annotated[str, AfterValidator(_separates)]
    """The character that separates columns."""


def read(folder: Path, params: Params) -> list[Row]:
    """Read the table.

    Args:
        folder: `ingest.root`.
        params: Names of the file and its columns.

    Returns:
        One row for each row of the table, in its order.

    Raises:
        InputError: The table is missing, elsewhere, or not UTF-8; lacks a column or has one twice; or has a row
            with too few or too many cells.
    """
    path = folder / params.file
    if not path.is_file():
        raise InputError(
            f"{path}: the labels file does not exist; set ingest.root and ingest.sources.csv.file, or ingest.source to "
            "folder"
        )
    if inside(folder.resolve(), params.file) is None:
        raise InputError(f"{path}: the labels file is a link that leaves ingest.root; put the file itself there")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} line {line}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    table = csv.reader(io.StringIO(text, newline=""), delimiter=params.delimiter, strict=True)
    try:
        return _rows(path, table, params)
    except csv.Error as error:
        raise InputError(f"{path} line {table.line_num}: not a table of comma-separated values: {error}") from error


def _rows(path: Path, table: Iterator[list[str]], params: Params) -> list[Row]:
    header = next(table, None)
    if not header:
        raise InputError(f"{path}: the labels file is empty; expected a first row with the names of the columns")
    wanted = [
        params.image_column,
        params.label_column,
        *params.join_columns,
        *([params.group_column] if params.group_column else []),
    ]
    for name in wanted:
        if name not in header:
            raise InputError(f"{path}: there is no column {name!r}; {suggest(name, header)}")
        if header.count(name) > 1:
            raise InputError(f"{path}: {header.count(name)} columns are named {name!r}; rename all but one")
    image, label, *others = [header.index(name) for name in wanted]
    joined, group = others[: len(params.join_columns)], others[len(params.join_columns) :]
    rows = []
    for number, cells in enumerate(table, start=2):
        if not cells:
            continue
        where = f"{params.file} row {number}"
        if len(cells) != len(header):
            raise InputError(
                f"{path} row {number}: found {len(cells)} cells, expected {len(header)}; put cells that contain "
                f"{params.delimiter!r} in double quotes"
            )
        names = tuple(name.strip() for name in labels.split(cells[label].strip()) if name.strip())
        names = tuple("/".join([name, *(cells[column].strip() for column in joined)]) for name in names)
        rows.append(Row(where, cells[image].strip(), names, cells[group[0]].strip() if group else ""))
    return rows
