"""Boxes in the JSON of COCO: `images`, `categories`, and `annotations` with `bbox: [x, y, width, height]`."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from counterpoise.config import InputError, Name, Section
from counterpoise.sources import SPLITS, Below, Corners, Row, hull, is_missing, numbers, read_json

BLOCK = "ingest.sources.coco"
GIVES_BOXES = True


class Params(Section):
    """Block `ingest.sources.coco`."""

    file: Below
    """Path of the JSON file, below `ingest.root`; `split_files` takes its place where given."""
    split_files: dict[Literal["train", "val", "test"], Below]
    """For one file per split: {train: path, val: path, test: path}, below `ingest.root`. Empty for none."""
    image_folder: Below
    """Folder of the images, below `ingest.root`, to which `file_name` is relative; empty for `ingest.root` itself.
    `{split}` in it becomes the name of the split, as in `{split}2017`, and `{folder}` the folder of the JSON file."""
    split_key: Name
    """Key of an image that holds its split: train, val (also valid, validation, dev) or test; empty if there is none.
    It is not an official key of the format."""
    group_key: Name
    """Key of an image that holds its group, such as the site; empty if there is none. A group is never split up."""


def read(folder: Path, params: Params, say: Callable[[str], None]) -> list[Row]:
    """Read the files.

    Args:
        folder: `ingest.root`.
        params: Names of files and keys.
        say: Takes warnings; there are none.

    Returns:
        A row for each image, without a label, and one for each annotation. `iscrowd` makes it `ignore`. Without `bbox`
        the box is the hull of the polygons.

    Raises:
        InputError: A file is missing or not of this format, an id occurs twice, or a split has an unknown name.
    """
    files: Mapping[str, str] = {str(split): name for split, name in params.split_files.items()} or {"": params.file}
    return [row for split, name in files.items() for row in _rows(folder, name, split, params)]


def _rows(folder: Path, name: str, split: str, params: Params) -> list[Row]:
    content = read_json(folder / name, f"{BLOCK}.{'split_files' if params.split_files else 'file'}")
    images, categories, annotations = (
        _by_id(folder / name, content, key) for key in ("images", "categories", "annotations")
    )
    above = params.image_folder.replace("{split}", split).replace("{folder}", posixpath.dirname(name))
    rows: dict[object, Row] = {}
    for number, entry in images.items():
        where = f"{name} image id {number}"
        own = split or _split(where, entry, params.split_key)
        size = numbers([entry.get("width"), entry.get("height")])
        stated = (int(size[0]), int(size[1])) if size and all(0 < side < 1e9 for side in size) else None
        path = posixpath.join(above, str(entry.get("file_name", "")))
        group = str(entry.get(params.group_key, "")) if params.group_key else ""
        rows[number] = Row(where, path, (), group, own, size_px=stated)
    return [*rows.values(), *(_box(name, entry, rows, categories) for entry in annotations.values())]


def _by_id(path: Path, content: Mapping[str, Any], key: str) -> dict[object, Mapping[str, Any]]:
    """List entries by their id.

    Raises:
        InputError: The key is missing, an entry has no id, or two have the same.
    """
    entries = content.get(key)
    if not isinstance(entries, list):
        raise InputError(f"{path}: expected a list under {key!r}, as COCO has; found the keys {list(content)[:8]}")
    found: dict[object, Mapping[str, Any]] = {}
    for place, entry in enumerate(entries, start=1):
        number = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(number, int | str):
            raise InputError(f"{path}: entry {place} of {key!r} has no id; give every entry an id of its own")
        if number in found:
            raise InputError(f"{path}: two entries of {key!r} have the id {number!r}; give each an id of its own")
        found[number] = entry
    return found


def _split(where: str, entry: Mapping[str, Any], key: str) -> str:
    text = str(entry.get(key) or "") if key else ""
    if is_missing(text):
        return ""
    if text.casefold() not in SPLITS:
        raise InputError(
            f"{where}: {key!r} is {text!r}; expected one of {list(SPLITS)}, or nothing; correct it, or set "
            f"{BLOCK}.split_key to ''"
        )
    return SPLITS[text.casefold()]


def _box(
    name: str, entry: Mapping[str, Any], images: Mapping[object, Row], categories: Mapping[object, Mapping[str, Any]]
) -> Row:
    where = f"{name} annotation id {entry['id']}"
    image = images.get(_key(entry.get("image_id")))
    if image is None:
        reason = f"image_id {entry.get('image_id')!r} is the id of no image"
        return Row(where, "", (), "", fault=reason)
    category = categories.get(_key(entry.get("category_id")))
    label = str(category.get("name", "")) if category else ""
    box = _corners(entry)
    if not label:
        fault = f"category_id {entry.get('category_id')!r} is the id of no category with a name"
    else:
        fault = box if isinstance(box, str) else ""
    return Row(
        where,
        image.image,
        (label,) if label else (),
        image.group,
        image.split,
        box=None if isinstance(box, str) or fault else box,
        ignore=bool(entry.get("iscrowd")),
        size_px=image.size_px,
        fault=fault,
    )


def _key(value: object) -> object:
    return value if isinstance(value, int | str) else None


def _corners(entry: Mapping[str, Any]) -> Corners | str:
    """Give the corners of an annotation, or the reason why it has none."""
    box, shape = entry.get("bbox"), entry.get("segmentation")
    if box:
        values = numbers(box) if isinstance(box, list) else None
        if values is None or len(values) != 4:
            return f"bbox is {box!r}; expected [x, y, width, height]"
        x, y, width, height = values
        return x, y, x + width, y + height
    if isinstance(shape, dict):
        return "it has a run-length mask and no bbox; write its bbox, as pycocotools' `mask.toBbox` gives it"
    polygons = [numbers(part) for part in shape] if isinstance(shape, list) else []
    if not polygons or any(values is None or len(values) < 2 or len(values) % 2 for values in polygons):
        return "it has neither bbox nor polygons"
    return hull([(x, y) for values in polygons if values for x, y in zip(values[::2], values[1::2], strict=True)])
