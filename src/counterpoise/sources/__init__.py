"""The open set of sources: a file per kind of raw labels, found by its name.

A file `sources/<name>.py` holds `class Params(Section)`, its block under `ingest.sources`, `GIVES_BOXES`, and
`read(folder, params, say) -> list[Row]`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from counterpoise.config import PATH, InputError, Section, suggest

SUFFIXES = (
    *(".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".jxl", ".pbm"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)
"""Suffixes of images, whether they can be read here or not."""
OTHER_FILES = (
    *(".txt", ".md", ".rst", ".pdf", ".doc", ".docx", ".html", ".url", ".csv", ".tsv", ".xls", ".xlsx", ".json"),
    *(".xml", ".yaml", ".yml", ".ini", ".cfg", ".log", ".db", ".lock", ".py", ".ipynb", ".sh", ".bat", ".md5", ".dvc"),
    *(".jsonl", ".parquet", ".geojson", ".tfw", ".jgw", ".pgw", ".wld", ".prj", ".zip"),
)
"""Suffixes of files that people keep beside images. Where a folder is read, every other file is taken for an image."""
SPLITS = {
    **{"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val"},
    **{"test": "test", "testing": "test"},
}
"""How people call the splits, in upper or lower case."""
MISSING = frozenset(
    [
        *("", "na", "nan", "-nan", "n/a", "n.a.", "<na>", "#na", "#n/a", "#n/a n/a", "nat", "null", "(null)", "\\n"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "none", "(none)", "nil", "missing", ".", "-", "--", "?"),
    ]
)
"""How programs and people write a missing value, in lower case."""

TRUE, FALSE = ("1", "true", "t", "yes", "y"), ("0", "false", "f", "no", "n")
"""How a column of 0 and 1 may be written, in upper or lower case; `1.0` is 1."""
_BRACES = re.compile(r"\{([^{}]+)\}")
"""A column in a pattern."""
Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1 of a box: left and top inclusive, right and bottom exclusive."""


def _below(path: str) -> str:
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise PydanticCustomError("below", "expected a path below ingest.root, without a leading `/` and without `..`")
    return path


def read_tab(text: object) -> object:
    r"""Read `\t`, which YAML in single quotes reads as two characters, as a tab."""
    return "\t" if text == "\\t" else text


