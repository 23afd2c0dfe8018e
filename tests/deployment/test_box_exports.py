"""Exported boxes, read back by this project's own sources, by pycocotools and by rasterio."""

import contextlib
import io
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tests import test_detection as problem

from counterpoise.artifacts import detections, manifest, scenes, splits
from counterpoise.boxes.matching import Detections, Truth
from counterpoise.deployment import box_exports
from counterpoise.sources import coco, geojson

CELL = 100


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 60 scenes, of which all but the first state a position; the second is turned against its grid."""
    root = tmp_path_factory.mktemp("exports")
    problem.write_problem(root)
    names = [f"scene{number:03d}" for number in range(1, 60)]
    turned = (0.3, 0.4, 5e5, 0.4, -0.3, 5.5e6)
    rows = [
        (name, "EPSG:25832", *(turned if number == 0 else (0.5, 0.0, 5e5, 0.0, -0.5, 5.5e6)), 0.25)
        for number, name in enumerate(names)
    ]
    scenes.write(root, pd.DataFrame(rows, columns=list(scenes.COLUMNS)))
    problem.run(root)
    box_exports.write(root / "there", box_exports.read(root, "test"), CELL)
    return root


def test_coco_files_give_the_figures_of_the_run(root: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(root / "there/annotations.json")
        engine = COCOeval(truth, truth.loadRes(str(root / "there/results.json")), "bbox")
        engine.evaluate()
        engine.accumulate()
        engine.summarize()
    figures = json.loads((root / "reports/metrics.json").read_text())
    assert engine.stats[0] == pytest.approx(figures["box_average_precision"], abs=1e-3)
    assert engine.stats[1] == pytest.approx(figures["box_average_precision_50"], abs=1e-3)


def test_objects_return_through_the_source_coco(root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text((root / "there/annotations.json").read_text())
    params = coco.Params(file="a.json", split_files={}, image_folder="", split_key="", group_key="")
    rows = [row for row in coco.read(tmp_path, params, pytest.fail) if row.box is not None]
    there = detections.read(root, "test").there
    expected = there[["image_id", "label", *detections.CORNERS]].to_numpy().tolist()
    found = [[row.image, row.labels[0], *row.box] for row in rows if row.box is not None]
    assert len(found) == len(expected)
    for one, other in zip(sorted(found), sorted(expected), strict=True):
        assert one[:2] == other[:2]
        assert one[2:] == pytest.approx(other[2:], abs=1e-9)


def test_polygons_return_through_the_source_geojson_to_the_boxes_that_are_decided_for(
    root: Path, tmp_path: Path
) -> None:
    """Also in a scene that is turned: the hull of the polygon in pixels is the box."""
    params = geojson.Params(
        label_property="label", ignore_property="", crs="file", missing="empty", split_folders=False
    )
    known = scenes.read(root).set_index("image_id")
    of = box_exports.read(root, "test")
    for number, name in ((1, "scene001"), (2, "scene002")):
        transform = rasterio.Affine(*known.loc[name, list(scenes.TRANSFORM)])
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", width=640, height=640, count=1, dtype="uint8",
            crs="EPSG:25832", transform=transform,
        ) as raster:  # fmt: skip
            raster.write(np.zeros((1, 640, 640), dtype=np.uint8))
        (tmp_path / f"{name}.geojson").write_text((root / f"there/{name}.geojson").read_text())
        rows = [row for row in geojson.read(tmp_path, params, pytest.fail) if row.box and row.image == f"{name}.tif"]
        own = of.decided & (of.detections.image == number)
        assert len(rows) == own.sum() > 0
        np.testing.assert_allclose(np.array([row.box for row in rows]), of.detections.boxes[own], atol=1e-4)
        assert [row.labels[0] for row in rows] == [of.names[label] for label in of.detections.label[own]]
    assert not (root / "there/scene000.geojson").exists()


def test_heat_maps_hold_the_expected_objects_and_lie_where_their_scene_lies(root: Path) -> None:
    of = box_exports.read(root, "test")
    for number in (0, 2):
        with (
            warnings.catch_warnings(action="ignore", category=rasterio.errors.NotGeoreferencedWarning),
            rasterio.open(root / f"there/scene{number:03d}.heat.tif") as raster,
        ):
            heat, crs, transform = raster.read(1), raster.crs, raster.transform
        assert heat.shape == (7, 7)
        assert heat.sum() == pytest.approx(of.probs[of.detections.image == number].sum(), rel=1e-5)
        if number:
            assert crs.to_epsg() == 25832
            assert tuple(transform)[:6] == (50.0, 0.0, 5e5, 0.0, -50.0, 5.5e6)
        else:
            assert crs is None


def test_blocks_of_a_scene_share_its_files(tmp_path: Path) -> None:
    problem.write_problem(tmp_path)
    problem.run(tmp_path)
    names = splits.read(tmp_path)["image_id"].tolist()
    scene_of = [names[number // 2 * 2] for number in range(len(names))]
    table = pd.DataFrame({"image_id": names, "split": "test", "scene_id": scene_of, "labels": ""})
    splits.write(tmp_path, table.assign(x0_px=0, y0_px=0, x1_px=9, y1_px=9))
    rows = [(name, name, "", "", name, "", 640, 640, "") for name in sorted(set(scene_of))]
    manifest.write(tmp_path, pd.DataFrame(rows, columns=list(manifest.COLUMNS)))
    found = box_exports.read(tmp_path, "test")
    assert [name for name, _, _ in found.scenes] == sorted(set(scene_of))
    assert len(found.probs) == len(detections.read(tmp_path, "test").found)
    assert found.detections.image.max() == 29


def test_scenes_of_equal_stem_keep_their_suffix(tmp_path: Path) -> None:
    none = np.zeros(0, dtype=np.int64)
    truth = Truth(none, none, np.empty((0, 4)), none == 1)
    nothing = Detections(none, none, np.empty((0, 4)), np.empty(0))
    found = box_exports.Found(
        (("s/a.jpg", 9, 9), ("s/a.png", 9, 9)), {}, ("x",), nothing, np.empty(0), none == 1, truth
    )
    box_exports.write(tmp_path / "there", found, 4)
    assert sorted(path.name for path in (tmp_path / "there/s").iterdir()) == ["a.jpg.heat.tif", "a.png.heat.tif"]
