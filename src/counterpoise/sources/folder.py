"""A folder per class, with the images of that class at any depth below it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counterpoise import labels
from counterpoise.config import InputError, Section
from counterpoise.sources import OTHER_FILES, SPLITS, SUFFIXES, Row

GIVES_BOXES = False


_LIKE_SPLIT = re.compile(
    r"(train|val|test|dev|eval|holdout)(?:ing|id|idation|uation)?(?:[\W_\d].*|set|data|images|imgs)?$", re.IGNORECASE
)
"""How folders of splits are named besides: `train_set`, `val2017`, `test-images`, `eval`."""


class Params(Section):
    """Block `ingest.sources.folder`; there is nothing to set."""


@dataclass(frozen=True)
class File:
    """A file, or a hidden folder.

    Attributes:
        parts: The folders above it, from `ingest.root` on, and its name.
        unused: Why it is no image; empty for what is to be read.
        lost: It is a link that leads nowhere, perhaps to a folder.
    """

    parts: tuple[str, ...]
    unused: str
    lost: bool


def read(folder: Path, params: Params, say: Callable[[str], None]) -> list[Row]:
    """List the files below each class's folder.

    Where all folders are named as splits are (train, val or valid, test, ...) and hold class folders, they are splits.

    Args:
        folder: `ingest.root`; the names of its folders are the classes.
        params: Nothing.
        say: Takes warnings.

    Returns:
        One row per file, sorted by path. What is hidden or by its suffix no image is `unused`, and so are images
        beside the class folders.

    Raises:
        InputError: The folder is missing, holds no folder with images, holds another folder between it and those of
            the classes, or some of its folders are splits and others not; or a link makes a circle.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: the folder does not exist; set ingest.root to the folder above the class folders")
    files = [_look(folder, path) for path in _walk(folder, ())]
    by_folder: dict[str, list[File]] = {}
    for file in files:
        if len(file.parts) > 1 and not file.unused:
            by_folder.setdefault(file.parts[0], []).append(file)
    if not by_folder:
        raise InputError(
            f"{folder}: expected a folder per class with images ({' '.join(SUFFIXES)}); found none; check ingest.root"
        )
    splits = _splits(folder, by_folder)
    if not splits:
        _refuse_wrapper(folder, by_folder)
        _refuse_like_splits(folder, by_folder)
        _hint_at_inner_splits(folder, by_folder, say)
    rows = [_row(file, splits) for file in files]
    if splits:
        say(f"{folder}: the folders {', '.join(sorted(splits))} are taken for splits, and those in them for classes")
    _hint(folder, files, {row.labels[0] for row in rows if row.labels and not row.unused}, say)
    return [
        row for row, file in zip(rows, files, strict=True) if len(file.parts) > 1 or file.lost or _is_image(row.image)
    ]


def _row(file: File, splits: Mapping[str, str]) -> Row:
    image, deep = "/".join(file.parts), 2 if splits else 1
    if len(file.parts) > deep or (file.lost and not file.unused):
        label = file.parts[min(deep, len(file.parts)) - 1]
        return Row(image, image, (label,), "", splits.get(file.parts[0], ""), file.unused)
    return Row(image, image, (), "", "", file.unused or "it is beside the class folders, in none of them")


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _look(folder: Path, path: Path) -> File:
    parts, lost = path.relative_to(folder).parts, path.is_symlink() and not path.exists()
    if path.name.startswith("."):
        return File(parts, "hidden: its name begins with a dot", lost)
    if path.name.lower().endswith(OTHER_FILES):
        return File(parts, f"no image, by its suffix {path.suffix.lower()}", lost)
    return File(parts, "", lost)


def _splits(folder: Path, by_folder: Mapping[str, Sequence[File]]) -> dict[str, str]:
    """Map folders to splits; empty if they are classes."""
    named = {name: SPLITS[name.casefold()] for name in by_folder if name.casefold() in SPLITS}
    nested = {name for name, files in by_folder.items() if any(len(file.parts) > 2 for file in files)}
    flat = {name for name, files in by_folder.items() if any(len(file.parts) == 2 for file in files)}
    others = sorted(by_folder.keys() - named.keys())
    if len(named) < 2 or (others and not nested & named.keys()):
        return {}
    found = f"{folder}: the folders {', '.join(sorted(named))} are named as splits are"
    if others:
        raise InputError(
            f"{found}, but {', '.join(others)} not; move what is no split elsewhere, or rename the folders"
        )
    if direct := sorted(flat):
        raise InputError(
            f"{found}, but images in {', '.join(direct)} are in no class folder; move them into class folders, move "
            "unlabelled images elsewhere, or rename the folders if they are classes"
        )
    return named


def _refuse_like_splits(folder: Path, by_folder: Mapping[str, Sequence[File]]) -> None:
    """Refuse folders of class folders whose names say that they are splits, in other words than `SPLITS`."""
    nested = {
        name
        for name, files in by_folder.items()
        if all(len(file.parts) > 2 for file in files) and len({file.parts[1] for file in files}) > 1
    }
    meant = {name: found[1].casefold() for name in sorted(nested) if (found := _LIKE_SPLIT.match(name))}
    if len(set(meant.values())) > 1:
        raise InputError(
            f"{folder}: the folders {', '.join(meant)} hold class folders, and seem to be splits; rename those that "
            "are to train, val and test, and move what is no split elsewhere; if they are classes, rename them"
        )


def _refuse_wrapper(folder: Path, by_folder: Mapping[str, Sequence[File]]) -> None:
    """Refuse a single folder that holds what look like class folders."""
    if len(by_folder) > 1:
        return
    files, inside = next(iter(by_folder.values())), 1
    while all(len(file.parts) > inside + 1 for file in files):
        below = sorted({file.parts[inside] for file in files})
        if len(below) > 1:
            wrapper = "/".join(files[0].parts[:inside])
            raise InputError(
                f"{folder}: {wrapper} is its only folder with images, and the folders in it look like classes "
                f"({', '.join(below[:6])}); set ingest.root one level deeper: add '/{wrapper}' at its end"
            )
        inside += 1


def _hint_at_inner_splits(folder: Path, by_folder: Mapping[str, Sequence[File]], say: Callable[[str], None]) -> None:
    """Warn of splits that are folders inside the class folders."""
    inner = {file.parts[1] for files in by_folder.values() for file in files if len(file.parts) > 2}
    named = sorted(name for name in inner if name.casefold() in SPLITS)
    if len({SPLITS[name.casefold()] for name in named}) > 1:
        say(
            f"{folder}: the folders {', '.join(named)} in the class folders are named as splits are, and are not "
            "used; to keep your split, put class folders into folders train, val and test"
        )


def _hint(folder: Path, files: Sequence[File], classes: set[str], say: Callable[[str], None]) -> None:
    """Warn of folders without images, and of names that seem to be several labels."""
    filled = {file.parts[0] for file in files if not file.unused}
    folders = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}
    empty = sorted(folders - filled)
    if empty:
        say(f"{folder}: no image in {', '.join(empty)}: no class is made of {'it' if len(empty) == 1 else 'them'}")
    if found := labels.find_joined(classes):
        say(
            f"{folder}: folder names such as {found[0]!r} seem to hold several labels, separated by {found[1]!r}, and "
            "each is one class here; for several labels per image bring a table, or merge them with ingest.merge"
        )


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yield files and what is hidden, through links, too; `above` are the folders around, without links."""
    here = folder.resolve()
    if here in above:
        raise InputError(f"{folder}: this link leads to a folder that contains it; remove it")
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            yield from _walk(path, (*above, here))
        else:
            yield path
