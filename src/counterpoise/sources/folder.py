"""A folder per class, with the images of that class at any depth below it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from counterpoise.config import InputError, Section
from counterpoise.sources import Row

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Params(Section):
    """Block `ingest.sources.folder`; there is nothing to set."""


def read(folder: Path, params: Params) -> list[Row]:
    """List the images below each class's folder.

    Args:
        folder: `ingest.root`; the names of its folders are the classes.
        params: Nothing.

    Returns:
        One row per image, sorted by path, and one for each link that leads nowhere; what is hidden, and files of
        other kinds than images, are passed over.

    Raises:
        InputError: The folder is missing, holds no folder with images, or a link makes a circle.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: the folder does not exist; set ingest.root to the folder above the class folders")
    rows = []
    for path in _walk(folder, ()):
        parts = path.relative_to(folder).parts
        leads_nowhere = path.is_symlink() and not path.exists()
        if leads_nowhere or (len(parts) > 1 and path.suffix.lower() in SUFFIXES and path.is_file()):
            image = "/".join(parts)
            rows.append(Row(image, image, (parts[0],), ""))
    if not rows:
        raise InputError(
            f"{folder}: expected a folder per class with images ({' '.join(SUFFIXES)}); found none; check ingest.root"
        )
    return rows


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yield what is neither folder nor hidden, through links, too; `above` are the folders around, without links."""
    here = folder.resolve()
    if here in above:
        raise InputError(f"{folder}: this link leads to a folder that contains it; remove it")
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _walk(path, (*above, here))
        else:
            yield path
