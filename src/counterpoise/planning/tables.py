"""Tables of labels: which column is what, guessed from their names and cells."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from counterpoise import labels
from counterpoise.config import InputError
from counterpoise.planning.folder import Folder, evenly
from counterpoise.sources import FALSE, SPLITS, SUFFIXES, TRUE, bit, is_missing, numbers, read_text

DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 500
"""Rows of a table whose images are looked for."""
MOST_CLASSES = 2000
"""A column with more distinct cells is no label."""
LABELS = re.compile(
    r"(.*[ _-])?(labels?|class(es)?|class[ _-]?names?|categor(y|ies)|targets?|diagnos[ie]s|species|tags?|types?|y|"
    r"findings?|conditions?|ground[ _-]?truth|gt|attributes?)",
    re.IGNORECASE,
)
GROUPS = re.compile(
    r"(.*[ _-])?(groups?|patients?|subjects?|sites?|scenes?|slides?|cases?|persons?|donors?|locations?|cameras?|"
    r"batch(es)?|roofs?|plots?|fields?|videos?|sequences?|stud(y|ies)|specimens?|individuals?|animals?|buildings?)"
    r"([ _-]?(id|no|nr|number|name|code))?",
    re.IGNORECASE,
)
CORNERS = (
    *(("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("x0", "y0", "x1", "y1")),
    *(("left", "top", "right", "bottom"), ("minx", "miny", "maxx", "maxy"), ("xtl", "ytl", "xbr", "ybr")),
)
SIZES = (
    *(("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height")),
    *(("xmin", "ymin", "width", "height"), ("xmin", "ymin", "w", "h"), ("x1", "y1", "w", "h")),
)
PICTURE = (("width", "height"), ("imagewidth", "imageheight"), ("imgwidth", "imgheight"), ("imgw", "imgh"))
IGNORED = ("ignore", "ignored", "difficult", "iscrowd", "crowd")


@dataclass(frozen=True)
class Table:
    """A table, read whole.

    Attributes:
        file: Its path below the folder.
        delimiter: What separates its columns.
        header: Names of the columns, without spaces around them.
        cells: The cells of each column, by its name.
        rows: Their number.
    """

    file: str
    delimiter: str
    header: tuple[str, ...]
    cells: dict[str, list[str]]
    rows: int


@dataclass(frozen=True)
class Images:
    """Where a table names its images: a column or pattern, and the share of the sampled rows that lead to an image."""

    pattern: str
    columns: tuple[str, ...]
    found_frac: float


def read(folder: Folder, file: str) -> Table:
    """Read a table whose separator is not known.

    Raises:
        InputError: It is no table of two columns, or two columns have one name.
    """
    path = folder.path / file
    text = re.sub(r'(?i)\A"?sep=."?(?:\r\n|\r|\n)', "", read_text(path, "table"))
    start = text[:200_000]
    widths = {delimiter: _width(start, delimiter) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda one: widths[one])
    if widths[delimiter] < 2:
        raise InputError(f"{path}: no table with columns that are separated by , ; | or tabs in every row")
    try:
        rows = [
            row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(map(str.strip, row))
        ]
    except csv.Error as error:
        raise InputError(f"{path}: no table of comma-separated values: {error}") from error
    header = tuple(cell.strip() for cell in rows[0])
    if repeated := [name for name, count in Counter(header).items() if count > 1]:
        raise InputError(
            f"{path}: {Counter(header)[repeated[0]]} columns are named {repeated[0]!r}; rename all but one"
        )
    if any(cell and folder.prefixes(cell) and cell.lower().endswith(SUFFIXES) for cell in header):
        raise InputError(
            f"{path}: the first row looks like data ({', '.join(map(repr, header[:4]))}): is the header missing? Write "
            "the names of the columns into the first row, such as image,label"
        )
    body = [row for row in rows[1:] if len(row) == len(header)]
    columns = {name: [row[place] for row in body] for place, name in enumerate(header)}
    return Table(file, delimiter, header, columns, len(body))


def _width(text: str, delimiter: str) -> int:
    """Count the columns, 0 if the rows differ in it."""
    try:
        found = [row for row in itertools.islice(csv.reader(io.StringIO(text), delimiter=delimiter), 50) if row]
    except csv.Error:
        return 0
    found = found[:-1] if len(text) == 200_000 else found  # the last row may be cut
    counts = {len(row) for row in found if any(map(str.strip, row))}
    return counts.pop() if len(counts) == 1 else 0


def images(table: Table, folder: Folder) -> Images | None:
    """Find the column that names images, and the folders in front of it; `None` if there is none."""
    best: tuple[int, str, list[tuple[int, set[str]]]] = (0, "", [])
    numbered = evenly([str(row) for row in range(table.rows)], SAMPLE)
    for name, cells in table.cells.items():
        found = [(int(row), folder.prefixes(cells[int(row)])) for row in numbered if cells[int(row)].strip()]
        hits = len({cells[row] for row, prefixes in found if prefixes})
        if hits > best[0]:
            best = (hits, name, found)
    hits, name, found = best
    if not hits or not found or (hits == 1 and table.cells[name][found[0][0]].strip().isdecimal()):
        return None  # a class called 1 may be the name of an image
    votes = Counter(prefix for _, prefixes in found for prefix in prefixes)
    prefix = "" if votes[""] == max(votes.values()) else max(sorted(votes), key=votes.__getitem__)
    pattern, columns = (f"{prefix}{{{name}}}" if prefix else name), (name,)
    frac = votes[prefix] / len(numbered)
    if frac < 0.98 and (two := _of_two_columns(table, name, found)) and two.found_frac > frac:
        return two
    return Images(pattern, columns, frac)


def _of_two_columns(table: Table, name: str, found: Sequence[tuple[int, set[str]]]) -> Images | None:
    """Find a column that holds a folder of the path, such as the class or the split."""
    best: Images | None = None
    for other in table.header:
        votes: Counter[tuple[str, str]] = Counter()
        for row, prefixes in found:
            cell = table.cells[other][row].strip().replace("\\", "/")
            around = {prefix.partition(f"{cell}/") for prefix in prefixes if cell and f"/{cell}/" in f"/{prefix}"}
            votes.update({(before, after) for before, _, after in around})
        if other != name and votes:
            (before, after), count = votes.most_common(1)[0]
            images = Images(f"{before}{{{other}}}/{after}{{{name}}}", (other, name), count / len(found))
            best = images if best is None or images.found_frac > best.found_frac else best
    return best


def distinct(table: Table, name: str) -> set[str]:
    """Give the cells of a column, each once, without missing ones."""
    return {cell.strip() for cell in table.cells[name] if not is_missing(cell.strip())}


def split_column(table: Table, used: Sequence[str]) -> str:
    """Find the column that holds splits; empty if there is none."""
    for name in table.header:
        found = {cell.casefold() for cell in distinct(table, name)}
        if name not in used and len(found) > 1 and found <= SPLITS.keys():
            return name
    return ""


def group_columns(table: Table, used: Sequence[str]) -> list[str]:
    """Find the columns that by their name hold groups of images, the one with the fewest groups first."""
    found = []
    for name in table.header:
        count = len(distinct(table, name))
        if name not in used and GROUPS.fullmatch(name) and 3 <= count < 0.9 * table.rows:
            found.append((count, name))
    return [name for _, name in sorted(found)]


def repeating_columns(table: Table, used: Sequence[str]) -> list[str]:
    """Find the columns that may hold groups by their cells: many distinct ones, each of several rows."""
    found = []
    for name in table.header:
        cells = distinct(table, name)
        fractions = sum("." in cell for cell in cells) > len(cells) / 2
        if name not in used and not fractions and max(5, 0.01 * table.rows) < len(cells) < 0.6 * table.rows:
            found.append(name)
    return found


def label_columns(table: Table, used: Sequence[str]) -> tuple[list[str], list[str]]:
    """Find the column of labels, or columns of 0 and 1 for a class each.

    Returns:
        The columns, the best first, and the columns of 0 and 1; of one of them there may be none.
    """
    candidates, binary = [], []
    for name in table.header:
        cells = distinct(table, name)
        if name in used or not name or not cells or len(cells) > min(MOST_CLASSES, max(20, 0.5 * table.rows)):
            continue
        bits = {bit(cell) for cell in cells} <= {*TRUE, *FALSE}
        measured = numbers(sorted(cells)) is not None and any("." in cell for cell in cells) and len(cells) > 20
        named = LABELS.fullmatch(name) is not None
        if bits and len(cells) > 1:
            binary.append(name)
        if not measured and (len(cells) > 1 or named):
            candidates.append((not named, numbers(sorted(cells)) is not None, len(cells), name))
    order = [name for *_, name in sorted(candidates)]
    if len(binary) > 1 and not (order and LABELS.fullmatch(order[0]) and order[0] not in binary):
        return order, binary
    return order, []


def separator(cells: Sequence[str]) -> str:
    """Find what separates several labels in a cell; `|` where nothing does."""
    found = labels.find_joined({name for cell in set(cells) for name in labels.parse(cell, "|")})
    return found[1] if found and found[2] else "|"


def _plain(name: str) -> str:
    return re.sub(r"^(bbox|box)|[^a-z0-9]", "", re.sub(r"^(bbox|box)[ _.-]*", "", name.strip().lower()))


def box_columns(table: Table) -> tuple[list[str], str] | None:
    """Find four columns that hold boxes, and whether as `corners` or `sizes`."""
    by_plain = {_plain(name): name for name in table.header}
    for form, families in (("corners", CORNERS), ("sizes", SIZES)):
        for family in families:
            if all(name in by_plain for name in family):
                chosen = [by_plain[name] for name in family]
                filled = [cell for name in chosen for cell in distinct(table, name)]
                if filled and numbers(filled) is not None:
                    return chosen, form
    return None


def size_columns(table: Table, used: Sequence[str]) -> list[str]:
    """Find two columns with width and height of the picture."""
    by_plain = {_plain(name): name for name in table.header if name not in used}
    return next(([by_plain[w], by_plain[h]] for w, h in PICTURE if w in by_plain and h in by_plain), [])


def ignore_column(table: Table) -> str:
    """Find the column that marks boxes to be ignored."""
    for name in table.header:
        if _plain(name) in IGNORED and {bit(cell) for cell in distinct(table, name)} <= {*TRUE, *FALSE}:
            return name
    return ""


def candidates(folder: Folder) -> Iterator[str]:
    """List the tables of a folder, those nearest to its top first."""
    found = folder.ending(".csv", ".tsv", ".txt", ".tab")
    tables = [file for file in found if not file.lower().endswith(".txt") or "/" not in file]
    yield from sorted(tables, key=lambda file: (file.count("/"), file))
