"""Which file a path in a user's table means, where there is no file of exactly that path."""

from __future__ import annotations

import difflib
import posixpath
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from counterpoise.images.listing import files_below
from counterpoise.sources import SUFFIXES

GUESSES = 3
"""For so many paths that nothing resembles, the most similar file is searched among all: it takes long."""


@dataclass(frozen=True)
class Found:
    """What was found for paths that are not those of a file.

    Attributes:
        files: Path as given -> the one file that it means.
        differences: In what these paths differ from those of the files.
        hints: Path as given that fits no file, or several -> a clause for the reason, such as `; the nearest is ...`.
    """

    files: dict[str, str]
    differences: tuple[str, ...]
    hints: dict[str, str]


ALL_EXACT = Found({}, (), {})


def find(folder: Path, root: str, paths: Iterable[str]) -> Found:
    r"""Find the files that paths mean, up to separators, letter case, Unicode form or a missing suffix.

    Args:
        folder: The folder below which images are.
        root: How the repository calls it, `ingest.root`; paths may begin with it.
        paths: As a user's table gives them, below `folder`.

    Returns:
        A file for each path that fits exactly one, and a hint for each other path without a file.
    """
    unknown = [path for path in dict.fromkeys(paths) if path and not _exists(folder, path)]
    if not unknown:
        return ALL_EXACT
    listed = list(files_below(folder))
    index = _Index(listed)
    files: dict[str, str] = {}
    hints: dict[str, str] = {}
    differences: set[str] = set()
    for path in unknown:
        below = _below(path, root)
        fitting = index.fitting(below) if below_folder(path) else []
        if len(fitting) == 1:
            files[path] = fitting[0]
            differences |= set(_differences(path, below, fitting[0]))
        elif fitting:
            shown = ", ".join(map(repr, sorted(fitting)[:3]))
            hints[path] = f"; it fits several files: {shown}; write one of them"
        elif nearest := index.nearest(below):
            hints[path] = f"; the nearest is {nearest!r}"
    return Found(files, tuple(sorted(differences)), hints)


def below_folder(path: str) -> bool:
    """Say whether a path stays in the folder from which it starts."""
    return not path.startswith("/") and posixpath.normpath(path).split("/")[0] != ".."


def _exists(folder: Path, path: str) -> bool:
    if not below_folder(path):
        return False
    try:
        found = (folder / posixpath.normpath(path)).lstat()
    except (OSError, ValueError):
        return False
    return not stat.S_ISDIR(found.st_mode)


def _below(path: str, root: str) -> str:
    """Write a path with `/`, from the folder of the images."""
    clean = posixpath.normpath(path.replace("\\", "/"))
    start = posixpath.normpath(root) + "/"
    return clean.removeprefix(start) if start != "./" else clean


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _stem(key: str) -> str:
    """Leave out the suffix of an image."""
    return posixpath.splitext(key)[0] if key.endswith(SUFFIXES) else key


def _differences(given: str, below: str, file: str) -> Iterator[str]:
    if "\\" in given:
        yield "'\\' in place of '/'"
    if below != posixpath.normpath(given.replace("\\", "/")):
        yield "ingest.root in front"
    if _key(below) != _key(file):
        yield "the suffix left out"
        file = posixpath.splitext(file)[0]
    composed, own = unicodedata.normalize("NFC", below), unicodedata.normalize("NFC", file)
    if composed != own:
        yield "upper and lower case"
    elif below != file:
        yield "the Unicode form of letters"


class _Index:
    """The files of a folder, by what people vary when they write a path."""

    def __init__(self, files: list[str]) -> None:
        self.files = files
        self.by_key: dict[str, list[str]] = {}
        self.by_stem: dict[str, list[str]] = {}
        self.by_name: dict[str, str] = {}
        self.guesses = GUESSES
        for file in files:
            key = _key(file)
            self.by_key.setdefault(key, []).append(file)
            if key.endswith(SUFFIXES):
                self.by_stem.setdefault(_stem(key), []).append(file)
                self.by_name.setdefault(posixpath.basename(_stem(key)), file)

    def fitting(self, path: str) -> list[str]:
        """List the files that a path may mean."""
        key = _key(path)
        return self.by_key.get(key) or self.by_stem.get(key) or []

    def nearest(self, path: str) -> str | None:
        """Find the file whose name is that of the path, in another folder or with another suffix, or like it."""
        key = _key(path)
        if found := self.by_stem.get(_stem(key)):
            return found[0]
        if same := self.by_name.get(posixpath.basename(_stem(key))):
            return same
        if not self.guesses:
            return None
        self.guesses -= 1
        close = difflib.get_close_matches(_stem(key), self.by_stem, n=1)
        return self.by_stem[close[0]][0] if close else None
