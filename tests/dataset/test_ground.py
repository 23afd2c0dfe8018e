"""Areas on the ground, beside values by hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image
from rasterio import Affine

from counterpoise.artifacts import manifest, scenes
from counterpoise.dataset import ground

SIZE = 100
FOOT_M = 1200 / 3937  # of the US survey


def write(path: Path, crs: str | None, transform: Affine, width: int = SIZE, height: int = SIZE) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="uint8", crs=crs, transform=transform
    ) as raster:
        raster.write(np.zeros((1, height, width), dtype=np.uint8))
    return path


def area(path: Path) -> float:
    found = ground.place(path)
    assert found is not None
    assert isinstance(found[-1], float)
    return found[-1]


def test_metres_of_a_grid_are_metres_on_the_ground_divided_by_its_scale(tmp_path: Path) -> None:
    """On the central meridian of UTM the scale is 0.9996."""
    path = write(tmp_path / "utm.tif", "EPSG:25832", Affine(0.5, 0, 500_000, 0, -0.5, 5_500_000))
    assert area(path) == pytest.approx(0.25 / 0.9996**2, rel=1e-7)
    turned = write(tmp_path / "turned.tif", "EPSG:25832", Affine(0.3, 0.4, 500_000, 0.4, -0.3, 5_500_000))
    assert area(turned) == pytest.approx(0.25 / 0.9996**2, rel=1e-7)


@pytest.mark.parametrize(
    ("latitude", "longitude_m", "latitude_m"),
    [(0.0, 111_319.49, 110_574.28), (60.0, 55_799.98, 111_412.88)],  # metres in a degree on the ellipsoid of WGS 84
)
def test_degrees_are_measured_on_the_ellipsoid(
    tmp_path: Path, latitude: float, longitude_m: float, latitude_m: float
) -> None:
    step = 1e-4
    transform = Affine(step, 0, 10 - SIZE / 2 * step, 0, -step, latitude + SIZE / 2 * step)
    path = write(tmp_path / "degrees.tif", "EPSG:4326", transform)
    assert area(path) == pytest.approx(longitude_m * latitude_m * step**2, rel=1e-5)


def test_a_scene_across_the_date_line_is_as_large_as_elsewhere(tmp_path: Path) -> None:
    across = area(write(tmp_path / "a.tif", "EPSG:4326", Affine(1e-4, 0, 179.995, 0, -1e-4, 10)))
    assert across == pytest.approx(area(write(tmp_path / "b.tif", "EPSG:4326", Affine(1e-4, 0, 20, 0, -1e-4, 10))))


def test_feet_are_no_metres(tmp_path: Path) -> None:
    """On a standard parallel of the Lambert projection (New York Long Island, 40 2/3 N) the scale is 1."""
    from rasterio.warp import transform

    (x,), (y,) = transform("EPSG:4269", "EPSG:2263", [-74.0], [40 + 2 / 3])
    path = write(tmp_path / "feet.tif", "EPSG:2263", Affine(2, 0, x - SIZE, 0, -2, y + SIZE))
    assert area(path) == pytest.approx((2 * FOOT_M) ** 2, rel=1e-6)


def test_web_mercator_is_not_taken_at_its_word(tmp_path: Path) -> None:
    """At 60 degrees north its metres are half of those on the ground, up to the flattening of the earth."""
    from rasterio.warp import transform

    (x,), (y,) = transform("EPSG:4326", "EPSG:3857", [10.0], [60.0])
    path = write(tmp_path / "mercator.tif", "EPSG:3857", Affine(1, 0, x, 0, -1, y))
    assert area(path) == pytest.approx(0.25, rel=0.01)


def images_of(paths: list[Path], root: Path) -> pd.DataFrame:
    rows = [(path.name, str(path.relative_to(root)), "", "", path.name, "", 1, 1, "") for path in paths]
    return pd.DataFrame(rows, columns=list(manifest.COLUMNS))


def test_pictures_without_a_position_have_no_row_and_those_with_half_of_one_a_warning(tmp_path: Path) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    Image.new("L", (9, 9)).save(tmp_path / "b.tif")
    paths = [tmp_path / "a.png", tmp_path / "b.tif"]
    paths.append(write(tmp_path / "c.tif", "EPSG:25832", Affine(1, 0, 500_000, 0, -1, 5_500_000)))
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    paths.append(write(tmp_path / "d.tif", local, Affine(1, 0, 5, 0, -1, 9)))
    said: list[str] = []
    found = ground.find(tmp_path, images_of(paths, tmp_path), said.append)
    assert found["image_id"].tolist() == ["c.tif"]
    assert found.iloc[0][list(scenes.TRANSFORM)].tolist() == [1, 0, 500_000, 0, -1, 5_500_000]
    assert len(said) == 1
    assert "d.tif" in said[0]


def test_without_rasterio_a_warning_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "c.tif", "EPSG:25832", Affine(1, 0, 500_000, 0, -1, 5_500_000))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said: list[str] = []
    assert ground.find(tmp_path, images_of([path], tmp_path), said.append).empty
    assert "pip install 'counterpoise[geo]'" in said[0]


def test_blocks_have_the_area_of_what_is_left_between_guard_bands() -> None:
    places = pd.DataFrame([("s", "EPSG:25832", 1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 4.0)], columns=list(scenes.COLUMNS))
    whole = pd.DataFrame({"image_id": ["s", "t"], "width_px": [500, 9], "height_px": [1000, 9]})
    found = scenes.square_km(places, whole, ["s"])
    assert found is not None
    assert found.tolist() == [2.0]
    assert scenes.square_km(places, whole, ["s", "t"]) is None
    block = {"image_id": "s#1", "scene_id": "s", "x0_px": 100, "y0_px": 0, "x1_px": 350, "y1_px": 500}
    found = scenes.square_km(places, pd.DataFrame([block]), ["s#1"])
    assert found is not None
    assert found.tolist() == [0.5]
