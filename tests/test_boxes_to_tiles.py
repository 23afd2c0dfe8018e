"""Two GeoTIFFs with boxes of trees, from raw files to tiles and draws: read by windows, split by blocks."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from counterpoise import config, images
from counterpoise.artifacts import boxes, draws, prior, rejected, splits, tile_boxes, tiles
from counterpoise.artifacts import scenes as scenes_file
from counterpoise.images import scenes
from counterpoise.stages import ingest, oversample, split, tile

REPOSITORY = Path(__file__).resolve().parents[1]
TREES = Path(__file__).resolve().parents[2] / "shared" / "data" / "geotiff"
NAMES = ("2018_SJER_3_252000_4107000_image_477", "OSBS_029")
CORNERS = ["x0_px", "y0_px", "x1_px", "y1_px"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write the boxes as GeoJSON in the coordinates of the pictures, and parameters that cut 400 px into 9 blocks."""
    if not TREES.is_dir():
        pytest.skip(f"{TREES} does not exist: put the geotiff crops there")
    folder = tmp_path / "data/raw/trees"
    folder.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(TREES / f"{name}.tif", folder)
        features = []
        with rasterio.open(folder / f"{name}.tif") as raster, (TREES / f"{name}.csv").open() as file:
            for row in csv.DictReader(file):
                x0, y0, x1, y1 = (float(row[side]) for side in ("xmin", "ymin", "xmax", "ymax"))
                ring = [raster.transform @ point for point in ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))]
                shape = {"type": "Polygon", "coordinates": [ring]}
                features.append({"type": "Feature", "properties": {"label": "tree"}, "geometry": shape})
        (folder / f"{name}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    content = config.load(REPOSITORY) | {"task": "detection"}
    content["ingest"] |= {"root": "data/raw/trees", "source": "geojson"}
    content["ingest"]["sources"]["geojson"]["crs"] = "picture"
    content["split"]["blocks"] = {"size_px": 128, "guard_px": 64}
    content["tile"] |= {"size_px": 64, "overlap_px": 24}
    (tmp_path / config.PATH).write_text(json.dumps(content))
    return tmp_path


def test_trees_of_geotiffs_come_from_the_earth_to_tiles_and_draws(root, monkeypatch):
    monkeypatch.setattr(scenes, "LARGE_BYTES", 1000)  # all pictures are read by windows
    for stage in (ingest, split, tile, oversample):
        stage.main(root, config.read(root, stage.Params))
    known, dealt = boxes.read(root), splits.read(root)
    assert len(known) == 68
    assert rejected.read(root).empty
    places = scenes_file.read(root)
    assert places["crs"].str.startswith("EPSG:326").all()  # UTM on the northern half
    assert places["pixel_square_m"].tolist() == pytest.approx([0.01, 0.01], rel=1e-3)  # pixels of 10 cm
    assert dealt.groupby("scene_id").size().tolist() == [9, 9]
    corners = {(row["image_id"], row["box"]): row[CORNERS].to_numpy(dtype=float) for _, row in known.iterrows()}
    seen = 0
    for name in splits.NAMES:
        found, shown = tiles.read(root, name), tile_boxes.read(root, name)
        for number, (tile_id, image_id, window) in enumerate(
            zip(found.table["tile_id"], found.table["image_id"], found.table[CORNERS].to_numpy().tolist(), strict=True)
        ):
            scene_id = image_id.split("#")[0]
            x0, y0, x1, y1 = window
            with rasterio.open(root / "data/raw/trees" / scene_id) as raster:
                expected = np.moveaxis(raster.read(window=Window(x0, y0, x1 - x0, y1 - y0)), 0, -1)
            assert (images.decode(found.load(number)) == expected).all()
            for _, box in shown[(shown["tile_id"] == tile_id) & (shown["visible_frac"] == 1)].iterrows():
                back = np.add(box[CORNERS].to_numpy(dtype=float), (x0, y0, x0, y0))
                assert back == pytest.approx(corners[scene_id, box["box"]], abs=1e-9)
                seen += 1
    assert seen > 10  # guard bands take most of pictures this small
    assert len(draws.read(root, tiles.read(root, "train"))) == len(tiles.read(root, "train").table)
    assert isinstance(prior.read(root), prior.BoxPrior)
