"""The files below a folder, and which of them a path in a table means."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from counterpoise.config import InputError
from counterpoise.images.listing import files_below
from counterpoise.sources import SUFFIXES


@dataclass(frozen=True)
class Folder:
    """The files below a folder that are not hidden.

    Attributes:
        path: The folder.
        files: Their paths below it, with `/`, sorted.
        images: Those of them whose suffix is that of an image.
    """

    path: Path
    files: tuple[str, ...]
    images: tuple[str, ...]
    _by_name: dict[str, list[str]] = field(default_factory=dict)

    def ending(self, *suffixes: str) -> list[str]:
        """List the files with one of these suffixes, in lower case."""
        return [file for file in self.files if file.lower().endswith(suffixes)]

    def prefixes(self, given: str) -> set[str]:
        """Find the folders from which a path leads to an image, up to letter case and a missing suffix.

        Args:
            given: A path as a table has it.

        Returns:
            What is to be put in front of it; `""` where it needs nothing, and no entry where no image fits.
        """
        if not self._by_name:
            for image in self.images:
                self._by_name.setdefault(posixpath.basename(_stem(image)), []).append(image)
        wanted = _stem(posixpath.normpath(given.strip().replace("\\", "/")))
        fitting = self._by_name.get(posixpath.basename(wanted), [])
        stems = ((image, _stem(image)) for image in fitting)
        return {image[: len(stem) - len(wanted)] for image, stem in stems if f"/{stem}".endswith(f"/{wanted}")}


def _stem(path: str) -> str:
    key = unicodedata.normalize("NFC", path).casefold()
    return posixpath.splitext(key)[0] if key.endswith(SUFFIXES) else key


def look(path: Path) -> Folder:
    """List what is below a folder, through links, but not into a folder that contains them.

    Raises:
        InputError: It is no folder, cannot be read, or holds no image.
    """
    if not path.is_dir():
        what = "it is a file, not a folder" if path.exists() else "there is no such folder"
        raise InputError(f"{path}: {what}; name the folder that holds your images")
    if not os.access(path, os.R_OK | os.X_OK):
        raise InputError(f"{path}: permission denied; give this user access")
    files = tuple(sorted(files_below(path)))
    images = tuple(file for file in files if file.lower().endswith(SUFFIXES))
    if not images:
        kinds = sorted({posixpath.splitext(file)[1].lower() for file in files} - {""})
        held = f"it holds {len(files)} other files ({', '.join(kinds[:6])})" if files else "it is empty"
        raise InputError(f"{path}: no image ({' '.join(SUFFIXES)}) was found in it or below; {held}")
    return Folder(path, files, images)


def evenly(items: list[str] | tuple[str, ...], count: int) -> list[str]:
    """Take at most `count` items, evenly spaced.

    Example:
        >>> evenly(["a", "b", "c", "d"], 2)
        ['a', 'c']
    """
    step = max(1, -(-len(items) // count))
    return list(items[::step])
