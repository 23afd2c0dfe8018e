"""From generated scenes to the page: boxes of a perturbed truth, cut to tiles and brought back, then all stages."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from huggingface_hub import ModelCard
from PIL import Image
from tests import perturbed
from tests.revisions.copies import copied

from counterpoise import config
from counterpoise.artifacts import detections, draws, plots, predictions, rejected, tiles
from counterpoise.artifacts import scenes as scenes_file
from counterpoise.demos import scenes as demo
from counterpoise.report import model_card
from counterpoise.revisions import checkout, comment, comparable
from counterpoise.revisions.run import Run, read
from counterpoise.stages import decide, evaluate, ingest, oversample, report, split, tile

REPOSITORY = Path(__file__).resolve().parents[1]
FOOT = 0.2  # metres of a pixel


class Content(HTMLParser):
    """Text of a page, and of each section by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self.open.append(dict(attrs).get("id") or "")
            self.sections.setdefault(self.open[-1], [])
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self.open.pop()
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            for name in self.open or [""]:
                self.sections.setdefault(name, []).append(data)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight generated scenes; fewer would begin with the same ones."""
    folder = tmp_path_factory.mktemp("drawn") / "scenes"
    folder.mkdir()
    demo.write(folder, demo.Params(scenes=8, panel_frac=0.5, look_alikes=1.0, seed=0))
    return folder


def write_scenes(root: Path, drawn: Path, count: int, *, on_earth: bool) -> None:
    """Write the first of the generated scenes; as GeoTIFFs of 0.2 m if they lie on the earth."""
    folder = root / "data/raw/scenes"
    shutil.copytree(drawn, folder)
    content = json.loads((folder / "annotations.json").read_text())
    for image in content["images"][count:]:
        (folder / image["file_name"]).unlink()
    content["images"] = content["images"][:count]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [row for row in content["annotations"] if row["image_id"] in kept]
    (folder / "annotations.json").write_text(json.dumps(content))
    if not on_earth:
        return
    for number, image in enumerate(content["images"]):
        path = folder / image["file_name"]
        with rasterio.open(
            path.with_suffix(".tif"), "w", driver="GTiff", width=640, height=640, count=3, dtype="uint8",
            crs="EPSG:25832", transform=rasterio.Affine(FOOT, 0, 5e5 + 1000 * number, 0, -FOOT, 5.5e6),
        ) as raster:  # fmt: skip
            raster.write(np.moveaxis(np.asarray(Image.open(path)), -1, 0))
        path.unlink()
        image["file_name"] = path.with_suffix(".tif").relative_to(folder).as_posix()
    (folder / "annotations.json").write_text(json.dumps(content))


def run(root: Path, *, blocks: bool) -> None:
    content: dict[str, Any] = config.parse((REPOSITORY / "presets/scenes.yaml").read_text())
    content["ingest"] |= {"root": "data/raw/scenes"}
    content["split"] |= {"val_frac": 0.3, "test_frac": 0.3}
    content["evaluate"] |= {"resamples": 100}
    if blocks:
        content["split"]["blocks"] = {"size_px": 320, "guard_px": 128}
        content["tile"] |= {"size_px": 128, "overlap_px": 64}
    (root / config.PATH).write_text(json.dumps(content))
    for stage in (ingest, split, tile, oversample):
        stage.main(root, config.read(root, stage.Params))
    perturbed.write(root)
    for stage in (decide, evaluate, report):
        stage.main(root, config.read(root, stage.Params))


@pytest.fixture(scope="module", params=["scenes", "blocks on the earth"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Path:
    root = tmp_path_factory.mktemp("page")
    blocks = request.param != "scenes"
    write_scenes(root, drawn, 6 if blocks else 8, on_earth=blocks)
    run(root, blocks=blocks)
    return root


@pytest.fixture
def page(root: Path) -> Content:
    content = Content()
    content.feed((root / report.PATH).read_text())
    return content


def text(page: Content, section: str) -> str:
    return " ".join(" ".join(page.sections[section]).split())


def test_no_section_is_empty_and_no_value_leaks(page: Content) -> None:
    assert {"boxes", "box-curves", "box-errors", "box-sizes", "box-data", "box-samples"} <= set(page.sections)
    for name in page.sections:
        words = text(page, name)
        assert len(words) > 40 or not name, name
        assert not re.search(r"\bnan\b|\bNone\b|Traceback|undefined\b", words), name


def test_figures_of_the_page_are_those_of_the_plots(root: Path, page: Content) -> None:
    table = plots.read(root, "detection_sizes")
    rows = table[["class", "size", "measure", "value", "low", "high"]].to_numpy().tolist()
    sizes = {(name, measure): figures for name, size, measure, *figures in rows if size == "all"}
    words = text(page, "boxes")
    for name in ("", "panel", "roof"):
        for measure in ("precision", "recall", "f1", "average_precision"):
            value, low, high = sizes[name, measure]
            shown = f"{value:.2f}" + ("" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]")
            assert shown in words, (name, measure, shown)


def test_the_model_card_is_about_boxes(root: Path) -> None:
    card = (root / model_card.PATH).read_text()
    head = ModelCard(card).data
    assert head.pipeline_tag == "object-detection"
    assert "mean_average_precision" in {found.metric_type for found in head.eval_results}
    assert "A box is right from an overlap (IoU) of 0.5 with an object." in card
    sizes = plots.read(root, "detection_sizes").set_index(["class", "size", "measure"])
    value, objects = sizes.loc[("panel", "all", "recall"), ["value", "objects"]]
    assert re.search(rf"^\| `panel` \| {objects:.0f}[^|]*\| {value:.3f} \[", card, re.MULTILINE)
    assert not re.search(r"\bnan\b|\bNone\b", card)


def test_the_comment_of_a_pull_request_compares_boxes_on_the_same_scenes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    perturbed.write(tmp_path, missed=0.6, false_per_image=9.0)
    for stage in (decide, evaluate):
        stage.main(tmp_path, config.read(tmp_path, stage.Params))
    runs: list[Run] = []
    for folder in (root, tmp_path):
        (folder / "dvc.lock").write_text("stages: {}")
        monkeypatch.setattr(checkout, "fetch", copied(folder))
        runs.append(read(folder, None, folder.name))
        (folder / "dvc.lock").unlink()
    assert comparable.obstacles(runs[0], runs[1]) == []
    text = comment.write(comment.Change(runs[0], runs[1], (), {}, (), ()))
    row = next(line for line in text.splitlines() if line.startswith("| box average precision |"))
    assert re.search(r"\| -0\.\d+ \[-0\.\d+, -?0\.\d+\] \|", row)
    assert re.search(r"^\| `panel` \| \d+ \| [\d.]+ → [\d.]+ \|", text, re.MULTILINE)
    assert "nan" not in text
    perturbed.write(tmp_path, seed=1)
    (tmp_path / "results/detections/test/truth.parquet").unlink()
    monkeypatch.setattr(checkout, "fetch", copied(tmp_path))
    (tmp_path / "dvc.lock").touch()
    assert "truth.parquet does not exist" in read(tmp_path, None, "damaged").lacking


def test_the_first_line_counts_objects_and_agrees_with_the_plots(root: Path, page: Content) -> None:
    found = re.search(r"Finds (\d+) of (\d+) objects “panel” in test. Of (\d+) alarms, (\d+) are right", text(page, ""))
    assert found
    right, objects, alarms, right_again = map(int, found.groups())
    assert right == right_again
    table = plots.read(root, "detection_sizes").set_index(["class", "size", "measure"])
    assert table["value"]["panel", "all", "recall"] == pytest.approx(right / objects, abs=1e-4)
    assert table["value"]["panel", "all", "precision"] == pytest.approx(right / alarms, abs=1e-4)
    assert table["objects"]["panel", "all", "recall"] == objects


def test_other_prevalences_are_densities(root: Path, page: Content) -> None:
    words = text(page, "box-density")
    table = plots.read(root, "detection_sizes").set_index(["class", "size", "measure"])["value"]
    here = table["panel", "all", "objects_per_image"]
    assert here == pytest.approx(len(_panels(root)) / len(predictions.read(root, "test").image_ids), rel=1e-4)
    for factor in (1, 10, 100):
        assert f"{here / factor:.3g}" in words
    assert f"{table['panel', 'all', 'precision_100x_rarer']:.2f}" in words
    assert ("km²" in words) == (len(scenes_file.read(root)) > 0)
    assert "prevalence" not in page.sections


def _panels(root: Path) -> pd.DataFrame:
    there = detections.read(root, "test").there
    return there[(there["label"] == "panel") & (there["ignore"] == 0)]


def test_every_image_of_test_has_its_labels_and_no_object_is_lost(root: Path) -> None:
    there = detections.read(root, "test").there
    test = predictions.read(root, "test")
    assert set(there["image_id"]) <= set(test.image_ids)
    objects = there[there["ignore"] == 0]
    assert len(objects.drop_duplicates(["image_id", "box"])) == len(objects)
    assert "rejected" not in set(rejected.read(root)["kind"])
    for image_id, cell in zip(test.image_ids, test.labels, strict=True):
        assert set(filter(None, cell.split("|"))) == set(objects.loc[objects["image_id"] == image_id, "label"])


def test_pictures_of_training_show_the_samples_of_an_epoch(root: Path, page: Content) -> None:
    drawn = draws.read(root, tiles.read(root, "train"))
    words = text(page, "box-samples")
    assert f"An epoch has {len(drawn)} samples of {drawn['tile_id'].nunique()} tiles" in words
    last = config.read(root, report.Params).train.epochs
    assert words.count(f"epoch {last}") >= 4
    assert words.count("unchanged:") == 4


def test_square_kilometres_appear_where_scenes_lie_on_the_earth(root: Path, page: Content) -> None:
    metrics = json.loads((root / "reports/metrics.json").read_text())
    name, on_earth = "box_false_alarms_per_square_km", len(scenes_file.read(root)) > 0
    assert (name in metrics) == on_earth
    assert ("per square kilometre" in text(page, "boxes")) == on_earth
    if on_earth:
        splits = pd.read_csv(root / "data/splits.csv")
        own = splits[splits["split"] == "test"]
        sides = own[["x1_px", "y1_px"]].to_numpy() - own[["x0_px", "y0_px"]].to_numpy()
        square_km = sides.prod(axis=1).sum() * FOOT**2 / 1e6
        alarms = metrics["box_false_alarms_per_image"] * len(own)
        assert metrics[name] == pytest.approx(alarms / square_km, rel=0.01)
