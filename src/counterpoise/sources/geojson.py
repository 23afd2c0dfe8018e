"""Boxes in GeoJSON files beside GeoTIFFs of the same name: the bounds of every feature, in pixels of the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from counterpoise.config import InputError, Name, Section
from counterpoise.sources import SPLITS, Corners, Row, hull, read_json

if TYPE_CHECKING:
    from rasterio import DatasetReader

BLOCK = "ingest.sources.geojson"
GIVES_BOXES = True
PICTURES = (".tif", ".tiff")
AREAS = ("Polygon", "MultiPolygon")
LONGITUDE_LATITUDE = "OGC:CRS84"
"""What coordinates are in a file that names no coordinate reference system (RFC 7946)."""


class Params(Section):
    """Block `ingest.sources.geojson`."""

    label_property: Name
    """Property of a feature that holds its class."""
    ignore_property: Name
    """Property that is true or 1 where a feature is neither an object nor background; empty if there is none."""
    crs: Literal["file", "picture"]
    """In which coordinate reference system the coordinates are. `file`: the one that the member `crs` of the GeoJSON
    names, else longitude and latitude (RFC 7946); `picture`: that of the GeoTIFF."""
    missing: Literal["empty", "leave_out"]
    """What a GeoTIFF without a GeoJSON is. `empty`: it shows no object; `leave_out`: nobody looked at it, so it is not
    used. A GeoJSON without features always means that there is no object."""
    split_folders: bool
    """Whether the folders in `ingest.root` are splits: train, val (also valid, validation, dev) and test."""


def read(folder: Path, params: Params, say: Callable[[str], None]) -> list[Row]:
    """Read every GeoTIFF below a folder, and the GeoJSON beside it.

    Args:
        folder: `ingest.root`.
        params: Names of properties, and what coordinates and missing files mean.
        say: Takes warnings.

    Returns:
        A row for each GeoTIFF, without a label, and one for each feature.

    Raises:
        InputError: rasterio is missing; there is no GeoTIFF; one has no position on the earth; a GeoJSON is damaged; or
            a folder is no split.
    """
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not pictures:
        raise InputError(f"{folder}: found no GeoTIFF (.tif, .tiff); set ingest.root to the folder that holds them")
    stems = {path.with_suffix("") for path in pictures}
    for path in sorted(folder.rglob("*.geojson")):
        if path.with_suffix("") not in stems:
            say(f"{path}: there is no GeoTIFF of this name beside it, so its features are not used")
    return [row for picture in pictures for row in _rows(folder, picture, params)]


def _rows(folder: Path, picture: Path, params: Params) -> Iterator[Row]:
    image, labels = picture.relative_to(folder).as_posix(), picture.with_suffix(".geojson")
    split = ""
    if params.split_folders:
        first = image.split("/")[0]
        if first.casefold() not in SPLITS:
            raise InputError(
                f"{picture}: {first!r} is no split; expected a folder of {list(SPLITS)} below {folder}, "
                f"or set {BLOCK}.split_folders to false"
            )
        split = SPLITS[first.casefold()]
    if not labels.is_file():
        unused = f"it has no {labels.relative_to(folder).as_posix()}" if params.missing == "leave_out" else ""
        yield Row(image, image, (), "", split, unused)
        return
    content = read_json(labels, f"{BLOCK}.missing")
    features = content.get("features")
    if not isinstance(features, list):
        raise InputError(f"{labels}: expected a FeatureCollection with a list `features`; found {list(content)}")
    with _opened(picture) as raster:
        size, to_pixels = (raster.width, raster.height), _to_pixels(labels, content, raster, params.crs)
        yield Row(image, image, (), "", split, size_px=size)
        for number, feature in enumerate(features, start=1):
            where = f"{labels.relative_to(folder).as_posix()} feature {number}"
            values, shape = _part(feature, "properties"), _part(feature, "geometry")
            name, kind_of_shape = values.get(params.label_property), shape.get("type")
            points = list(_points(shape.get("coordinates"))) if kind_of_shape in AREAS else []
            label, fault = "" if name is None else str(name), ""
            if not label:
                fault = f"the feature has no property {params.label_property!r}"
            elif not points:
                fault = f"its geometry is {kind_of_shape!r}; expected one of {list(AREAS)} with coordinates"
            box: Corners | None = None if fault else to_pixels(points)
            ignore = bool(params.ignore_property) and values.get(params.ignore_property) in (True, "1", "true")
            kind = (label,) if label else ()
            yield Row(where, image, kind, "", split, box=box, ignore=ignore, size_px=size, fault=fault)


def _part(feature: object, key: str) -> Mapping[str, Any]:
    part = feature.get(key) if isinstance(feature, dict) else None
    return part if isinstance(part, dict) else {}


def _points(coordinates: object) -> Iterator[tuple[float, float]]:
    """Yield the positions of a geometry of any kind."""
    if not isinstance(coordinates, list):
        return
    if len(coordinates) >= 2 and all(type(value) in (int, float) for value in coordinates):
        yield float(coordinates[0]), float(coordinates[1])
        return
    for part in coordinates:
        yield from _points(part)


def _opened(picture: Path) -> DatasetReader:
    """Open a GeoTIFF; only its header is read.

    Raises:
        InputError: rasterio is missing, or the file is no GeoTIFF.
    """
    try:
        import rasterio
    except ModuleNotFoundError as error:
        raise InputError(
            "ingest.source is 'geojson', but rasterio is not installed; run `pip install 'counterpoise[geo]'`"
        ) from error
    import warnings

    with warnings.catch_warnings(action="ignore", category=rasterio.errors.NotGeoreferencedWarning):
        try:
            raster = rasterio.open(picture)
        except rasterio.errors.RasterioIOError as error:
            raise InputError(f"{picture}: GDAL cannot read it: {error}; move it out of ingest.root") from error
    if raster.crs is None or raster.transform.is_identity:
        raster.close()
        raise InputError(f"{picture}: it has no coordinate reference system or no position; expected a GeoTIFF")
    return raster


def _to_pixels(
    path: Path, content: Mapping[str, Any], raster: DatasetReader, crs: str
) -> Callable[[list[tuple[float, float]]], Corners]:
    """Make a function that finds the hull in pixels of points in the coordinates of the file."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError
    from rasterio.warp import transform

    stated = ((content.get("crs") or {}).get("properties") or {}).get("name", LONGITUDE_LATITUDE)
    try:
        source = raster.crs if crs == "picture" else CRS.from_user_input(stated)
    except CRSError as error:
        raise InputError(f"{path}: its crs {stated!r} is unknown; correct it, or set {BLOCK}.crs to picture") from error
    a, b, c, d, e, f = (~raster.transform)[:6]

    def to_pixels(points: list[tuple[float, float]]) -> Corners:
        xs, ys = [point[0] for point in points], [point[1] for point in points]
        if source != raster.crs:
            xs, ys = transform(source, raster.crs, xs, ys)
        return hull([(a * x + b * y + c, d * x + e * y + f) for x, y in zip(xs, ys, strict=True)])

    return to_pixels