def _separates(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise PydanticCustomError("delimiter", "expected one character, neither a double quote nor a line end")
    return delimiter


Below = Annotated[str, AfterValidator(_below)]
"""A path below `ingest.root`."""
Delimiter = Annotated[str, BeforeValidator(read_tab), AfterValidator(_separates)]
"""The character that separates columns of a table."""


@dataclass(frozen=True)
class Row:
    """One row of raw labels: an image, or a box in it.

    Attributes:
        where: Its place, in words for the user, such as `labels.csv row 17`.
        image: Path of the image below the source's folder, with `/`, as the labels give it.
        labels: Class names, as the labels give them.
        group: Images of one group are never split up; empty = none.
        split: The split that the labels give the image, `train`, `val` or `test`; empty = none.
        unused: Why nobody can use it, such as `hidden`; empty = it is to be used. It is listed with this reason.
        box: Corners of the object in the picture; `None` if the row is about the whole image.
        unit: What `box` counts: pixels, or shares of the picture's width and height.
        ignore: The box is neither an object to find nor background, such as a crowd.
        size_px: Width and height of the picture as the labels state them; `None` if they do not.
        fault: What is wrong with the box, so that it is rejected and the image stays; empty = nothing.
    """

    where: str
    image: str
    labels: tuple[str, ...]
    group: str
    split: str = ""
    unused: str = ""
    box: Corners | None = None
    unit: Literal["px", "frac"] = "px"
    ignore: bool = False
    size_px: tuple[int, int] | None = None
    fault: str = ""


class Source(Protocol):
    """What every file of this folder offers."""

    Params: type[Section]
    GIVES_BOXES: bool
    """Whether its rows have boxes."""

    def read(self, folder: Path, params: Any, say: Callable[[str], None]) -> list[Row]:  # noqa: ANN401 - its own Params
        """Read the raw labels of a folder; `say` takes warnings."""


def names() -> list[str]:
    """List the sources."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Source:
    """Find a source by its name.

    Raises:
        InputError: There is no such source.
    """
    if name not in names():
        raise InputError(f"{PATH}: ingest.source is {name!r}; {suggest(name, names())}")
    source: Source = importlib.import_module(f"{__name__}.{name}")
    return source


def is_missing(text: str) -> bool:
    """Say whether a cell without spaces around it is how some program writes a missing value.

    Example:
        >>> [is_missing(text) for text in ("", "NA", "NaN", "site 3")]
        [True, True, True, False]
    """
    return text.casefold() in MISSING


def columns_in(pattern: str) -> list[str]:
    """Name the columns of a pattern such as `photos/{id}.png`; a text without braces is the name of one column.

    Example:
        >>> columns_in("{folder}/{id}.png"), columns_in("image")
        (['folder', 'id'], ['image'])
    """
    return _BRACES.findall(pattern) or [pattern]


def filled(pattern: str, cells: Mapping[str, str]) -> str:
    """Put the cells of a row into a pattern.

    Example:
        >>> filled("photos/{id}.png", {"id": "17 "}), filled("image", {"image": "a.png"})
        ('photos/17.png', 'a.png')
    """
    if not _BRACES.search(pattern):
        return cells[pattern].strip()
    return _BRACES.sub(lambda found: cells[found[1]].strip(), pattern)


def read_text(path: Path, what: str) -> str:
    """Read a file of labels as UTF-8, without a byte order mark.

    Args:
        path: A file that exists.
        what: What it is, in a word.

    Raises:
        InputError: It is a workbook or a Git LFS pointer, or not UTF-8.
    """
    data = path.read_bytes()
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(f"{path}: a workbook, not text; save it as CSV in UTF-8")
    if data.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a Git LFS pointer, not the {what} itself; fetch the {what} with `git lfs pull`")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} line {line}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error


def read_json(path: Path, parameter: str) -> dict[str, Any]:
    """Read a file of labels in JSON.

    Args:
        path: The file.
        parameter: Which parameter names it.

    Raises:
        InputError: It is missing, no JSON, or its outermost value is no object.
    """
    if not path.is_file():
        raise InputError(f"{path}: the file does not exist; set ingest.root and {parameter}")
    try:
        content = json.loads(read_text(path, "file"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}; write the file again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected an object {{...}} of JSON, found a {type(content).__name__}")
    return content


def bit(cell: str) -> str:
    """Reduce a cell to what `TRUE` and `FALSE` hold, if it is one of these."""
    return re.sub(r"\.0*$", "", cell.strip().lower())


def is_one(place: str, column: str, cell: str) -> bool:
    """Read a cell of 0 or 1.

    Args:
        place: Of the row, for the message.
        column: Its name.
        cell: What it holds.

    Raises:
        InputError: It holds something else.
    """
    if (text := bit(cell)) not in (*TRUE, *FALSE):
        raise InputError(f"{place}: column {column!r} holds {cell!r}; expected 0 or 1")
    return text in TRUE


def split_of(place: str, column: str, cell: str, block: str) -> str:
    """Read a cell that names a split; empty where the value is missing.

    Args:
        place: Of the row, for the message.
        column: Its name.
        cell: What it holds, without spaces around it.
        block: Of the parameters, in which `split_column` names it.

    Raises:
        InputError: It holds something else.
    """
    if is_missing(cell):
        return ""
    if cell.casefold() not in SPLITS:
        raise InputError(
            f"{place}: column {column!r} holds {cell!r}; expected one of {list(SPLITS)}, or nothing; correct it, or "
            f"set {block}.split_column to ''"
        )
    return SPLITS[cell.casefold()]


def numbers(values: Sequence[object]) -> tuple[float, ...] | None:
    """Read numbers, as such or written in text; `None` if one of them is no number.

    Example:
        >>> numbers(["1.5", 2]), numbers([None, 2])
        ((1.5, 2.0), None)
    """
    if any(isinstance(value, bool) for value in values):
        return None
    try:
        return tuple(float(value) for value in values)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def hull(points: Sequence[Sequence[float]]) -> Corners:
    """Find the smallest box around points (x, y), at least one.

    Example:
        >>> hull([(1, 5), (3, 2)])
        (1, 2, 3, 5)
    """
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), min(ys), max(xs), max(ys)
