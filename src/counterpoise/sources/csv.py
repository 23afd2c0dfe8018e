"""A table of labels: one row per image, or several rows per image with a label each."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

from pydantic import BeforeValidator

from counterpoise import labels
from counterpoise.config import InputError, Listed, Name, Section, suggest
from counterpoise.sources import (
    FALSE,
    SPLITS,
    SUFFIXES,
    TRUE,
    Below,
    Delimiter,
    Row,
    bit,
    columns_in,
    filled,
    is_one,
    read_tab,
    read_text,
    split_of,
)

Table = list[tuple[int, list[str]]]
"""Rows of which some cell is filled, each with its number; line ends inside quotes do not count."""
BLOCK = "ingest.sources.csv"
GIVES_BOXES = False
DELIMITERS = (",", ";", "\t", "|", " ")
IN_NAMES = "_-.'\"/\\()[]# "
"""Characters that the name of a column may hold; every other one may separate columns, if names become known by it."""
HEADER_ROWS = 20
"""How many rows are searched for the names of the columns, to say that there are rows above them."""


class Params(Section):
    """Block `ingest.sources.csv`."""

    file: Below
    """Path of the table, below `ingest.root`."""
    image_column: Name
    """Column with the path of the image, below `ingest.root`; or a pattern of the path with columns in braces, such as
    `train_images/{id}.png`."""
    label_column: Name
    """Column with the label, or with several labels; `label_columns` takes its place where given."""
    label_columns: Listed[Name]
    """For a table with a column per class: the columns, which hold 1 where an image has the class and 0 where it has
    not (one-hot). Empty for none."""
    label_separator: Annotated[str, BeforeValidator(read_tab)]
    """What separates several labels in a cell, such as `|` or `,`; lists such as `['a', 'b']` are understood too. Empty
    if a cell is always the name of one class, whatever characters it has."""
    join_columns: Listed[Name]
    """Columns whose cells are appended to each label after a `/`. With `[cell_type]`, the label `defective` of a cell
    of type `mono` becomes `defective/mono`. Empty for none."""
    group_column: Name
    """Column with the group of the image, such as the site or the patient; empty if there is none. A group is never
    split up. A cell that is empty or reads NA, NaN or null names no group."""
    split_column: Name
    """Column with the split of the image, if you bring your own: train, val (also valid, validation, dev) or test;
    empty if there is none."""
    delimiter: Delimiter
    """The character that separates columns; `'\\t'` is a tab."""


def read(folder: Path, params: Params, say: Callable[[str], None]) -> list[Row]:
    """Read the table.

    Args:
        folder: `ingest.root`.
        params: Names of the file and its columns.
        say: Takes warnings.

    Returns:
        One row for each row of the table, in its order.

    Raises:
        InputError: The table is missing or not UTF-8; lacks a column or has one twice; has a row with too few or too
            many cells, or a cell that its column cannot hold; or its cells seem to hold several labels each.
    """
    path = folder / params.file
    if not path.is_file():
        missing = "is a link that leads nowhere" if path.is_symlink() else "does not exist"
        tables = sorted(found.name for found in folder.glob("*") if found.suffix.lower() in (".csv", ".tsv"))
        there = f"; {folder} has {', '.join(tables[:5])}" if tables else ""
        raise InputError(
            f"{path}: the labels file {missing}; set ingest.root and {BLOCK}.file, or ingest.source to folder{there}"
        )
    table = _parse(path, params)
    if not table:
        raise InputError(f"{path}: the labels file is empty; expected a first row with the names of the columns")
    rows = _rows(path, table, params)
    header = [cell.strip() for cell in table[0][1]]
    _hint_at_splits(path, header, table[1:], params, say)
    if params.label_separator and not params.label_columns:
        _refuse_joined(path, rows, say)
    return [
        Row(row.where, row.image, tuple("/".join([name, *joined]) for name in row.labels), row.group, row.split)
        for row, joined in zip(rows, _joined_cells(path, table, params), strict=True)
    ]


def _parse(path: Path, params: Params) -> Table:
    text = read_text(path, "table")
    skipped = re.match(r'(?i)"?sep=."?(?:\r\n|\r|\n)', text)  # Excel writes and reads such a line
    text = text[skipped.end() :] if skipped else text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=params.delimiter, strict=True)
    try:
        rows = enumerate(reader, start=2 if skipped else 1)
        return [(number, cells) for number, cells in rows if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        _refuse_delimiter(path, text.lstrip("\r\n"), params)
        line = reader.line_num + bool(skipped)
        raise InputError(f"{path} line {line}: not a table of comma-separated values: {error}") from error


def _wanted(params: Params) -> list[tuple[str, str]]:
    """List the parameters that name a column, each with the column."""
    by_label = [("label_columns", name) for name in params.label_columns] or [("label_column", params.label_column)]
    others = [("join_columns", name) for name in params.join_columns]
    more = [(key, name) for key in ("group_column", "split_column") if (name := getattr(params, key))]
    images = [("image_column", name) for name in columns_in(params.image_column)]
    return [*images, *by_label, *others, *more]


def _refuse_delimiter(path: Path, text: str, params: Params) -> None:
    """Refuse another delimiter than was stated, if the first line makes it likely."""
    line = re.split(r"[\r\n]", text, maxsplit=1)[0]
    names = {name for _, name in _wanted(params)}
    found = {}
    for delimiter in DELIMITERS:
        cells = next(csv.reader([line], delimiter=delimiter), [])
        found[delimiter] = (len(names & {cell.strip() for cell in cells}), len(cells) if delimiter != " " else 0)
    for other in sorted({character for character in line if not character.isalnum()} - {*DELIMITERS, *IN_NAMES}):
        found[other] = (len(names & {cell.strip() for cell in line.split(other)}), 0)
    likely = max(found, key=lambda delimiter: found[delimiter])
    stated = found.get(params.delimiter, (0, 1))
    if likely != params.delimiter and found[likely] > stated and (found[likely][0] or stated[1] == 1):
        raise InputError(f"{path}: the columns are separated by {likely!r}; set {BLOCK}.delimiter to {likely!r}")


def _find(name: str, header: Sequence[str]) -> list[int]:
    """Find the places of a column, with spaces around its name as a last resort."""
    exact = [place for place, cell in enumerate(header) if cell == name]
    return exact or [place for place, cell in enumerate(header) if cell.strip() == name]


def _places(path: Path, table: Table, params: Params) -> dict[str, int]:
    header, places = table[0][1], {}
    for key, name in _wanted(params):
        found = _find(name, header)
        if not found:
            _refuse_column(path, key, name, table, params)
        if len(found) > 1:
            raise InputError(f"{path}: {len(found)} columns are named {name!r}; rename all but one")
        places[name] = found[0]
    return places


def _refuse_column(path: Path, key: str, name: str, table: Table, params: Params) -> NoReturn:
    """Name the likely cause why a column is missing, and the line to set."""
    header, body = table[0][1], [cells for _, cells in table[1:]]
    for number, cells in table[1:HEADER_ROWS]:
        if all(_find(wanted, cells) for _, wanted in _wanted(params)):
            raise InputError(f"{path}: the names of the columns are in row {number}; delete the rows above it")
    _refuse_delimiter(path, params.delimiter.join(header), params)
    missing = f"{path}: {BLOCK}.{key} is {name!r}, but there is no column {name!r}"
    if not any(_find(other, header) for _, other in _wanted(params)) and _is_data(header, body):
        raise InputError(
            f"{missing}; the first row looks like data ({', '.join(map(repr, header[:4]))}): is the header missing? "
            f"Write the names of the columns into the first row, such as {params.image_column},{params.label_column}"
        )
    for cell in header:
        if cell.strip().casefold() == name.strip().casefold():
            raise InputError(
                f"{path}: there is no column {name!r}, but {cell!r}; set {BLOCK}.{key} to {cell.strip()!r}"
            )
    if key == "label_column" and len(binary := _binary(header, body, params)) > 1:
        listed = ", ".join(binary)
        raise InputError(f"{missing}; columns {listed} hold only 0 and 1: set {BLOCK}.label_columns to [{listed}]")
    raise InputError(f"{missing}; {suggest(name, header)}")


def _is_data(header: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    paths = any(cell.strip().lower().endswith(SUFFIXES) for cell in header)
    return paths or any(cell and cell == name for cells in body for cell, name in zip(cells, header, strict=False))


def _binary(header: Sequence[str], body: Sequence[Sequence[str]], params: Params) -> list[str]:
    """Name the columns that hold only 0 and 1, and both somewhere in the table."""
    columns = {
        name.strip(): {bit(cells[place]) for cells in body if len(cells) > place}
        for place, name in enumerate(header)
        if name.strip() not in ("", *columns_in(params.image_column), params.group_column)
    }
    return [name for name, cells in columns.items() if cells and cells <= {*TRUE, *FALSE}]


def _rows(path: Path, table: Table, params: Params) -> list[Row]:
    places, header = _places(path, table, params), table[0][1]
    _refuse_longer(path, table, params.delimiter)
    rows = []
    for number, cells in table[1:]:
        where, place = f"{params.file} row {number}", f"{path} row {number}"
        if len(cells) != len(header):
            raise InputError(
                f"{place}: found {len(cells)} cells, expected {len(header)}; put cells that contain "
                f"{params.delimiter!r} in double quotes"
            )
        if params.label_columns:
            names = tuple(name for name in params.label_columns if is_one(place, name, cells[places[name]]))
        else:
            names = labels.parse(cells[places[params.label_column]], params.label_separator)
        image = filled(params.image_column, {name: cells[places[name]] for name in columns_in(params.image_column)})
        group, split = (
            cells[places[name]].strip() if name else "" for name in (params.group_column, params.split_column)
        )
        rows.append(Row(where, image, names, group, split_of(place, params.split_column, split, BLOCK)))
    return rows


def _refuse_longer(path: Path, table: Table, delimiter: str) -> None:
    """Refuse rows that all have one cell more than the first row."""
    body = [cells for _, cells in table[1:]]
    if not body or any(len(cells) != len(table[0][1]) + 1 for cells in body):
        return
    if all(not cells[-1].strip() for cells in body):
        raise InputError(
            f"{path}: every row but the first ends with {delimiter!r}; add {delimiter!r} at the end of the first row"
        )
    raise InputError(
        f"{path}: every row has one cell more than the first row, as where R writes row names; put a name and "
        f"{delimiter!r} in front of the first row, such as {delimiter.join(['row', *table[0][1]])}"
    )


def _joined_cells(path: Path, table: Table, params: Params) -> list[list[str]]:
    places = _places(path, table, params)
    return [[cells[places[name]].strip() for name in params.join_columns] for _, cells in table[1:]]


def _hint_at_splits(path: Path, header: Sequence[str], body: Table, params: Params, say: Callable[[str], None]) -> None:
    """Warn of a column that holds splits and is not used."""
    used = {name for _, name in _wanted(params)}
    if params.split_column:
        return
    for place, name in enumerate(header):
        found = {cells[place].strip().casefold() for _, cells in body if len(cells) > place} - {""}
        if name not in used and len(found) > 1 and found <= SPLITS.keys():
            way = f"to keep them, set {BLOCK}.split_column to {name!r}"
            say(f"{path}: column {name!r} holds splits and is not used; {way}")


def _refuse_joined(path: Path, rows: Sequence[Row], say: Callable[[str], None]) -> None:
    found = labels.find_joined({name for row in rows for name in row.labels})
    if found is None:
        return
    example, separator, sure = found
    text = f"{path}: cells such as {example!r} seem to hold several labels, separated by {separator!r}"
    lines = (
        f"if so, set {BLOCK}.label_separator to {separator!r} and task to multilabel; if each is the name of one "
        f"class, set {BLOCK}.label_separator to ''"
    )
    if sure:
        raise InputError(f"{text}; {lines}")
    say(f"{text}; {lines}")
