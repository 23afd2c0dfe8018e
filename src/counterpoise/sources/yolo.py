"""Boxes in the text files of YOLO: `class x y width height` as shares of the picture, and a `data.yaml` of names."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from counterpoise.config import InputError, Section, yaml12
from counterpoise.sources import SUFFIXES, Below, Corners, Row, hull, numbers, read_text

BLOCK = "ingest.sources.yolo"
GIVES_BOXES = True
MOST = 1.001
"""The highest share of a picture that rounding explains; above it, numbers are no shares."""


class Params(Section):
    """Block `ingest.sources.yolo`."""

    file: Below
    """Path of the YAML file with `names` and the folders `train`, `val` and `test`, below `ingest.root`."""
    missing: Literal["empty", "leave_out"]
    """What an image without a text file is. `empty`: it shows no object; `leave_out`: nobody looked at it, so it is not
    used. A text file without a line always means that there is no object."""


def read(folder: Path, params: Params, say: Callable[[str], None]) -> list[Row]:
    """Read the files.

    Args:
        folder: `ingest.root`.
        params: Name of the YAML file, and what a missing text file means.
        say: Takes warnings; there are none.

    Returns:
        A row for each image, without a label, and one for each line. The box of a polygon is its hull.

    Raises:
        InputError: The YAML file is missing or lacks names or folders, or a folder holds no image.
    """
    path = folder / params.file
    if not path.is_file():
        raise InputError(f"{path}: the file does not exist; set ingest.root and {BLOCK}.file")
    content = _read(path)
    names, rows = _names(path, content), []
    for split in ("train", "val", "test"):
        for place in _places(content.get(split)):
            found = list(_images(folder, path, place, content.get("path")))
            if not found:
                raise InputError(f"{path}: {split} is {place!r}, where no image was found; correct the path")
            for image in found:
                rows += _rows(folder, image, split, names, params.missing)
    if not rows:
        raise InputError(f"{path}: expected folders of images under train, val and test; found {list(content)[:8]}")
    return rows


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml12.read(read_text(path, "file"))
    except yaml12.RefusedError as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys such as `names:` and `train:`, found {content!r:.60}")
    return content


def _names(path: Path, content: dict[str, Any]) -> dict[int, str]:
    names = content.get("names")
    listed = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(listed, dict) or not listed or not all(type(number) is int for number in listed):
        raise InputError(f"{path}: expected names as a list, or as number: name; found {names!r}")
    return {number: str(name) for number, name in listed.items()}


def _places(value: object) -> Sequence[str]:
    return [str(place) for place in value] if isinstance(value, list) else [str(value)] if value else []


def _images(folder: Path, path: Path, place: str, base: object) -> Iterator[Path]:
    """List the images of a folder, or of a text file of paths, which may be relative to `path` of the YAML file."""
    below = posixpath.normpath(place)
    while below.startswith("../"):  # as Roboflow writes them
        below = below[3:]
    tries = [path.parent / str(base or "") / below, path.parent / below, folder / below]
    found = next(
        (tried for tried in tries if tried.exists() and tried.resolve().is_relative_to(folder.resolve())), None
    )
    if found is None:
        return
    if found.is_file():
        for line in read_text(found, "list").splitlines():
            if line.strip():
                yield found.parent / posixpath.normpath(line.strip())
    else:
        yield from sorted(image for image in found.rglob("*") if image.name.lower().endswith(SUFFIXES))


def _text_file(image: Path) -> Path:
    """Find the text file of an image: beside it, or in `labels` where the image is in `images`."""
    parts = list(image.parts)
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[:-1][::-1].index("images")
        parts[last] = "labels"
    return Path(*parts).with_suffix(".txt")


def _rows(folder: Path, image: Path, split: str, names: dict[int, str], missing: str) -> list[Row]:
    name, path = image.relative_to(folder).as_posix(), _text_file(image)
    if not path.is_file():
        unused = f"it has no {path.relative_to(folder).as_posix()}" if missing == "leave_out" else ""
        return [Row(name, name, (), "", split, unused)]
    rows = [Row(name, name, (), "", split)]
    for number, line in enumerate(read_text(path, "file").splitlines(), start=1):
        if cells := line.split():
            where = f"{path.relative_to(folder).as_posix()} line {number}"
            label, box = names.get(int(cells[0])) if cells[0].isdecimal() else None, _corners(cells[1:])
            fault = box if isinstance(box, str) else ""
            if label is None:
                fault = f"class {cells[0]} is none of the {len(names)} names"
            labels = () if label is None else (label,)
            corners = None if fault or isinstance(box, str) else box
            rows.append(Row(where, name, labels, "", split, box=corners, unit="frac", fault=fault))
    return rows


def _corners(cells: Sequence[str]) -> Corners | str:
    """Give the corners of a line as shares of the picture, or the reason why it has none."""
    values = numbers(cells)
    if values is None or len(values) < 4 or len(values) % 2 or len(values) == 5:
        return f"the line has {len(cells)} cells after the class; expected x, y, width, height, or x, y of a polygon"
    if max(values) > MOST or min(values) < 1 - MOST:
        return f"{max(values, key=abs):g} is not a share of the picture, in 0..1: are these pixels?"
    if len(values) > 4:
        return hull(list(zip(values[::2], values[1::2], strict=True)))
    x, y, width, height = values
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
