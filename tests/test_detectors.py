"""From raw pictures with boxes to a page: a small detector is trained, finds boxes, decides and is scored."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
import yaml
from rasterio import Affine
from tests import pages

from counterpoise import config, images
from counterpoise.artifacts import detections, model, predictions, prior, tiles, training
from counterpoise.commands import predict as command
from counterpoise.commands import suggest_labels, suspects
from counterpoise.config import CopyPaste, InputError
from counterpoise.dataset import inputs
from counterpoise.stages import decide, embed, evaluate, ingest, oversample, predict, report, split, tile, train
from counterpoise.training.tasks import detection

REPOSITORY = Path(__file__).resolve().parents[1]
STAGES = (ingest, split, tile, oversample, embed)
CPU = torch.device("cpu")
KINDS = {"square": (230, 40, 40), "bar": (40, 40, 230)}
SIDE, COUNT = 64, 40


def picture(rng: np.random.Generator) -> tuple[images.RGB, list[tuple[str, list[int]]]]:
    """Draw a grey picture with a square, and on every third one a bar."""
    image = rng.integers(90, 130, (SIDE, SIDE, 3), dtype=np.uint8)
    shown = []
    for kind in ("square", "bar")[: 1 + (rng.random() < 0.4)]:
        width, height = (18, 18) if kind == "square" else (26, 10)
        x = int(rng.integers(0, SIDE - width))
        y = int(rng.integers(0, 32 - height)) + (32 if kind == "bar" else 0)
        image[y : y + height, x : x + width] = KINDS[kind]
        shown.append((kind, [x, y, width, height]))
    return image, shown


def write(root: Path, **changes: Any) -> None:
    """Write a COCO set and parameters for a detector of a minute's size."""
    folder, rng = root / "data/raw/marks", np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = list(KINDS)
    coco: dict[str, list[Any]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
    }
    for number in range(COUNT):
        image, shown = picture(rng)
        (folder / f"{number}.png").write_bytes(images.encode_png(image))
        coco["images"].append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
        for kind, box in shown:
            coco["annotations"].append(
                {"id": len(coco["annotations"]), "image_id": number, "category_id": names.index(kind), "bbox": box}
            )
    (folder / "annotations.json").write_text(json.dumps(coco))
    content = config.load(REPOSITORY)
    scenes = config.parse((REPOSITORY / "presets/bccd.yaml").read_text())
    content |= {name: scenes[name] for name in ("task", "demo", "ingest", "train", "decide", "predict")}
    content["ingest"]["root"] = "data/raw/marks"
    content["ingest"]["sources"]["coco"] |= {"file": "annotations.json", "split_key": ""}
    content["tile"] |= {"size_px": SIDE, "overlap_px": 32}
    content["split"] |= {"val_frac": 0.2, "test_frac": 0.3}
    content["model"] |= {"backbone": "test_resnet", "weights": "none", "input_px": SIDE, "freeze": "none"}
    content["train"] |= {"epochs": 16, "learning_rate": 0.004, "warmup_epochs": 1.0, "ema": 0.8, "augment": "none"}
    content["detector"] |= {"levels": [2, 3], "channels": 32, "hidden": 32, "proposal_count": 40, "freeze_norms": False}
    content["detector"]["anchors"] |= {"sizes_px": [16, 32], "ratios": [0.5, 1.0]}
    content["evaluate"]["positive"] = "square"
    for key, value in changes.items():
        section, name = key.split("__")
        content[section][name] = value
    (root / config.PATH).write_text(yaml.safe_dump(content, sort_keys=False))


