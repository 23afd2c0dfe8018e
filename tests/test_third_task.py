"""A third task, made of one file in each open set of tasks, goes through every stage as the one that it copies does."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from tests import pages

from counterpoise import config
from counterpoise.dataset import inputs
from counterpoise.stages import check

ROOT = Path(__file__).parents[1]
STAGES = ("ingest", "split", "tile", "oversample", "embed", "train", "predict", "decide", "evaluate", "report")


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "workers_count", lambda: 0)
    pages.leave_charts_blank(monkeypatch)


def build(root: Path, task: str) -> tuple[dict[str, Any], bytes]:
    """Draw 90 pictures, bright ones in the minority, and run every stage; return the figures and the decision."""
    rng = np.random.default_rng(0)
    folder = root / "data" / "raw" / "squares"
    (folder / "images").mkdir(parents=True)
    rows = ["image,label"]
    for number in range(90):
        label = "bright" if number % 5 == 0 else "dark"
        pixels = rng.integers(0, 120, (32, 32, 3)) + (90 if label == "bright" else 0)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{number:02d}.png")
        rows.append(f"images/{number:02d}.png,{label}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    content: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["task"] = task
    content["demo"]["name"] = "none"
    content["ingest"]["root"] = "data/raw/squares"
    content["split"]["duplicates"]["min_correlation"] = 1.0
    content["model"] |= {"backbone": "test_efficientnet", "weights": "none", "input_px": 32}
    content["train"] |= {"epochs": 3, "batch_size": 16}
    content["evaluate"] |= {"positive": None, "resamples": 100}
    (root / config.PATH).write_text(yaml.safe_dump(content, sort_keys=False))
    assert check.problems(config.load(root)) == []
    for name in STAGES:
        stage = importlib.import_module(f"counterpoise.stages.{name}")
        stage.main(root, config.read(root, stage.Params))
    decision = (root / "models" / "decision.json").read_bytes()
    return json.loads((root / "reports" / "metrics.json").read_text()), decision.replace(task.encode(), b"task")


def page(root: Path) -> str:
    return (root / "reports" / "index.html").read_text()


def test_a_third_task_is_trained_decided_scored_and_reaches_the_page(tmp_path: Path, third_task: str) -> None:
    third, first = build(tmp_path / "third", third_task), build(tmp_path / "first", "multiclass")
    notes = third[0].pop("notes"), first[0].pop("notes")
    assert third == first
    assert "the most probable grade" in " ".join(notes[0])
    assert "the most probable grade" not in " ".join(notes[1])
    assert "2 grades" in page(tmp_path / "third")
    assert "2 grades" not in page(tmp_path / "first")
