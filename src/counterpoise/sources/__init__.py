"""The open set of sources: a file per kind of raw labels, found by its name.

A file `sources/<name>.py` holds `class Params(Section)`, its block under `ingest.sources`, and
`read(folder, params) -> list[Row]`.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from counterpoise.config import PATH, InputError, Section, suggest


@dataclass(frozen=True)
class Row:
    """One row of raw labels.

    Attributes:
        where: Its place, in words for the user, such as `labels.csv row 17`.
        image: Path of the image below the source's folder, with `/`, as the labels give it.
        labels: Class names, as the labels give them.
        group: Images of one group are never split up; empty = none.
        split: The split that the labels give the image, `train`, `val` or `test`; empty = none.
    """

    where: str
    image: str
    labels: tuple[str, ...]
    group: str
    split: str = ""


class Source(Protocol):
    """What every file of this folder offers."""

    Params: type[Section]

    def read(self, folder: Path, params: Any) -> list[Row]:  # noqa: ANN401 - its own Params
        """Read the raw labels of a folder."""


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


def inside(folder: Path, path: str) -> Path | None:
    """Resolve a path below a folder.

    Args:
        folder: A resolved folder.
        path: A path that raw labels or parameters give.

    Returns:
        Where it leads; `None` if that is outside, by `..`, by a leading `/` or by a link, or if it cannot be resolved.
    """
    try:
        resolved = (folder / path).resolve()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
        return None
    return resolved if resolved.is_relative_to(folder) else None