def run(root: Path, *stages: Any) -> None:
    for stage in stages:
        stage.main(root, config.read(root, stage.Params))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which all stages ran, without processes that load: there is next to nothing to load."""
    root = tmp_path_factory.mktemp("detector")
    write(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "workers_count", lambda: 0)
        pages.leave_charts_blank(patch)
        run(root, *STAGES, train, predict, decide, evaluate, report)
    return root


def test_it_finds_what_it_was_trained_for(trained: Path) -> None:
    history = training.read(trained)
    assert history["val/ap50"].iloc[-1] > 0.5
    assert history["train/loss"].iloc[-1] < history["train/loss"].iloc[0] / 2
    metrics = json.loads((trained / "reports/metrics.json").read_text())
    assert metrics["box_average_precision_50"] > 0.5


def test_boxes_and_images_belong_together(trained: Path) -> None:
    for split_name in ("val", "test"):
        found, images_of = detections.read(trained, split_name), predictions.read(trained, split_name)
        assert set(found.there["image_id"]) == set(images_of.image_ids)
        highest = found.found.groupby(["image_id", "label"])["logit"].max()
        for number, image_id in enumerate(images_of.image_ids):
            for column, name in enumerate(images_of.classes):
                least = float(np.log(0.01 / 0.99))
                assert images_of.logits[number, column] == pytest.approx(highest.get((image_id, name), least), rel=1e-5)


def test_the_card_rebuilds_the_detector(trained: Path) -> None:
    card = model.read_card(trained)
    assert isinstance(card, model.DetectorCard)
    assert len(card.anchors) == 2
    assert [line.piece for line in card.ledger if line.factors is None] == ["detector.sampler"]
    before = detections.read(trained, "test").found
    run(trained, predict)
    assert detections.read(trained, "test").found.equals(before)


def test_portions_give_the_same_boxes(trained: Path, in_portions: Callable[[], None]) -> None:
    whole = detections.read(trained, "test").found
    in_portions()
    run(trained, predict)
    pd.testing.assert_frame_equal(detections.read(trained, "test").found, whole, atol=1e-4)


def test_the_page_shows_boxes(trained: Path) -> None:
    page = (trained / "reports/index.html").read_text()
    assert "faster_rcnn" in page
    assert "square" in page


def predicted(*arguments: str) -> str:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def test_new_images_get_boxes_of_any_size_and_files_for_other_tools(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    scene = np.full((100, 150, 3), 110, dtype=np.uint8)
    scene[20:38, 100:118] = KINDS["square"]
    (tmp_path / "scene.png").write_bytes(images.encode_png(scene))
    out = tmp_path / "found.json"
    assert predicted(str(tmp_path / "scene.png"), "--out", str(out)) == f"{out}: 1 image"
    assert predicted(str(tmp_path / "scene.png")).startswith(f"{tmp_path}/scene.png: ")
    best = max(json.loads(out.read_text()), key=lambda row: float(row["score"]))
    assert best["category_id"] == 1 + model.read_card(trained).classes.index("square")
    assert best["bbox"] == pytest.approx([100, 20, 18, 18], abs=6)
    with pytest.raises(InputError, match=r"states no position on the earth.*\.json"):
        predicted(str(tmp_path / "scene.png"), "--out", str(tmp_path / "found.geojson"))
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="1 of 2 images cannot be read"):
        predicted(str(tmp_path / "scene.png"), str(tmp_path / "broken.png"))
    for option, name in (("--logits", "a.parquet"), ("--out", "a.txt")):
        with pytest.raises(InputError, match=option):
            predicted(str(tmp_path / "scene.png"), option, str(tmp_path / name))


def test_boxes_of_a_geotiff_are_written_as_geojson_where_they_lie_on_the_ground(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    scene, path, out = np.full((70, 90, 3), 110, dtype=np.uint8), tmp_path / "scene.tif", tmp_path / "found.geojson"
    scene[20:38, 40:58] = KINDS["square"]
    with rasterio.open(
        path, "w", "GTiff", 90, 70, 3, dtype="uint8", crs="EPSG:25832", transform=Affine(0.2, 0, 5e5, 0, -0.2, 5.5e6)
    ) as raster:
        raster.write(np.moveaxis(scene, -1, 0))
    assert predicted(str(path), "--out", str(out)) == f"{out}: 1 image"
    content = json.loads(out.read_text())
    assert content["crs"]["properties"]["name"] == "EPSG:25832"
    best = max(content["features"], key=lambda feature: float(feature["properties"]["score"]))
    assert best["properties"] | {"score": 0} == {"label": "square", "score": 0, "image": str(path)}
    x, y = np.array(best["geometry"]["coordinates"][0]).T
    assert [x.min(), x.max()] == pytest.approx([5e5 + 8.0, 5e5 + 11.6], abs=1.2)
    assert [y.min(), y.max()] == pytest.approx([5.5e6 - 7.6, 5.5e6 - 4.0], abs=1.2)


def test_images_with_uncertain_boxes_are_suggested_and_labels_of_boxes_are_not_doubted(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    rng = np.random.default_rng(9)
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(images.encode_png(picture(rng)[0]))
    parser = argparse.ArgumentParser()
    suggest_labels.add_arguments(parser)
    out = tmp_path / "next.csv"
    text = suggest_labels.run(parser.parse_args([str(tmp_path), "--n", "2", "--class", "bar", "--out", str(out)]))
    assert "2 images to label for 'bar', of 4 without a label" in text
    header, *rows = out.read_text().splitlines()
    assert header == "image,model_probability,model_decision,why_suggested"
    assert len(rows) == 2
    parser = argparse.ArgumentParser()
    suspects.add_arguments(parser)
    monkeypatch.setattr("counterpoise.labelling.confident_learning.check_installed", lambda: None)
    with pytest.raises(InputError, match="task is 'detection', and labels are compared with models that never saw"):
        suspects.run(parser.parse_args(["--out", str(tmp_path / "suspects.csv")]))


def test_rare_objects_are_pasted_onto_the_views_that_train_sees(trained: Path) -> None:
    root, params = trained, config.read(trained, train.Params)
    asked = params.oversample.model_copy(
        update={"views": 1, "copy_paste": CopyPaste(frac=1.0, objects=2, margin_px=1, classes=("bar",))}
    )
    known, part = prior.read(root), tiles.read(root, "train")
    rows = np.arange(len(part.table))
    counts, bar = [], known.classes.index("bar")
    for settings in (params, params.model_copy(update={"oversample": asked})):
        found = detection.examples(root, "train", part, rows, np.ones_like(rows), known, settings)
        counts.append(sum((own.labels == bar).sum().item() for _, truth in found.batches([rows], CPU) for own in truth))
    assert counts[1] > counts[0] + len(rows) / 2
