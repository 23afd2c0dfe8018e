"""The open set of demo sets: a file or folder per set, each with `write(folder)`.

A set that has parameters has a block of its name in section `demo`, which `write` takes second.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from counterpoise.config import PATH, InputError, suggest

FOLDER = "data/demo"
"""Where the chosen set is written, below the repository."""
SUMS = "SHA256SUMS"
"""The file that lists what was written, with hashes, as `sha256sum` does."""
BY_THE_SYSTEM = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""Files that macOS and Windows put into every folder that is looked at."""


class Demo(Protocol):
    """What every file of this folder offers."""

    def write(self, folder: Path, *block: Any) -> None:  # noqa: ANN401 - its own block of section `demo`, if any
        """Write images and their labels into an empty folder."""


def names() -> list[str]:
    """List the demo sets."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Demo:
    """Find a demo set by its name.

    Raises:
        InputError: There is no such set.
    """
    if name not in names():
        raise InputError(f"{PATH}: demo.name is {name!r}; {suggest(name, ['none', *names()])}")
    demo: Demo = importlib.import_module(f"{__name__}.{name}")
    return demo


def write(name: str, folder: Path, blocks: Mapping[str, object]) -> None:
    """Write a set into an empty folder.

    Args:
        name: Of the set.
        folder: Where to write it.
        blocks: Section `demo`, of which the set gets the block of its name, if there is one.

    Raises:
        InputError: There is no such set, or its package is missing.
    """
    find(name).write(folder, *([blocks[name]] if name in blocks else []))


def write_sums(folder: Path) -> None:
    """List every file of a new folder in `SHA256SUMS`."""
    lines = [f"{_sha256(folder / name)}  {name}\n" for name in _files(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")


def list_foreign(folder: Path) -> list[str]:
    """List what is in a folder and was not written by `write_sums`' caller, or was changed since.

    Args:
        folder: May be missing.

    Returns:
        Paths below `folder`, sorted. Links count as foreign, since nothing here writes any.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    written = {tuple(line.split("  ", 1)) for line in lines}
    own = {SUMS} if lines else set()
    return [
        name
        for name in _files(folder)
        if name not in own
        and Path(name).name not in BY_THE_SYSTEM
        and ((folder / name).is_symlink() or (_sha256(folder / name), name) not in written)
    ]


def _files(folder: Path) -> list[str]:
    """List every file and link below a folder, without following links."""
    found = []
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        found += [(Path(parent) / name).relative_to(folder).as_posix() for name in [*files, *links]]
    return sorted(found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
