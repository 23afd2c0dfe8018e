"""A folder per class, with the images of that class at any depth below it."""

from __future__ import annotations

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
        One row per image, sorted by path; what is hidden, and files of other kinds than images, are passed over.

    Raises:
        InputError: The folder is missing, or holds no folder with images.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: the folder does not exist; set ingest.root")
    rows = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if len(parts) > 1 and path.is_file() and path.suffix.lower() in SUFFIXES and not hidden:
            image = "/".join(parts)
            rows.append(Row(image, image, (parts[0],), ""))
    if not rows:
        raise InputError(f"{folder}: expected a folder per class with images ({' '.join(SUFFIXES)}); found none")
    return rows
