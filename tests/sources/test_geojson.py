import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.sources import Row, geojson

TREES = Path(__file__).resolve().parents[3] / "shared" / "data" / "geotiff"
PARAMS = {
    "label_property": "kind",
    "ignore_property": "",
    "crs": "picture",
    "missing": "empty",
    "split_folders": False,
}
UTM = "EPSG:32633"


def write_picture(path: Path, place: Any, crs: str | None = UTM) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"width": 20, "height": 10, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=place, **shape) as raster:
        raster.write(np.zeros((1, 10, 20), np.uint8))


NORTH_UP = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)


def polygon(*corners: tuple[float, float], **properties: object) -> dict[str, Any]:
    shape = {"type": "Polygon", "coordinates": [[list(corner) for corner in corners]]}
    return {"type": "Feature", "properties": {"kind": "roof", **properties}, "geometry": shape}


SQUARE = polygon((500_001, 4_999_998), (500_002, 4_999_998), (500_002, 4_999_999), (500_001, 4_999_999))


def write(path: Path, *features: object, **members: object) -> None:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **members}))


def read(folder: Path, **changes: object) -> list[Row]:
    return geojson.read(folder, config.validate(geojson.Params, PARAMS | changes), print)


def test_coordinates_become_pixels_of_the_picture(tmp_path):
    """Half a metre per pixel: 1 to 2 m east of the left edge are 2 to 4 px; 1 to 2 m south of the top as many."""
    write_picture(tmp_path / "a.tif", NORTH_UP)
    write(tmp_path / "a.geojson", SQUARE)
    image, box = read(tmp_path)
    assert image == Row("a.tif", "a.tif", (), "", size_px=(20, 10))
    assert box == Row("a.geojson feature 1", "a.tif", ("roof",), "", box=(2, 2, 4, 4), size_px=(20, 10))


def test_in_a_turned_picture_the_box_is_the_hull_of_the_turned_corners(tmp_path):
    """Columns of pixels go south, rows go east."""
    write_picture(tmp_path / "a.tif", rasterio.Affine(0, 1, 500_000, -1, 0, 5_000_000))
    write(tmp_path / "a.geojson", polygon((500_001, 4_999_990), (500_004, 4_999_990), (500_004, 4_999_995)))
    assert read(tmp_path)[1].box == pytest.approx((5, 1, 10, 4))


def test_longitude_and_latitude_are_the_default_of_the_format(tmp_path):
    write_picture(tmp_path / "a.tif", NORTH_UP)
    metres = SQUARE["geometry"]["coordinates"][0]
    degrees = transform(UTM, "EPSG:4326", *zip(*metres, strict=True))
    write(tmp_path / "a.geojson", polygon(*zip(*degrees, strict=True)))
    assert read(tmp_path, crs="file")[1].box == pytest.approx((2, 2, 4, 4), abs=1e-3)
    stated = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    write(tmp_path / "a.geojson", SQUARE, crs=stated)
    assert read(tmp_path, crs="file")[1].box == (2, 2, 4, 4)
    write(tmp_path / "a.geojson", SQUARE, crs={"type": "name", "properties": {"name": "nowhere"}})
    with pytest.raises(InputError, match=r"its crs 'nowhere' is unknown; .*crs to picture"):
        read(tmp_path, crs="file")


@pytest.mark.parametrize(
    ("feature", "fault"),
    [
        (polygon(), "expected one of"),
        ({"type": "Feature", "properties": {"kind": "roof"}, "geometry": None}, "its geometry is None"),
        (
            {"properties": {"kind": "a"}, "geometry": {"type": "Point", "coordinates": [1, 2]}},
            "its geometry is 'Point'",
        ),
        (polygon((1, 2), (3, 4), kind=None), "the feature has no property 'kind'"),
        ("roof", "the feature has no property 'kind'"),
    ],
)
def test_a_feature_that_is_no_box_says_why(tmp_path, feature, fault):
    write_picture(tmp_path / "a.tif", NORTH_UP)
    write(tmp_path / "a.geojson", feature)
    row = read(tmp_path)[1]
    assert (row.where, row.box) == ("a.geojson feature 1", None)
    assert fault in row.fault


def test_a_property_says_what_is_ignored(tmp_path):
    write_picture(tmp_path / "a.tif", NORTH_UP)
    write(tmp_path / "a.geojson", *(polygon((1, 2), (3, 4), skip=value) for value in (True, 1, 0, None)))
    assert [row.ignore for row in read(tmp_path, ignore_property="skip")[1:]] == [True, True, False, False]


def test_a_missing_file_means_what_the_parameter_says_and_a_lonely_one_is_reported(tmp_path, capsys):
    write_picture(tmp_path / "a.tif", NORTH_UP)
    write(tmp_path / "b.geojson", SQUARE)
    assert read(tmp_path) == [Row("a.tif", "a.tif", (), "")]
    assert "b.geojson: there is no GeoTIFF of this name" in capsys.readouterr().out
    assert read(tmp_path, missing="leave_out")[0].unused == "it has no a.geojson"


def test_folders_may_be_splits(tmp_path):
    write_picture(tmp_path / "Valid" / "deep" / "a.tif", NORTH_UP)
    assert read(tmp_path, split_folders=True)[0].split == "val"
    assert read(tmp_path)[0].split == ""
    write_picture(tmp_path / "b.tif", NORTH_UP)
    with pytest.raises(InputError, match=r"'b\.tif' is no split; .*split_folders to false"):
        read(tmp_path, split_folders=True)


@pytest.mark.filterwarnings("ignore:The given matrix is equal to Affine.identity")
@pytest.mark.parametrize(("crs", "place"), [(None, NORTH_UP), (UTM, rasterio.Affine.identity())])
def test_a_picture_without_a_position_is_refused(tmp_path, crs, place):
    write_picture(tmp_path / "a.tif", place, crs)
    write(tmp_path / "a.geojson", SQUARE)
    with pytest.raises(InputError, match=r"a\.tif: it has no coordinate reference system or no position"):
        read(tmp_path)


def test_a_missing_package_is_named_with_the_command(tmp_path, monkeypatch):
    write_picture(tmp_path / "a.tif", NORTH_UP)
    write(tmp_path / "a.geojson", SQUARE)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(InputError, match=r"pip install 'counterpoise\[geo\]'"):
        read(tmp_path)


def test_real_boxes_of_trees_return_from_the_coordinates_of_their_picture(tmp_path):
    if not TREES.is_dir():
        pytest.skip(f"{TREES} does not exist: put the geotiff crops there")
    shutil.copy(TREES / "OSBS_029.tif", tmp_path)
    with (TREES / "OSBS_029.csv").open() as file:
        boxes = [[float(row[side]) for side in ("xmin", "ymin", "xmax", "ymax")] for row in csv.DictReader(file)]
    with rasterio.open(TREES / "OSBS_029.tif") as raster:
        features = [polygon(raster.xy(y0, x0, offset="ul"), raster.xy(y1, x1, offset="ul")) for x0, y0, x1, y1 in boxes]
    write(tmp_path / "OSBS_029.geojson", *features)
    assert np.array([row.box for row in read(tmp_path)[1:]]) == pytest.approx(np.array(boxes), abs=1e-5)
