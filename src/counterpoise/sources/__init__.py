"""The open set of sources: a file per kind of raw labels, found by its name.

A file `sources/<name>.py` holds `class Params(Section)`, its block under `ingest.sources`, and
`read(folder, params, say) -> list[Row]`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from counterpoise.config import PATH, InputError, Section, suggest

SUFFIXES = (
    *(".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".jxl", ".pbm"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)
"""Suffixes of images, whether they can be read here or not."""
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


@dataclass(frozen=True)
class Row:
    """One row of raw labels.

    Attributes:
        where: Its place, in words for the user, such as `labels.csv row 17`.
        image: Path of the image below the source's folder, with `/`, as the labels give it.
        labels: Class names, as the labels give them.
        group: Images of one group are never split up; empty = none.
        split: The split that the labels give the image, `train`, `val` or `test`; empty = none.
        unused: Why nobody can use it, such as `hidden`; empty = it is to be used. It is listed with this reason.
    """

    where: str
    image: str
    labels: tuple[str, ...]
    group: str
    split: str = ""
    unused: str = ""


class Source(Protocol):
    """What every file of this folder offers."""

    Params: type[Section]

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
