"""The same boxes in each format, written without the code under test."""

import csv
import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

Corners = tuple[float, float, float, float]
Scenes = dict[str, tuple[tuple[int, int], list[tuple[str, Corners]]]]
"""Image -> its width and height, and class and corners of each box, counted from 0, right and bottom exclusive."""


def coco(root: Path, scenes: Scenes) -> dict[str, Any]:
    labels = sorted({label for _, boxes in scenes.values() for label, _ in boxes})
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, ((width, height), boxes)) in enumerate(scenes.items(), start=10):
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for label, (x0, y0, x1, y1) in boxes:
            annotation = {"id": len(annotations), "image_id": number, "category_id": labels.index(label)}
            annotations.append({**annotation, "bbox": [x0, y0, x1 - x0, y1 - y0], "iscrowd": 0})
    categories = [{"id": number, "name": label} for number, label in enumerate(labels)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(content), encoding="utf-8")
    return {"file": "annotations.json", "split_files": {}, "image_folder": "", "split_key": "", "group_key": ""}


def voc(root: Path, scenes: Scenes) -> dict[str, Any]:
    for number, (name, ((width, height), boxes)) in enumerate(scenes.items()):
        objects = "".join(
            f"<object><name>{escape(label)}</name><difficult>0</difficult><bndbox><xmin>{x0 + 1!r}</xmin>"
            f"<ymin>{y0 + 1!r}</ymin><xmax>{x1!r}</xmax><ymax>{y1!r}</ymax></bndbox></object>"
            for label, (x0, y0, x1, y1) in boxes
        )
        size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        (root / "Annotations").mkdir(exist_ok=True)
        text = f"<annotation><filename>{escape(name)}</filename>{size}{objects}</annotation>"
        (root / "Annotations" / f"{number}.xml").write_text(text, encoding="utf-8")
    return {"annotations": "Annotations", "images": "", "image_sets": "", "one_based": True}


def yolo(root: Path, scenes: Scenes) -> dict[str, Any]:
    labels = sorted({"unused", *(label for _, boxes in scenes.values() for label, _ in boxes)})
    for name, ((width, height), boxes) in scenes.items():
        path = (root / "labels" / name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{labels.index(label)} {(x0 + x1) / 2 / width!r} {(y0 + y1) / 2 / height!r} "
            f"{(x1 - x0) / width!r} {(y1 - y0) / height!r}\n"
            for label, (x0, y0, x1, y1) in boxes
        ]
        path.write_text("".join(lines), encoding="utf-8")
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / name).touch()
    (root / "data.yaml").write_text(f"train: images\nnames: {json.dumps(labels)}\n", encoding="utf-8")
    return {"file": "data.yaml", "missing": "empty"}


def boxes_csv(root: Path, scenes: Scenes) -> dict[str, Any]:
    with (root / "boxes.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["picture", "class", "left", "top", "right", "bottom", "w", "h"])
        for name, (size, boxes) in scenes.items():
            table.writerows([name, label, *corners, *size] for label, corners in boxes)
            if not boxes:
                table.writerow([name, "", "", "", "", "", *size])
    return {
        "file": "boxes.csv",
        "image_column": "picture",
        "label_column": "class",
        "box_columns": ["left", "top", "right", "bottom"],
        "box_form": "corners",
        "size_columns": ["w", "h"],
        "ignore_column": "",
        "group_column": "",
        "split_column": "",
        "delimiter": ",",
    }


def geojson(root: Path, scenes: Scenes) -> dict[str, Any]:
    """Pictures of half a metre per pixel in UTM zone 33, the second axis upwards."""
    for name, ((width, height), boxes) in scenes.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        import rasterio

        place = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
        shape = {"width": width, "height": height, "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32633", transform=place, **shape) as raster:
            raster.write(np.zeros((1, height, width), np.uint8))
        features = []
        for label, (x0, y0, x1, y1) in boxes:
            ring = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
            polygon = {"type": "Polygon", "coordinates": [[[500_000 + x / 2, 5_000_000 - y / 2] for x, y in ring]]}
            features.append({"type": "Feature", "properties": {"kind": label}, "geometry": polygon})
        path.with_suffix(".geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return {
        "label_property": "kind",
        "ignore_property": "",
        "crs": "picture",
        "missing": "empty",
        "split_folders": False,
    }


WRITERS = {"boxes_csv": boxes_csv, "coco": coco, "geojson": geojson, "voc": voc, "yolo": yolo}
