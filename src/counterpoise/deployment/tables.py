"""Predictions as files for other programs: CSV, lines of JSON, Parquet; of boxes also GeoJSON and COCO's results."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoise import labels, storage
from counterpoise.boxes import exports
from counterpoise.config import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
"""What is said of an image, as `row` of an answer gives it."""
SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".geojson": "geojson", ".json": "coco"}
"""Ends of file names -> formats."""
OF_BOXES = ("geojson", "coco")
"""Formats that hold boxes alone."""
PREFIX = "prob_"
"""Columns of probabilities are named so, followed by the class."""
AT_ONCE = 10_000
"""Images of a row group of Parquet."""
OF_BOX = ("label", "x0", "y0", "x1", "y1", "prob", "decided")
"""Columns of a box."""


class Positions:
    """Where images lie on the earth, which GeoJSON needs: in one reference system.

    Attributes:
        crs: Name of the system; `None` before the first image that can be read.
    """

    def __init__(self) -> None:
        self.crs: str | None = None

    def check(self, row: Row) -> None:
        """Check the next image.

        Raises:
            InputError: It has no position, or one in another system.
        """
        if row.get("error"):
            return
        other = "write another format, such as --format jsonl or COCO's results by a file that ends in .json"
        if row["crs"] is None:
            raise InputError(
                f"{row['image']} states no position on the earth, which GeoJSON needs (a GeoTIFF does, read by `pip "
                f"install 'counterpoise[geo]'`); {other}"
            )
        if self.crs is not None and row["crs"] != self.crs:
            raise InputError(
                f"{row['image']} lies in the reference system {row['crs']}, images before it in {self.crs}; predict "
                f"them apart, or {other}"
            )
        self.crs = row["crs"]


def write(form: str, out: Path, rows: Callable[[], Iterator[Row]], classes: Sequence[str], *, boxes: bool) -> None:
    """Write a file, whole or not at all, without holding all rows.

    Args:
        form: One of the formats.
        out: The file.
        rows: Reads the rows from the first one on.
        classes: Class names in the order of the model.
        boxes: Whether rows are of boxes.

    Raises:
        OSError: It cannot be written.
    """
    with storage.replacing(out) as temporary:
        if form == "parquet":
            _write_parquet(temporary, rows(), classes, boxes=boxes)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                file.writelines(text(form, rows(), classes, boxes=boxes))


def text(form: str, rows: Iterator[Row], classes: Sequence[str], *, boxes: bool) -> Iterator[str]:
    """Write rows as text, piece by piece; arguments as those of `write`."""
    match form:
        case "csv":
            columns = ["image", *(OF_BOX if boxes else ["decided", *(PREFIX + name for name in classes)]), "error"]
            lines = _box_lines(rows) if boxes else _class_lines(rows, classes)
            yield from map(_csv, chain([columns], lines))
        case "jsonl":
            yield from (json.dumps(row) + "\n" for row in rows)
        case "geojson":
            yield from _geojson(rows)
        case _:
            found = (json.dumps(result) for row in rows for result in _coco(row, classes))
            yield from _joined("[\n", found, "\n]\n")


def _class_lines(rows: Iterable[Row], classes: Sequence[str]) -> Iterator[list[Any]]:
    for row in rows:
        if row.get("error"):
            yield [row["image"], "", *[""] * len(classes), row["error"]]
        else:
            yield [row["image"], labels.join(row["decided"]), *(row["probs"][name] for name in classes), ""]


def _box_lines(rows: Iterable[Row]) -> Iterator[list[Any]]:
    """Write a line for each box; an image that is broken, or without boxes, has one without a box."""
    for row in rows:
        found = row.get("boxes", [])
        for of in found:
            yield [row["image"], of["label"], *of["box"], of["prob"], of["decided"], ""]
        if not found:
            yield [row["image"], *[""] * len(OF_BOX), row.get("error", "")]


def _csv(cells: Sequence[Any]) -> str:
    buffer = io.StringIO()
    plain = [str(cell).lower() if isinstance(cell, bool) else cell for cell in cells]
    csv.writer(buffer, lineterminator="\n").writerow(plain)
    return _printable(buffer.getvalue())


def _printable(text: str) -> str:
    """Escape bytes of file names that are not UTF-8, as the terminal shows them."""
    return text.encode(errors="backslashreplace").decode()


def _geojson(rows: Iterator[Row]) -> Iterator[str]:
    """Write the boxes decided for as polygons; a broken image is a feature without a place."""
    seen: list[Row] = []
    for row in rows:
        seen.append(row)
        if not row.get("error"):
            break
    known = seen[-1]["crs"] if seen and not seen[-1].get("error") else None
    start = {"type": "FeatureCollection"}
    if known is not None:
        start |= exports.geojson(np.zeros((0, 4)), [], np.zeros(0), seen[-1]["transform"], known)
    opening = json.dumps({name: value for name, value in start.items() if name != "features"}).removesuffix("}")
    found = (json.dumps(feature) for row in chain(seen, rows) for feature in _features(row))
    yield from _joined(f'{opening}, "features": [\n', found, "\n]}\n")


def _features(row: Row) -> list[dict[str, Any]]:
    if row.get("error"):
        return [{"type": "Feature", "properties": {"image": row["image"], "error": row["error"]}, "geometry": None}]
    decided = [of for of in row["boxes"] if of["decided"]]
    corners = np.array([of["box"] for of in decided], dtype=np.float64).reshape(-1, 4)
    probs = np.array([of["prob"] for of in decided], dtype=np.float64)
    found = exports.geojson(corners, [of["label"] for of in decided], probs, row["transform"], row["crs"])
    features: list[dict[str, Any]] = found["features"]
    for feature in features:
        feature["properties"]["image"] = row["image"]
    return features


def _coco(row: Row, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Write all boxes as COCO's results; the id of an image is its path, that of a class its number from 1."""
    found = row.get("boxes", [])
    corners = np.array([of["box"] for of in found], dtype=np.float64).reshape(-1, 4)
    probs = np.array([of["prob"] for of in found], dtype=np.float64)
    numbers = [list(classes).index(of["label"]) + 1 for of in found]
    return exports.coco_results(corners, probs, [row["image"]] * len(found), numbers)


def _joined(opening: str, parts: Iterator[str], closing: str) -> Iterator[str]:
    yield opening
    for number, part in enumerate(parts):
        yield part if number == 0 else f",\n{part}"
    yield closing


def _write_parquet(path: Path, rows: Iterator[Row], classes: Sequence[str], *, boxes: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if boxes:
        kinds = {name: pa.float64() for name in OF_BOX} | {"label": pa.string(), "decided": pa.bool_()}
    else:
        kinds = {"decided": pa.list_(pa.string())} | {PREFIX + name: pa.float64() for name in classes}
    schema = pa.schema([("image", pa.string()), *kinds.items(), ("error", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        while part := list(islice(rows, AT_ONCE)):
            lines = _box_lines(part) if boxes else _class_lines(part, classes)
            cells = list(zip(*lines, strict=True)) or [()] * len(schema)
            if not boxes:
                cells[1] = tuple(row.get("decided") for row in part)
            writer.write_table(_table(schema, cells))


def _table(schema: pa.Schema, cells: Sequence[Sequence[Any]]) -> pa.Table:
    """Make a table of columns of cells as CSV has them: an empty one is no value."""
    import pyarrow as pa

    columns = []
    for field, column in zip(schema, cells, strict=True):
        values = [None if cell == "" else _printable(cell) if isinstance(cell, str) else cell for cell in column]
        columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)
