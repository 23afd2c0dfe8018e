"""A table of boxes: one row per box, and one without corners for an image that shows no object."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from counterpoise.config import InputError, Listed, Name, Section, suggest
from counterpoise.sources import (
    Below,
    Delimiter,
    Row,
    columns_in,
    filled,
    is_one,
    numbers,
    read_text,
    split_of,
)

BLOCK = "ingest.sources.boxes_csv"
GIVES_BOXES = True


class Params(Section):
    """Block `ingest.sources.boxes_csv`."""

    file: Below
    """Path of the table, below `ingest.root`; with `*` in it, of all tables that fit, such as `*.csv` for one for each
    image."""
    image_column: Name
    """Column with the path of the image, below `ingest.root`; or a pattern of the path with columns in braces, such as
    `images/{id}.jpg`."""
    label_column: Name
    """Column with the class of the box. It is empty, as the corners are, for an image that shows no object."""
    box_columns: Listed[Name] = Field(min_length=4, max_length=4)
    """Four columns, in pixels counted from 0: left and top, then what `box_form` says."""
    box_form: Literal["corners", "sizes"]
    """What the last two of `box_columns` hold: `corners`, right and bottom, just outside the box; `sizes`, width and
    height."""
    size_columns: Listed[Name] = Field(max_length=2)
    """Two columns with width and height of the picture in pixels, which are compared with the file; empty for none."""
    ignore_column: Name
    """Column that holds 1 where a box is neither an object nor background, else 0; empty if there is none."""
    group_column: Name
    """Column with the group of the image, such as the site; empty if there is none. A group is never split up."""
    split_column: Name
    """Column with the split of the image, if you bring your own: train, val (also valid, validation, dev) or test;
    empty if there is none."""
    delimiter: Delimiter
    """The character that separates columns; `'\\t'` is a tab."""

    @field_validator("size_columns")
    @classmethod
    def _both(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) == 1:
            raise PydanticCustomError("size_columns", "expected two columns, width and height, or none: []")
        return value


def read(folder: Path, params: Params, say: Callable[[str], None]) -> list[Row]:
    """Read the table.

    Args:
        folder: `ingest.root`.
        params: Names of the file and its columns.
        say: Takes warnings; there are none.

    Returns:
        One row for each row of the table, in its order; of several tables, in the order of their paths.

    Raises:
        InputError: The table is missing or not UTF-8, lacks a column, has a row with too few or too many cells, or a
            split or 0 and 1 written in an unknown way.
    """
    if "*" not in params.file:
        return _read(folder, folder / params.file, params)
    paths = sorted(path for path in folder.glob(params.file) if path.is_file())
    if not paths:
        raise InputError(f"{folder}: no table fits {params.file!r}; set ingest.root and {BLOCK}.file")
    return [row for path in paths for row in _read(folder, path, params)]


def _read(folder: Path, path: Path, params: Params) -> list[Row]:
    if not path.is_file():
        raise InputError(f"{path}: the table does not exist; set ingest.root and {BLOCK}.file")
    text = io.StringIO(read_text(path, "table"), newline="")
    reader = csv.DictReader(text, delimiter=params.delimiter, strict=True, restkey="\0more")
    file = path.relative_to(folder).as_posix()
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = header
        _check(path, header, params)
        return [_row(path, f"row {number}", file, cells, params) for number, cells in enumerate(reader, start=2)]
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num}: not a table of comma-separated values: {error}") from error


def _check(path: Path, header: list[str], params: Params) -> None:
    keys = ("label_column", "ignore_column", "group_column", "split_column")
    wanted = [("image_column", name) for name in columns_in(params.image_column)]
    wanted += [(key, getattr(params, key)) for key in keys]
    wanted += [("box_columns", name) for name in params.box_columns]
    wanted += [("size_columns", name) for name in params.size_columns]
    for key, name in wanted:
        if name and header.count(name) != 1:
            found = f"{header.count(name)} columns {name!r}" if name in header else f"no column {name!r}"
            raise InputError(f"{path}: {BLOCK}.{key} names {name!r}, but there is {found}; {suggest(name, header)}")


def _row(path: Path, number: str, file: str, cells: Mapping[str, str | None], params: Params) -> Row:
    where, place = f"{file} {number}", f"{path} {number}"
    if "\0more" in cells or None in cells.values():
        raise InputError(
            f"{place}: found too many or too few cells; put cells that contain {params.delimiter!r} in double quotes"
        )

    def cell(name: str) -> str:
        return (cells[name] or "").strip() if name else ""

    split = split_of(place, params.split_column, cell(params.split_column), BLOCK)
    ignore = is_one(place, params.ignore_column, cell(params.ignore_column) or "0")
    label, corners = cell(params.label_column), [cell(name) for name in params.box_columns]
    values, sides = numbers(corners), numbers([cell(name) for name in params.size_columns])
    box, fault = None, ""
    if values is not None and label:
        x0, y0, x1, y1 = values
        box = (x0, y0, x0 + x1, y0 + y1) if params.box_form == "sizes" else (x0, y0, x1, y1)
    elif label or any(corners):
        fault = f"the box is {label!r} {corners}; expected a class and four numbers, or nothing for an empty image"
    return Row(
        where,
        filled(params.image_column, {name: cell(name) for name in columns_in(params.image_column)}),
        (label,) if label else (),
        cell(params.group_column),
        split,
        box=box,
        ignore=ignore,
        size_px=(int(sides[0]), int(sides[1])) if sides and all(0 < side < 1e9 for side in sides) else None,
        fault=fault,
    )
