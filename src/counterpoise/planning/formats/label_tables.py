"""Whether tables name images with their labels or boxes, and what each column is."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from counterpoise import labels
from counterpoise.config import InputError
from counterpoise.planning import tables
from counterpoise.planning.folder import Folder
from counterpoise.planning.formats.candidate import SOME, Candidate
from counterpoise.sources import TRUE, bit, is_missing

MOST_TABLES = 20
"""Tables that are looked into; a folder with more has a table for each image."""


def find(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    """List tables with boxes, those of the same columns as one first, then tables with labels."""
    with_boxes: list[Candidate] = []
    with_labels: list[Candidate] = []
    for file in list(tables.candidates(folder))[:MOST_TABLES]:
        listed = refused if not file.lower().endswith(".txt") else []  # a text is seldom a table
        try:
            table = tables.read(folder, file)
            images = tables.images(table, folder)
            if images is None:
                header = list(table.header[:8])
                raise InputError(f"{folder.path / file}: none of the columns {header} names images below it")
            if boxes := tables.box_columns(table):
                with_boxes.append(_of_boxes(table, images, *boxes))
            else:
                with_labels.append(_of_labels(table, images))
        except InputError as error:
            listed.append(str(error))
    yield from _as_one(with_boxes)
    yield from with_boxes
    yield from with_labels


def _as_one(found: list[Candidate]) -> Iterator[Candidate]:
    """Read tables of the same columns, such as one for each image, together."""
    alike = [
        one
        for one in found
        if {**one.block, "file": "", "size_columns": []} == {**found[0].block, "file": "", "size_columns": []}
    ]
    folders = {posixpath.dirname(one.file) for one in alike}
    suffixes = {posixpath.splitext(one.file)[1] for one in alike}
    if len(alike) > 1 and len(folders) == len(suffixes) == 1:
        pattern = posixpath.join(folders.pop(), f"*{suffixes.pop()}")
        block = {**alike[0].block, "file": pattern, "size_columns": []}
        yield Candidate("boxes_csv", f"{len(alike)} tables {pattern}", block, "detection", doubts=alike[0].doubts)


def _of_boxes(table: tables.Table, images: tables.Images, columns: list[str], form: str) -> Candidate:
    used = [*images.columns, *columns]
    sizes = tables.size_columns(table, used)
    ignore, split = tables.ignore_column(table), tables.split_column(table, used)
    groups = tables.group_columns(table, [*used, split, ignore])
    order, _ = tables.label_columns(table, [*used, *sizes, ignore, split, *groups])
    if not order:
        order = [name for name in table.header if name not in (*used, *sizes, ignore, split, *groups)]
    if not order:
        raise InputError(f"{table.file}: it has boxes, but no column for their class; add one, such as label")
    block = {
        **{"file": table.file, "delimiter": table.delimiter, "image_column": images.pattern, "label_column": order[0]},
        **{"box_columns": columns, "box_form": form, "size_columns": sizes, "ignore_column": ignore},
        **{"split_column": split, "group_column": groups[0] if groups else ""},
    }
    return Candidate("boxes_csv", table.file, block, "detection", doubts=(*_other_columns(order), *_groups(groups)))


def _of_labels(table: tables.Table, images: tables.Images) -> Candidate:
    used = list(images.columns)
    split = tables.split_column(table, [name for name in used if images.pattern == name])
    groups = tables.group_columns(table, [*used, split])
    order, binary = tables.label_columns(table, [name for name in used if images.pattern == name] + [split, *groups])
    order = [name for name in order if name != images.columns[-1]]
    if not order and not binary:
        raise InputError(
            f"{table.file}: no column of {list(table.header[:8])} looks like a label{_boxes_in_cells(table)}"
        )
    repeating = tables.repeating_columns(table, [*used, split, *groups, *order[:1], *binary])
    doubts = [*(_other_columns(order) if not binary else ()), *_groups(groups)]
    if repeating and not groups:
        listed = ", ".join(repeating[:4])
        doubts.append(
            f"no column is named as groups are; if several images show one object, patient or site, and one of "
            f"{listed} says which, set ingest.sources.csv.group_column to it"
        )
    common = {"file": table.file, "delimiter": table.delimiter, "image_column": images.pattern}
    common |= {"split_column": split, "group_column": groups[0] if groups else ""}
    if binary:
        sums = [
            sum(cells)
            for cells in zip(*([_is_one(cell) for cell in table.cells[name]] for name in binary), strict=True)
        ]
        task = "multiclass" if all(total == 1 for total in sums) else "multilabel"
        block = {**common, "label_columns": binary}
        doubts.append(
            f"the columns {', '.join(binary[:6])}{' ...' * (len(binary) > 6)} hold 0 and 1, and are taken for classes"
        )
        return Candidate("csv", table.file, block, task, doubts=tuple(doubts))
    cells, separator = table.cells[order[0]], tables.separator(table.cells[order[0]])
    several = _has_several(table, images, cells, separator)
    task = "multilabel" if several else "multiclass"
    if not several and (held := labels.find_joined({cell.strip() for cell in cells})):
        separator = ""
        doubts.append(
            f"each cell, such as {held[0]!r}, is taken for one class; if {held[1]!r} separates labels, set task to "
            f"multilabel and ingest.sources.csv.label_separator to {held[1]!r}"
        )
    block = {**common, "label_column": order[0], "label_columns": [], "label_separator": separator}
    return Candidate("csv", table.file, block, task, doubts=tuple(doubts))


def _is_one(cell: str) -> bool:
    return bit(cell) in TRUE


def _boxes_in_cells(table: tables.Table) -> str:
    """Name the column in which a cell holds a whole box."""
    four = re.compile(r"[\[(]?\s*-?[\d.]+(?:[\s,]+-?[\d.]+){3}\s*[\])]?")
    for name, cells in table.cells.items():
        if cells and all(four.fullmatch(cell.strip()) or is_missing(cell.strip()) for cell in cells[:SOME]):
            return (
                f"; column {name!r} holds boxes: write their four numbers into four columns, and the class into another"
            )
    return ""


def _has_several(table: tables.Table, images: tables.Images, cells: list[str], separator: str) -> bool:
    """Say whether images have several labels: in a cell, or in several rows; a few are taken for mistakes."""
    found: dict[tuple[str, ...], set[str]] = {}
    for row, cell in enumerate(cells):
        key = tuple(table.cells[name][row].strip() for name in images.columns)
        found.setdefault(key, set()).update(labels.parse(cell, separator))
    several = sum(len(names) > 1 for names in found.values())
    return several > 0.01 * len(found)


def _other_columns(order: list[str]) -> Iterator[str]:
    if not tables.LABELS.fullmatch(order[0]) or any(tables.LABELS.fullmatch(name) for name in order[1:]):
        others = f"; others are {', '.join(order[1:5])}" if order[1:] else ""
        yield f"column {order[0]!r} is taken for the class{others}"


def _groups(groups: list[str]) -> Iterator[str]:
    if groups:
        others = f"; others are {', '.join(groups[1:5])}" if groups[1:] else ""
        yield f"column {groups[0]!r} is taken for the group of an image, by its name{others}"
