"""Where on the earth the pixels of a GeoTIFF lie, and how much ground they show."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts import scenes

if TYPE_CHECKING:
    import pandas as pd
    from rasterio import DatasetReader

EQUAL_AREA = "EPSG:6933"
"""A cylindrical projection of the WGS 84 ellipsoid that keeps areas; x and y in metres."""
AROUND_M = 34_735_060.8903
"""Length of the equator there."""
POINTS = 64
"""Straight pieces that each side of a picture is taken for."""
CRS_TAG, ORIENTATION_TAG = 34735, 274
"""Tags of a TIFF that tell its reference system, and how it is turned."""


def find(root: Path, images: pd.DataFrame, say: Callable[[str], None]) -> pd.DataFrame:
    """Find the position of each image that states one.

    Args:
        root: The repository.
        images: The manifest.
        say: Takes warnings.

    Returns:
        The rows of `data/scenes.csv`. GeoTIFFs that cannot be placed on the earth have none.
    """
    import pandas as pd

    stating = [(name, root / path) for name, path in zip(images["image_id"], images["path"], strict=True)]
    stating = [(name, path) for name, path in stating if states_position(path)]
    if not stating:
        return scenes.empty()
    if importlib.util.find_spec("rasterio") is None:
        say(
            f"{len(stating)} GeoTIFFs state where they lie, such as {stating[0][0]}, but rasterio is missing, so "
            "nothing is counted per square kilometre; run `pip install 'counterpoise[geo]'`"
        )
        return scenes.empty()
    found = [(name, place(path)) for name, path in stating]
    if lost := [name for name, where in found if where is None]:
        say(
            f"{len(lost)} GeoTIFFs have no position on the earth, such as {lost[0]}, so nothing is counted per square "
            "kilometre; check their reference system by `gdalinfo`, or by `rio info`"
        )
    rows = [(name, *where) for name, where in found if where is not None]
    return pd.DataFrame(rows, columns=list(scenes.COLUMNS)) if rows else scenes.empty()


def place(path: Path) -> tuple[str | float, ...] | None:
    """Find the position of a GeoTIFF.

    Returns:
        The columns of `data/scenes.csv` after the first; `None` where it has no position on the earth.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
        try:
            with rasterio.open(path) as raster:
                if raster.crs is None or raster.transform.is_identity:
                    return None
                area = pixel_square_m(raster)
                return None if area is None else (raster.crs.to_string(), *raster.transform[:6], area)
        except RasterioError:
            return None


def pixel_square_m(raster: DatasetReader) -> float | None:
    """Compute the mean ground area of a pixel in square metres, on the ellipsoid.

    The outline of the picture is moved to a projection that keeps areas. So a scene in degrees, in feet, or in a
    projection that stretches far from the equator (Web Mercator) gets its true area. Height is not considered: a slope
    of 10 degrees has 1.5 % more surface.

    Returns:
        `None` where the reference system is not one of the earth.
    """
    from rasterio.warp import transform

    if not (raster.crs.is_projected or raster.crs.is_geographic):
        return None
    columns, rows = _outline(raster.width, raster.height)
    a, b, c, d, e, f = raster.transform[:6]
    xs, ys = a * columns + b * rows + c, d * columns + e * rows + f
    moved = np.array(transform(raster.crs, EQUAL_AREA, xs.tolist(), ys.tolist()))
    x, y = np.unwrap(moved[0], period=AROUND_M), moved[1]  # across the date line
    x, y = x - x[0], y - y[0]
    area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return area / (raster.width * raster.height) if np.isfinite(area) and area > 0 else None


def _outline(width: int, height: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns and rows of points around a picture, (4 `POINTS`,) each."""
    share, zero, one = np.arange(POINTS) / POINTS, np.zeros(POINTS), np.ones(POINTS)
    columns = np.concatenate([share, one, 1 - share, zero]) * width
    return columns, np.concatenate([zero, share, one, 1 - share]) * height


def states_position(path: Path) -> bool:
    """Say whether a file is a TIFF with a reference system, whose pixels are shown unturned."""
    import tifffile

    with path.open("rb") as file:
        if file.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return False
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages.first.tags
        return CRS_TAG in tags and (ORIENTATION_TAG not in tags or tags[ORIENTATION_TAG].value == 1)
