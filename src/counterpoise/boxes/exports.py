"""Boxes for other programs: COCO's list of results, GeoJSON in the reference system of a scene, and a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.boxes.geometry import Boxes, Floats
from counterpoise.boxes.matching import Truth


def coco_results(
    boxes: Boxes, scores: Floats, image_ids: Sequence[int | str], category_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """Write boxes as COCO's results: x, y, width and height.

    Args:
        boxes: (n, 4).
        scores: (n,) probabilities.
        image_ids: n ids, as the file of annotations has them.
        category_ids: n ids of classes.

    Example:
        >>> coco_results(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([0.5]), [7], [1])
        [{'image_id': 7, 'category_id': 1, 'bbox': [1.0, 2.0, 3.0, 6.0], 'score': 0.5}]
    """
    sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
    rows = zip(image_ids, category_ids, sizes, scores.tolist(), strict=True)
    return [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, box, score in rows
    ]


def geojson(
    boxes: Boxes,
    labels: Sequence[str],
    scores: Floats,
    transform: tuple[float, float, float, float, float, float],
    crs: str | None,
) -> dict[str, Any]:
    """Write boxes as polygons on the ground.

    x = a col + b row + c and y = d col + e row + f for the corners of a box; a scene that is turned against the grid
    gives turned rectangles.

    Args:
        boxes: (n, 4) in pixels of the scene.
        labels: n class names.
        scores: (n,) probabilities.
        transform: a, b, c, d, e, f, as `rasterio`'s `dataset.transform` begins.
        crs: Name of the reference system such as `EPSG:25832`; `None` for the default of GeoJSON, degrees in WGS 84.

    Returns:
        A FeatureCollection, whose rings turn against the clock where y grows to the north.

    Source: RFC 7946. Departure: the member `crs` of the older standard of 2008, which QGIS and GDAL read, where a
        system is named.

    Example:
        >>> found = geojson(np.array([[0, 0, 2.0, 1]]), ["roof"], np.array([0.5]), (10, 0, 500, 0, -10, 900), None)
        >>> found["features"][0]["geometry"]["coordinates"]
        [[[500.0, 890.0], [520.0, 890.0], [520.0, 900.0], [500.0, 900.0], [500.0, 890.0]]]
    """
    a, b, c, d, e, f = transform
    ring = boxes[:, [[0, 3], [2, 3], [2, 1], [0, 1], [0, 3]]]
    columns, rows = ring[..., 0], ring[..., 1]
    places = np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=-1).tolist()
    features = [
        {
            "type": "Feature",
            "properties": {"label": label, "score": score},
            "geometry": {"type": "Polygon", "coordinates": [place]},
        }
        for label, score, place in zip(labels, scores.tolist(), places, strict=True)
    ]
    system = {} if crs is None else {"crs": {"type": "name", "properties": {"name": crs}}}
    return {"type": "FeatureCollection", **system, "features": features}


def heat_map(boxes: Boxes, scores: Floats, width: int, height: int, cell_px: int) -> Floats:
    """Add up the scores of the boxes whose centre lies in each cell of a grid: expected objects per cell.

    Args:
        boxes: (n, 4) in pixels of the scene.
        scores: (n,) calibrated probabilities.
        width: Of the scene, in pixels.
        height: As `width`.
        cell_px: Side of a cell.

    Returns:
        (rows, columns) from the upper left; the last ones may reach beyond the scene. The sum is that of the scores.

    Example:
        >>> heat_map(np.array([[0, 0, 2.0, 2], [6, 0, 8, 2]]), np.array([0.5, 0.25]), 10, 4, 4).tolist()
        [[0.5, 0.25, 0.0]]
    """
    rows, columns = -(-height // cell_px), -(-width // cell_px)
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2 // cell_px).astype(np.int64)
    x, y = np.clip(centres[:, 0], 0, columns - 1), np.clip(centres[:, 1], 0, rows - 1)
    return np.asarray(np.bincount(y * columns + x, scores, minlength=rows * columns).reshape(rows, columns))


def coco_annotations(
    images: Sequence[tuple[str, int, int]], classes: Sequence[str], truth: Truth
) -> dict[str, list[dict[str, Any]]]:
    """Write objects as COCO's file of annotations. Ids count from 1, in the order given.

    Args:
        images: File name, width and height in pixels of each.
        classes: Class names.
        truth: The objects; what is ignored becomes a crowd, as in COCO.

    Returns:
        Lists `images`, `categories` and `annotations`.

    Example:
        >>> one = np.zeros(1, dtype=np.int64)
        >>> truth = Truth(one, one, np.array([[1.0, 2.0, 4.0, 8.0]]), np.zeros(1, dtype=bool))
        >>> coco_annotations([("a.png", 10, 10)], ["roof"], truth)["annotations"]
        [{'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [1.0, 2.0, 3.0, 6.0], 'area': 18.0, 'iscrowd': 0}]
    """
    sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
    sizes = np.concatenate([truth.boxes[:, :2], sides], axis=1).tolist()
    columns = (truth.image, truth.label, sides.prod(axis=1), truth.ignore)
    rows = zip(sizes, *(column.tolist() for column in columns), strict=True)
    return {
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, (name, width, height) in enumerate(images, start=1)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, start=1)],
        "annotations": [
            {
                "id": number,
                "image_id": image + 1,
                "category_id": label + 1,
                "bbox": box,
                "area": area,
                "iscrowd": int(ignore),
            }
            for number, (box, image, label, area, ignore) in enumerate(rows, start=1)
        ],
    }
