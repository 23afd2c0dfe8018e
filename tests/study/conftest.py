"""A small repository of features that the tests draw, as the stages in front of training leave it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from counterpoise import config
from counterpoise.artifacts import classes, clusters, features, pixels, positive, tiles
from counterpoise.images import Pixels
from counterpoise.study import dvc_lock, experiment

ROOT = Path(__file__).parents[2]
COUNTS = {"train": (120, 40), "val": (90, 30), "test": (45, 15)}
NAMES = ("plain", "solar")


@pytest.fixture
def content() -> dict[str, Any]:
    """The parameters as they ship, but for a short stochastic training on the CPU."""
    training: dict[str, Any] = {
        "epochs": 6,
        "learning_rate": 0.01,
        "patience": 50,
        "weight_decay": 0.0,
        "solver": "adamw",
    }
    network: dict[str, Any] = {"device": "cpu", "precision": "float32", "dropout": 0.0, "input_px": 32}
    changes = {f"train.{name}": value for name, value in training.items()}
    changes |= {f"model.{name}": value for name, value in network.items()}
    return experiment.changed(config.load(ROOT), changes | {"evaluate.resamples": 100})


@pytest.fixture
def built(tmp_path: Path, content: dict[str, Any]) -> Path:
    """Write features in which solar lies a little apart, and one tile for each of them."""
    rng, buffer = np.random.default_rng(0), io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, format="PNG")
    ids = []
    for split, counts in COUNTS.items():
        targets = np.repeat([0, 1], counts)
        own = [f"{split}{number:03d}" for number in range(len(targets))]
        with tiles.writing(tmp_path, split) as append:
            for tile_id, target in zip(own, targets, strict=True):
                append(tiles.Tile(tile_id, tile_id, NAMES[target], (0, 0, 4, 4), buffer.getvalue()))
        values = (rng.normal(size=(len(targets), 24)) + 1.2 * np.eye(24)[targets]).astype(np.float32)
        features.write(tmp_path, split, features.Features(pd.DataFrame({"tile_id": own, "view": 0}), values))
        ids += own
    table = pd.DataFrame({"image_id": sorted(ids), "unit": sorted(ids), "centre": sorted(ids)})
    clusters.write(tmp_path, table.assign(kind="single", correlation=1.0))
    pixels.write(tmp_path, Pixels())
    classes.write(tmp_path, classes.Classes(NAMES, (900, 300), 1200))
    positive.write(tmp_path, positive.Positive("solar", "as the rarest class"))
    (tmp_path / config.PATH).write_text(yaml.safe_dump(content, sort_keys=False))
    _record(tmp_path, content)
    return tmp_path


def _record(root: Path, content: dict[str, Any]) -> None:
    """Record, as DVC does, what the stages in front of training read."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    locked = {}
    for stage in ("ingest", "split", "tile", "embed"):
        params = {name: dvc_lock._look_up(content, name) for name in stages[stage]["params"]}
        locked[stage] = {"params": {config.PATH: params}}
    (root / dvc_lock.LOCK).write_text(yaml.safe_dump({"schema": "2.0", "stages": locked}))
