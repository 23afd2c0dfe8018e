"""How the labels of a folder can be read: candidates for `ingest.source` with its parameters."""

from __future__ import annotations

import mmap
import posixpath
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from counterpoise import labels
from counterpoise.config import InputError, yaml12
from counterpoise.planning import tables
from counterpoise.planning.folder import Folder, evenly
from counterpoise.sources import SPLITS, TRUE, bit, is_missing, read_json, read_text

MOST_TABLES = 20
"""Tables that are looked into; a folder with more has a table for each image."""
MOST_JSON = 20
LIKE_SPLIT = re.compile(r"(train|val|test|dev|eval|holdout)(?![a-df-z])", re.IGNORECASE)
"""How the names of folders of a split begin, such as `test_images` and `train2017`; if images lie in them, they are no
classes."""
SOME = 200
"""Entries of a file of labels that are looked at."""


@dataclass(frozen=True)
class Candidate:
    """A way to read the labels.

    Attributes:
        source: `ingest.source`.
        file: What holds the labels, in words.
        block: Parameters of the source that differ from their usual values.
        task: What the labels seem to mean.
        root: Where `ingest.root` lies below the folder; empty for the folder itself.
        notes: Key of `block` -> why it was chosen.
        doubts: What a person should check.
    """

    source: str
    file: str
    block: dict[str, Any]
    task: str
    root: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def candidates(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    """List how the labels can be read, boxes before labels of whole images, and folders last.

    Args:
        folder: The files.
        refused: Takes the reasons why files that look like labels are none.
    """
    for kind in (_coco, _yolo, _voc, _geojson, _tables, _folders):
        try:
            yield from kind(folder, refused)
        except InputError as error:
            refused.append(str(error))


def _coco(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    files = [file for file in folder.ending(".json")[:1000] if file.count("/") <= 3]
    holding = [file for file in files[: 10 * MOST_JSON] if _holds(folder, file, b'"images"', b'"annotations"')]
    by_split: dict[str, list[str]] = {}
    for file in holding[:MOST_JSON]:
        by_split.setdefault(_split_in(file), []).append(file)
    named = {split: own for split, own in by_split.items() if split}
    if len(named) > 1 and all(len(own) == 1 for own in named.values()):
        parts: dict[str, str] = {split: named[split][0] for split in ("train", "val", "test") if split in named}
        entries = {split: _images_of(folder, file) for split, file in parts.items()}
        above = _image_folder(folder, parts, entries)
        yield Candidate("coco", ", ".join(parts.values()), {"split_files": parts, "image_folder": above}, "detection")
        return
    for file in holding[:MOST_JSON]:
        entries = {"": _images_of(folder, file)}
        keys = Counter(key for entry in entries[""] for key in entry)
        common = [key for key, count in keys.items() if count == len(entries[""])]
        values = {key: {str(entry[key]) for entry in entries[""]} for key in common}
        block = {
            "file": file,
            "image_folder": _image_folder(folder, {"": file}, entries),
            "split_key": next((key for key in common if _are_splits(values[key])), ""),
            "group_key": next((key for key in common if tables.GROUPS.fullmatch(key) and len(values[key]) > 2), ""),
        }
        yield Candidate("coco", file, block, "detection")


def _holds(folder: Folder, file: str, *words: bytes) -> bool:
    path = folder.path / file
    if not path.stat().st_size:
        return False
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return all(data.find(word) >= 0 for word in words)


def _images_of(folder: Folder, file: str) -> list[Mapping[str, Any]]:
    entries = read_json(folder.path / file, "ingest.sources.coco.file").get("images")
    listed = entries if isinstance(entries, list) else []
    found: list[Mapping[str, Any]] = [entry for entry in listed if isinstance(entry, dict)]
    if not found:
        raise InputError(f"{folder.path / file}: expected a list of images, as COCO has")
    return found


def _image_folder(folder: Folder, files: Mapping[str, str], entries: Mapping[str, list[Mapping[str, Any]]]) -> str:
    """Find the folder in front of `file_name`, with `{split}` or `{folder}` where it differs by file."""
    votes: Counter[str] = Counter()
    for split, file in files.items():
        for entry in entries[split][:: max(1, len(entries[split]) // SOME)]:
            own = {prefix.rstrip("/") for prefix in folder.prefixes(str(entry.get("file_name", "")))}
            patterns = {prefix.replace(split, "{split}") for prefix in own if split}
            patterns |= {"{folder}" for prefix in own if prefix and prefix == posixpath.dirname(file)}
            votes.update(patterns | own)
    return max(sorted(votes), key=votes.__getitem__) if votes else ""


def _split_in(path: str) -> str:
    """Find the name of a split in a path, such as `instances_val2017.json` or `valid/_annotations.coco.json`."""
    words = [word for word in re.split(r"[^a-z]+", path.lower()) if word in SPLITS]
    return SPLITS[words[-1]] if words else ""


def _are_splits(values: set[str]) -> bool:
    found = {value.casefold() for value in values if not is_missing(value)}
    return len(found) > 1 and found <= SPLITS.keys()


def _yolo(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    for file in folder.ending(".yaml", ".yml"):
        if file.count("/") > 2:
            continue
        try:
            content = yaml12.read(read_text(folder.path / file, "file"))
        except (InputError, yaml12.RefusedError) as error:
            refused.append(f"{folder.path / file}: {error}")
            continue
        if isinstance(content, dict) and "names" in content and content.keys() & {"train", "val", "test"}:
            yield Candidate("yolo", file, {"file": file}, "detection")
    texts = {posixpath.splitext(file)[0] for file in folder.ending(".txt")}
    images = [image.replace("images/", "labels/") for image in evenly(folder.images, SOME)]
    beside = sum(posixpath.splitext(image)[0] in texts for image in images)
    if beside > len(images) / 2 and not folder.ending(".yaml", ".yml"):
        refused.append(
            f"{folder.path}: there is a text file for each image, as YOLO has, but no data.yaml with the names of the "
            "classes; write one with the lines `names: [...]` and `train: images` (the folder of the images)"
        )


def _voc(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    files = folder.ending(".xml")
    looked = [(file, root) for file in evenly(files, SOME) if (root := _xml(folder, file)) is not None]
    if not looked:
        return
    shared = posixpath.commonpath([posixpath.dirname(file) or "." for file in files])
    annotations = "" if shared == "." else shared
    votes = Counter(
        prefix.rstrip("/")
        for file, root in looked
        for prefix in folder.prefixes(root.findtext("filename") or posixpath.splitext(posixpath.basename(file))[0])
    )
    sides = [
        float(node.text or "nan")
        for _, root in looked
        for side in ("xmin", "ymin")
        for node in root.iter(side)
        if re.fullmatch(r"\s*-?[\d.]+\s*", node.text or "")
    ]
    from_zero = any(0 <= side < 1 for side in sides)
    lists = [posixpath.dirname(file) for file in folder.ending("/train.txt")]
    sets = next((name for name in lists if {f"{name}/val.txt", f"{name}/test.txt"} & {*folder.files}), "")
    block = {
        "annotations": annotations,
        "images": max(sorted(votes), key=votes.__getitem__) if votes else "",
        "image_sets": sets,
        "one_based": not from_zero,
    }
    notes = {"one_based": "a box begins at 0, so pixels are counted from 0"} if from_zero else {}
    doubts = (
        ()
        if from_zero
        else (
            f"no box of {len(looked)} XML files begins at 0, so pixels are taken to be counted from 1, as in Pascal "
            "VOC; if they are not, set ingest.sources.voc.one_based to false",
        )
    )
    yield Candidate("voc", f"{len(files)} XML files", block, "detection", notes=notes, doubts=doubts)


def _xml(folder: Folder, file: str) -> ElementTree.Element | None:
    try:
        root = ElementTree.fromstring(read_text(folder.path / file, "file"))
    except (ElementTree.ParseError, InputError):
        return None
    return root if root.tag == "annotation" else None


def _geojson(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    files = folder.ending(".geojson")
    pictures = {posixpath.splitext(image)[0] for image in folder.images if image.lower().endswith((".tif", ".tiff"))}
    beside = [file for file in files if posixpath.splitext(file)[0] in pictures]
    if not beside:
        if files:
            refused.append(f"{folder.path}: no GeoTIFF has the name of a GeoJSON, such as {files[0]}")
        return
    values: dict[str, Counter[str]] = {}
    for file in evenly(beside, 20):
        features = read_json(folder.path / file, "ingest.sources.geojson.label_property").get("features")
        for feature in features if isinstance(features, list) else []:
            for key, value in (feature.get("properties") or {}).items() if isinstance(feature, dict) else []:
                values.setdefault(key, Counter())[str(value)] += 1
    texts = {key: counts for key, counts in values.items() if len(counts) <= tables.MOST_CLASSES}
    if not texts:
        refused.append(f"{folder.path / beside[0]}: its features have no property that could be a class")
        return
    order = sorted(texts, key=lambda key: (tables.LABELS.fullmatch(key) is None, len(texts[key]), key))
    tops = {image.split("/")[0].casefold() if "/" in image else "" for image in folder.images}
    others = f"; others are {', '.join(order[1:5])}" if order[1:] else ""
    doubts = (f"property {order[0]!r} of the features is taken for the class{others}",)
    block = {"label_property": order[0], "split_folders": len(tops) > 1 and tops <= SPLITS.keys()}
    yield Candidate("geojson", f"{len(beside)} GeoJSON files", block, "detection", doubts=doubts)


def _tables(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    with_boxes: list[Candidate] = []
    with_labels: list[Candidate] = []
    for file in list(tables.candidates(folder))[:MOST_TABLES]:
        listed = refused if not file.lower().endswith(".txt") else []  # a text is seldom a table
        try:
            table = tables.read(folder, file)
            images = tables.images(table, folder)
            if images is None:
                header = list(table.header[:8])
                raise InputError(f"{folder.path / file}: none of the columns {header} names images below it")
            if boxes := tables.box_columns(table):
                with_boxes.append(_of_boxes(table, images, *boxes))
            else:
                with_labels.append(_of_labels(table, images))
        except InputError as error:
            listed.append(str(error))
    yield from _as_one(with_boxes)
    yield from with_boxes
    yield from with_labels


def _as_one(found: list[Candidate]) -> Iterator[Candidate]:
    """Read tables of the same columns, such as one for each image, together."""
    alike = [
        one
        for one in found
        if {**one.block, "file": "", "size_columns": []} == {**found[0].block, "file": "", "size_columns": []}
    ]
    folders = {posixpath.dirname(one.file) for one in alike}
    suffixes = {posixpath.splitext(one.file)[1] for one in alike}
    if len(alike) > 1 and len(folders) == len(suffixes) == 1:
        pattern = posixpath.join(folders.pop(), f"*{suffixes.pop()}")
        block = {**alike[0].block, "file": pattern, "size_columns": []}
        yield Candidate("boxes_csv", f"{len(alike)} tables {pattern}", block, "detection", doubts=alike[0].doubts)


def _of_boxes(table: tables.Table, images: tables.Images, columns: list[str], form: str) -> Candidate:
    used = [*images.columns, *columns]
    sizes = tables.size_columns(table, used)
    ignore, split = tables.ignore_column(table), tables.split_column(table, used)
    groups = tables.group_columns(table, [*used, split, ignore])
    order, _ = tables.label_columns(table, [*used, *sizes, ignore, split, *groups])
    if not order:
        order = [name for name in table.header if name not in (*used, *sizes, ignore, split, *groups)]
    if not order:
        raise InputError(f"{table.file}: it has boxes, but no column for their class; add one, such as label")
    block = {
        **{"file": table.file, "delimiter": table.delimiter, "image_column": images.pattern, "label_column": order[0]},
        **{"box_columns": columns, "box_form": form, "size_columns": sizes, "ignore_column": ignore},
        **{"split_column": split, "group_column": groups[0] if groups else ""},
    }
    return Candidate("boxes_csv", table.file, block, "detection", doubts=(*_other_columns(order), *_groups(groups)))


def _of_labels(table: tables.Table, images: tables.Images) -> Candidate:
    used = list(images.columns)
    split = tables.split_column(table, [name for name in used if images.pattern == name])
    groups = tables.group_columns(table, [*used, split])
    order, binary = tables.label_columns(table, [name for name in used if images.pattern == name] + [split, *groups])
    order = [name for name in order if name != images.columns[-1]]
    if not order and not binary:
        raise InputError(
            f"{table.file}: no column of {list(table.header[:8])} looks like a label{_boxes_in_cells(table)}"
        )
    repeating = tables.repeating_columns(table, [*used, split, *groups, *order[:1], *binary])
    doubts = [*(_other_columns(order) if not binary else ()), *_groups(groups)]
    if repeating and not groups:
        listed = ", ".join(repeating[:4])
        doubts.append(
            f"no column is named as groups are; if several images show one object, patient or site, and one of "
            f"{listed} says which, set ingest.sources.csv.group_column to it"
        )
    common = {"file": table.file, "delimiter": table.delimiter, "image_column": images.pattern}
    common |= {"split_column": split, "group_column": groups[0] if groups else ""}
    if binary:
        sums = [
            sum(cells)
            for cells in zip(*([_is_one(cell) for cell in table.cells[name]] for name in binary), strict=True)
        ]
        task = "multiclass" if all(total == 1 for total in sums) else "multilabel"
        block = {**common, "label_columns": binary}
        doubts.append(
            f"the columns {', '.join(binary[:6])}{' ...' * (len(binary) > 6)} hold 0 and 1, and are taken for classes"
        )
        return Candidate("csv", table.file, block, task, doubts=tuple(doubts))
    cells, separator = table.cells[order[0]], tables.separator(table.cells[order[0]])
    several = _has_several(table, images, cells, separator)
    task = "multilabel" if several else "multiclass"
    if not several and (held := labels.find_joined({cell.strip() for cell in cells})):
        separator = ""
        doubts.append(
            f"each cell, such as {held[0]!r}, is taken for one class; if {held[1]!r} separates labels, set task to "
            f"multilabel and ingest.sources.csv.label_separator to {held[1]!r}"
        )
    block = {**common, "label_column": order[0], "label_columns": [], "label_separator": separator}
    return Candidate("csv", table.file, block, task, doubts=tuple(doubts))


def _is_one(cell: str) -> bool:
    return bit(cell) in TRUE


def _boxes_in_cells(table: tables.Table) -> str:
    """Name the column in which a cell holds a whole box."""
    four = re.compile(r"[\[(]?\s*-?[\d.]+(?:[\s,]+-?[\d.]+){3}\s*[\])]?")
    for name, cells in table.cells.items():
        if cells and all(four.fullmatch(cell.strip()) or is_missing(cell.strip()) for cell in cells[:SOME]):
            return (
                f"; column {name!r} holds boxes: write their four numbers into four columns, and the class into another"
            )
    return ""


def _has_several(table: tables.Table, images: tables.Images, cells: list[str], separator: str) -> bool:
    """Say whether images have several labels: in a cell, or in several rows; a few are taken for mistakes."""
    found: dict[tuple[str, ...], set[str]] = {}
    for row, cell in enumerate(cells):
        key = tuple(table.cells[name][row].strip() for name in images.columns)
        found.setdefault(key, set()).update(labels.parse(cell, separator))
    several = sum(len(names) > 1 for names in found.values())
    return several > 0.01 * len(found)


def _other_columns(order: list[str]) -> Iterator[str]:
    if not tables.LABELS.fullmatch(order[0]) or any(tables.LABELS.fullmatch(name) for name in order[1:]):
        others = f"; others are {', '.join(order[1:5])}" if order[1:] else ""
        yield f"column {order[0]!r} is taken for the class{others}"


def _groups(groups: list[str]) -> Iterator[str]:
    if groups:
        others = f"; others are {', '.join(groups[1:5])}" if groups[1:] else ""
        yield f"column {groups[0]!r} is taken for the group of an image, by its name{others}"


def _folders(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    """List the folders that hold class folders, the one with most images first, and of equal ones the highest."""
    below: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    direct: Counter[str] = Counter()
    for image in folder.images:
        parts = image.split("/")
        direct["/".join(parts[:-1])] += 1
        for depth in range(len(parts) - 1):
            above = "/".join(parts[:depth])
            below.setdefault(above, set()).add(parts[depth])
            counts[above] += 1
    for above in sorted(below, key=lambda name: (-counts[name], name.count("/"), name))[:5]:
        names = below[above]
        flat = all(direct[posixpath.join(above, name)] for name in names)
        if len(names) > 1 and not (flat and all(map(LIKE_SPLIT.match, names))):
            yield Candidate("folder", f"a folder per class in {above or 'the folder'}", {}, "multiclass", root=above)
