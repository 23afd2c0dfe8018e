"""Many labels through every stage, on pictures that the test draws: shapes that come alone, together, or not at all."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw
from tests import pages

from counterpoise import config
from counterpoise.artifacts import decision, predictions, prior, splits
from counterpoise.dataset import inputs
from counterpoise.stages import check

ROOT = Path(__file__).parents[1]
STAGES = ("ingest", "split", "tile", "oversample", "embed", "train", "predict", "decide", "evaluate", "report")
RATES = {"disc": 0.5, "bar": 0.3, "dot": 0.12}


@pytest.fixture(scope="module", autouse=True)
def one_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        pages.leave_charts_blank(patch)
        patch.setattr(inputs, "workers_count", lambda: 0)
        yield


def draw(path: Path, labels: list[str], rng: np.random.Generator) -> None:
    image = Image.fromarray(rng.integers(0, 40, (32, 32, 3)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    x, y = (int(value) for value in rng.integers(0, 6, 2))
    if "disc" in labels:
        pen.ellipse((x, y, x + 14, y + 14), fill=(200, 60, 60))
    if "bar" in labels:
        pen.rectangle((x, 22 + y // 2, 31, 25 + y // 2), fill=(60, 200, 60))
    if "dot" in labels:
        pen.rectangle((24, y, 29, y + 5), fill=(60, 60, 250))
    image.save(path)


def draw_all(root: Path) -> Path:
    """Draw 240 pictures, two of each group."""
    rng = np.random.default_rng(0)
    folder = root / "data" / "raw" / "shapes"
    (folder / "images").mkdir(parents=True)
    rows = ["image,labels,group"]
    for number in range(240):
        labels = [name for name, rate in RATES.items() if rng.random() < rate]
        draw(folder / "images" / f"{number:03d}.png", labels, rng)
        rows.append(f"images/{number:03d}.png,{'|'.join(labels)},g{number // 2}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


def write_parameters(root: Path, **changes: Any) -> None:
    content: dict[str, Any] = yaml.safe_load((ROOT / "presets" / "icons.yaml").read_text())
    content["demo"]["name"] = "none"
    content["ingest"] |= {"root": "data/raw/shapes", "rare": {"min_images": 2, "action": "keep"}}
    content["oversample"] |= {"repeat_threshold": 0.3}
    content["model"] |= {"backbone": "test_efficientnet", "weights": "none", "input_px": 32, "dropout": 0.0}
    content["train"] |= {"epochs": 80, "batch_size": 32, "learning_rate": 0.01, "patience": 20}
    content["evaluate"] |= {"positive": None, "resamples": 100}
    content["split"]["duplicates"]["min_correlation"] = 1.0
    for name, value in changes.items():
        section, _, key = name.partition("__")
        content[section] = {**content[section], key: value} if key else value
    (root / config.PATH).write_text(yaml.safe_dump(content, sort_keys=False))
    assert check.problems(config.load(root)) == []


def build(root: Path, *, until: str = "report", tiled: Path | None = None, **changes: Any) -> None:
    """Run the stages; `tiled` has what those before `oversample` leave, which no change of these tests concerns."""
    if tiled:
        shutil.copytree(tiled, root, dirs_exist_ok=True)
    write_parameters(root, **changes)
    first = STAGES.index("oversample") if tiled else 0
    for name in STAGES[first : STAGES.index(until) + 1]:
        stage = importlib.import_module(f"counterpoise.stages.{name}")
        stage.main(root, config.read(root, stage.Params))


@pytest.fixture(scope="module")
def tiled(one_process: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A problem that is built up to its tiles; tests only read it."""
    root = draw_all(tmp_path_factory.mktemp("tiled"))
    build(root, until="tile")
    return root


@pytest.fixture(scope="module")
def plain(tiled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A problem that is built without changes; tests only read it."""
    root = tmp_path_factory.mktemp("plain")
    build(root, tiled=tiled)
    return root


def figures(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "reports" / "metrics.json").read_text())
    return found


def test_many_labels_go_through_every_stage_and_are_learnt(plain: Path) -> None:
    found = figures(plain)
    assert found["mean_average_precision"] > 2 * found["no_skill_mean_average_precision"]
    assert found["classes_present"] == 3
    assert decision.read(plain).positive == "dot"
    test = predictions.read(plain, "test")
    assert "" in test.labels  # an image may show nothing
    assert any("|" in cell for cell in test.labels)
    page = (plain / "reports" / "index.html").read_text()
    assert "dot" in page
    assert "Confusion matrix" not in page


def test_groups_stay_together_and_every_label_is_everywhere(plain: Path) -> None:
    table = splits.read(plain)
    side = dict(zip(table["image_id"], table["split"], strict=True))
    for number in range(0, 240, 2):
        assert side[f"images/{number:03d}.png"] == side[f"images/{number + 1:03d}.png"]
    assert set(table["split"]) == {"train", "val", "test"}


@pytest.mark.parametrize("strategy", ["over", "under", "repeat_factor", "lp_ros", "lp_rus", "ml_ros", "ml_rus"])
def test_every_strategy_draws_and_its_effect_is_unknown_to_the_ledger(
    strategy: str, tiled: Path, tmp_path: Path
) -> None:
    until = "report" if strategy == "ml_ros" else "decide"
    build(tmp_path, tiled=tiled, until=until, oversample__strategy=strategy, train__epochs=3)
    opened = prior.read(tmp_path)
    assert opened.drawn_counts != opened.train_counts
    assert opened.ledger[1].factors is None
    assert decision.read(tmp_path).calibrator == "platt"


def test_a_pos_weight_is_taken_back_by_the_ledger(tiled: Path, plain: Path, tmp_path: Path) -> None:
    build(tmp_path, tiled=tiled, until="evaluate", weighting__scheme="negatives_over_positives")
    chosen = decision.read(tmp_path)
    assert chosen.ledger[2].factors is not None
    assert max(chosen.ledger[2].factors) > 3
    assert figures(tmp_path)["expected_calibration_error"] < figures(plain)["expected_calibration_error"] + 0.08


def test_two_runs_from_nothing_leave_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        build(draw_all(tmp_path / name), until="evaluate", train__epochs=3)
    for path in ("models/model/model.safetensors", "models/decision.json", "reports/metrics.json", "data/draws.csv"):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "other" / path).read_bytes(), path
