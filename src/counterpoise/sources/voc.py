"""Boxes in the XML of Pascal VOC: one file per image, with `<object><bndbox>`."""

from __future__ import annotations

import posixpath
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path

from counterpoise.config import InputError, Section
from counterpoise.sources import Below, Row, numbers, read_text

BLOCK = "ingest.sources.voc"
GIVES_BOXES = True
SETS = ("train", "val", "test")
SIDES = ("xmin", "ymin", "xmax", "ymax")


class Params(Section):
    """Block `ingest.sources.voc`."""

    annotations: Below
    """Folder of the XML files, below `ingest.root`; they may be at any depth."""
    images: Below
    """Folder of the images, below `ingest.root`, to which `<filename>` is relative."""
    image_sets: Below
    """Folder with the lists `train.txt`, `val.txt` and `test.txt`, below `ingest.root`, if you bring your own split:
    a name without suffix per line. Empty if there is none."""
    one_based: bool
    """Whether pixels are counted from 1, as in Pascal VOC, with `xmax` and `ymax` inside the box; then 1 is taken from
    `xmin` and `ymin`. `false`: from 0, with `xmax` and `ymax` just outside."""


def read(folder: Path, params: Params, say: Callable[[str], None]) -> list[Row]:
    """Read the files.

    Args:
        folder: `ingest.root`.
        params: Names of folders, and how pixels are counted.
        say: Takes warnings.

    Returns:
        A row for each file, without a label, and one for each object. `difficult` makes it `ignore`.

    Raises:
        InputError: There is no file, one is no XML, pixels are counted from 0 in spite of `one_based`, or an image is
            in two lists.
    """
    above = folder / params.annotations
    files = sorted(above.rglob("*.xml"))
    if not files:
        raise InputError(f"{above}: found no XML file; set ingest.root and {BLOCK}.annotations")
    splits = dict(_splits(folder, params))
    rows = []
    for path in files:
        name = path.relative_to(above).with_suffix("").as_posix()
        rows += _rows(path, path.relative_to(folder).as_posix(), splits.pop(name, ("", ""))[1], params)
    for name, (where, split) in splits.items():
        say(f"{where}: there is no {params.annotations}/{name}.xml")
        rows.append(Row(where, posixpath.join(params.images, name), (), "", split, f"{name} has no XML file"))
    return rows


def _splits(folder: Path, params: Params) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield names of images, each with its place in a list and its split."""
    if not params.image_sets:
        return
    lists = [path for name in SETS if (path := folder / params.image_sets / f"{name}.txt").is_file()]
    if not lists:
        raise InputError(f"{folder / params.image_sets}: no train.txt, val.txt or test.txt; set {BLOCK}.image_sets")
    seen: dict[str, str] = {}
    for path in lists:
        for number, line in enumerate(read_text(path, "list").splitlines(), start=1):
            name = line.split()[0] if line.split() else ""
            if name and seen.setdefault(name, path.stem) != path.stem:
                raise InputError(f"{path} line {number}: {name!r} is in {seen[name]}.txt, too; remove it from one list")
            if name:
                yield name, (f"{path.relative_to(folder).as_posix()} line {number}", path.stem)


def _rows(path: Path, where: str, split: str, params: Params) -> list[Row]:
    try:
        root = ElementTree.fromstring(read_text(path, "file"))
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not XML: {error}; correct the file, or remove it with its image") from error
    image = posixpath.join(params.images, _text(root, "filename") or f"{path.stem}")
    sides = numbers([_text(root, "size/width"), _text(root, "size/height")])
    size = (int(sides[0]), int(sides[1])) if sides and min(sides) > 0 else None
    rows = [Row(where, image, (), "", split, size_px=size)]
    for number, found in enumerate(root.findall("object"), start=1):
        label, place = _text(found, "name"), f"{where} object {number}"
        texts = [_text(found, f"bndbox/{side}") for side in SIDES]
        values, fault = numbers(texts), "" if label else "the object has no name"
        if values is None:
            fault = fault or f"bndbox holds {texts}; expected numbers in {', '.join(SIDES)}"
            rows.append(Row(place, image, (label,) if label else (), "", split, fault=fault))
            continue
        x0, y0, x1, y1 = values
        if params.one_based and (0 <= x0 < 1 or 0 <= y0 < 1):
            raise InputError(
                f"{path} object {number}: xmin, ymin are {x0:g}, {y0:g}, so pixels are counted from 0; set "
                f"{BLOCK}.one_based to false"
            )
        box = (x0 - params.one_based, y0 - params.one_based, x1, y1)
        difficult = _text(found, "difficult") in ("1", "true")
        labels = (label,) if label else ()
        rows.append(
            Row(
                place,
                image,
                labels,
                "",
                split,
                box=None if fault else box,
                ignore=difficult,
                size_px=size,
                fault=fault,
            )
        )
    return rows


def _text(node: ElementTree.Element, path: str) -> str:
    return (node.findtext(path) or "").strip()
