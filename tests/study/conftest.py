"""Small repositories of features that the tests draw, as the stages in front of training leave them."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image
from tests import pages

from counterpoise import config, labels
from counterpoise.artifacts import classes, clusters, features, pixels, positive, tiles
from counterpoise.images import Pixels
from counterpoise.study import cells, dvc_lock, experiment

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


@pytest.fixture(autouse=True)
def equal_charts_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pages.make_once(monkeypatch)


computed: dict[str, cells.Tested] = {}
"""What a cell of `built` or `multilabel` gave; the same each time, as tests of interrupted studies show."""


@pytest.fixture
def cells_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = cells.compute

    def compute_once(cell: cells.Cell, data: experiment.Data) -> cells.Tested:
        if (key := repr(cell)) not in computed:
            computed[key] = compute(cell, data)
        return computed[key]

    monkeypatch.setattr(cells, "compute", compute_once)


LABELS = ("common", "frequent", "few", "single", "solar")
POSITIVES = {"train": (60, 50, 5, 2, 20), "val": (40, 30, 3, 1, 14), "test": (20, 15, 2, 1, 6)}
"""How many images have each label: `few` is too rare for a verdict of its own, and `single` for any mean."""


@pytest.fixture
def multilabel(tmp_path: Path, content: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Write a repository of images with any number of labels, and return it with its parameters."""
    content = experiment.changed(content, {"task": "multilabel", "decide.rule": "f_beta"})
    truth, rng = {}, np.random.default_rng(1)
    for split, counts in POSITIVES.items():
        truth[split] = np.stack([rng.permutation(120) < count for count in counts], axis=1)
    write(tmp_path, content, LABELS, truth)
    return tmp_path, content


@pytest.fixture
def built(tmp_path: Path, content: dict[str, Any]) -> Path:
    """Write features in which solar lies a little apart, and one tile for each of them."""
    truth = {split: np.eye(2, dtype=np.bool_)[np.repeat([0, 1], counts)] for split, counts in COUNTS.items()}
    write(tmp_path, content, NAMES, truth)
    return tmp_path


@pytest.fixture
def whole(tmp_path: Path, content: dict[str, Any]) -> Path:
    """Write tiles and parameters with which whole networks train for one epoch."""
    small = {"model.freeze": "none", "model.weights": "none", "train.epochs": 1, "train.augment": "none"}
    content = experiment.changed(content, small | {"train.patience": 1})
    truth = {split: np.eye(2, dtype=np.bool_)[np.repeat([0, 1], counts)] for split, counts in COUNTS.items()}
    write(tmp_path, content, NAMES, truth)
    for split in COUNTS:
        features.write(tmp_path, split, None)
    return tmp_path


def write(root: Path, content: dict[str, Any], names: Sequence[str], truth: Mapping[str, NDArray[np.bool_]]) -> None:
    """Write a repository whose features lie a little apart by class.

    Args:
        root: An empty folder.
        content: Its parameters.
        names: (c,) of the classes; the last one matters.
        truth: Split -> (n, c) which classes each image has.
    """
    rng, buffer = np.random.default_rng(0), io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, format="PNG")
    ids = []
    for split, own_truth in truth.items():
        own = [f"{split}{number:03d}" for number in range(len(own_truth))]
        with tiles.writing(root, split) as append:
            for tile_id, row in zip(own, own_truth, strict=True):
                held = labels.join(np.array(names)[row].tolist())
                append(tiles.Tile(tile_id, tile_id, held, (0, 0, 4, 4), buffer.getvalue()))
        values = (rng.normal(size=(len(own), 24)) + 1.2 * own_truth @ np.eye(len(names), 24)).astype(np.float32)
        features.write(root, split, features.Features(pd.DataFrame({"tile_id": own, "view": 0}), values))
        ids += own
    table = pd.DataFrame({"image_id": sorted(ids), "unit": sorted(ids), "centre": sorted(ids)})
    clusters.write(root, table.assign(kind="single", correlation=1.0))
    pixels.write(root, Pixels())
    whole = np.concatenate(list(truth.values()))
    counts = tuple(int(count) for count in 5 * whole.sum(axis=0))
    classes.write(root, classes.Classes(tuple(names), counts, 5 * len(whole)))
    positive.write(root, positive.Positive(names[-1], "as the rarest class"))
    (root / config.PATH).write_text(yaml.safe_dump(content, sort_keys=False))
    _record(root, content)


def _record(root: Path, content: dict[str, Any]) -> None:
    """Record, as DVC does, what the stages in front of training read."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    locked = {}
    for stage in ("ingest", "split", "tile", "embed"):
        params = {name: dvc_lock._look_up(content, name) for name in stages[stage]["params"]}
        locked[stage] = {"params": {config.PATH: params}}
    (root / dvc_lock.LOCK).write_text(yaml.safe_dump({"schema": "2.0", "stages": locked}))
