"""Detections of validation or test as files for other programs: GeoJSON, COCO's JSON, and heat maps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from counterpoise import storage
from counterpoise.artifacts import decision as decision_file
from counterpoise.artifacts import detections, manifest, predictions, scenes, splits
from counterpoise.boxes import exports
from counterpoise.boxes.matching import Detections, Truth
from counterpoise.config import InputError
from counterpoise.decision import boxes

ANNOTATIONS, RESULTS = "annotations.json", "results.json"
GEOJSON, HEAT_MAP = ".geojson", ".heat.tif"


@dataclass(frozen=True)
class Position:
    """Where a scene lies: its reference system, and the six numbers of `rasterio`'s transform."""

    crs: str
    transform: tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Found:
    """What was found in the n scenes of a split.

    Attributes:
        scenes: Path below `ingest.root`, width and height in px of each.
        positions: Of the scenes that state one, by number of the scene.
        names: The class names.
        detections: Boxes in pixels of their scene, with their number.
        probs: How probably each is right.
        decided: Whether each is decided for.
        truth: The objects, likewise.
    """

    scenes: tuple[tuple[str, int, int], ...]
    positions: dict[int, Position]
    names: tuple[str, ...]
    detections: Detections
    probs: NDArray[np.float64]
    decided: NDArray[np.bool_]
    truth: Truth


def read(root: Path, split: str) -> Found:
    """Read what was found in a split; blocks of one scene are put together.

    Raises:
        InputError: The labels of this run are no boxes.
        ArtifactError: The pipeline was not run yet.
    """
    decision = decision_file.read(root)
    if decision.boxes is None:
        raise InputError(f"this run has no boxes to export: its task is {decision.task!r}; expected 'detection'")
    predicted, found = predictions.read(root, split), detections.read(root, split)
    images = splits.join(root, manifest.read(root), splits.read(root)).set_index("image_id")
    images = images.loc[list(predicted.image_ids)]
    scene_of = images["scene_id"].tolist() if splits.has_blocks(images) else list(predicted.image_ids)
    names = sorted(set(scene_of))
    number = np.array([names.index(name) for name in scene_of], dtype=np.int64)
    sizes = dict(zip(scene_of, images[["width_px", "height_px"]].to_numpy().tolist(), strict=True))
    there, truth = detections.arrays(found, split, predicted.image_ids, predicted.classes)
    known = scenes.read(root).set_index("image_id")
    return Found(
        tuple((name, *sizes[name]) for name in names),
        {
            place: Position(str(known.loc[name, "crs"]), tuple(known.loc[name, list(scenes.TRANSFORM)].tolist()))
            for place, name in enumerate(names)
            if name in known.index
        },
        predicted.classes,
        Detections(number[there.image], there.label, there.boxes, there.scores),
        boxes.probabilities(decision.boxes, there.scores, there.label),
        boxes.decided(decision.boxes, there.scores, there.label),
        Truth(number[truth.image], truth.label, truth.boxes, truth.ignore),
    )


def write(folder: Path, found: Found, cell_px: int) -> None:
    """Write all files into a new folder, which appears as a whole.

    Args:
        folder: Gets `annotations.json` and `results.json`; for each scene a heat map and, if the scene states a
            position, a GeoJSON, named after the scene (with its suffix, if names are equal without).
        found: What was found.
        cell_px: Side of a cell of heat maps.

    Raises:
        InputError: Scenes state a position, but rasterio is missing.
    """
    whole = [name for name, _, _ in found.scenes]
    stems = [str(PurePosixPath(name).with_suffix("")) for name in whole]
    stems = stems if len(set(stems)) == len(stems) else whole
    with storage.replacing(folder, folder=True) as inside:
        _write_json(inside / ANNOTATIONS, exports.coco_annotations(found.scenes, found.names, found.truth))
        of = found.detections
        ids = (of.image + 1).tolist(), (of.label + 1).tolist()
        _write_json(inside / RESULTS, exports.coco_results(of.boxes, found.probs, *ids))
        for number, (stem, (_, width, height)) in enumerate(zip(stems, found.scenes, strict=True)):
            own, place = of.image == number, found.positions.get(number)
            (inside / stem).parent.mkdir(parents=True, exist_ok=True)
            heat = exports.heat_map(of.boxes[own], found.probs[own], width, height, cell_px).astype(np.float32)
            _write_heat_map(inside / (stem + HEAT_MAP), heat, place, cell_px)
            if place is not None:
                own &= found.decided
                labels = [found.names[label] for label in of.label[own]]
                polygons = exports.geojson(of.boxes[own], labels, found.probs[own], place.transform, place.crs)
                _write_json(inside / (stem + GEOJSON), polygons)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_heat_map(path: Path, heat: NDArray[np.float32], place: Position | None, cell_px: int) -> None:
    """Write a TIFF of floating point, with the position of the scene if that is known."""
    if place is None:
        from PIL import Image

        Image.fromarray(heat).save(path)
        return
    try:
        import rasterio
    except ModuleNotFoundError as error:
        raise InputError(
            "scenes state a position, but rasterio is not installed; run `pip install 'counterpoise[geo]'`"
        ) from error
    a, b, c, d, e, f = place.transform
    rows, columns = heat.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=columns,
        height=rows,
        count=1,
        dtype="float32",
        crs=place.crs,
        transform=rasterio.Affine(a * cell_px, b * cell_px, c, d * cell_px, e * cell_px, f),
    ) as raster:
        raster.write(heat[None])
