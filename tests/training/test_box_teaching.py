"""Training of detectors: the same bytes after `kill -9`, half precision, and weights that count once."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from tests import processes
from torch import Tensor

from counterpoise import config, images
from counterpoise.artifacts import draws, features, model, pixels, prior, tile_boxes, tiles, training
from counterpoise.dataset import inputs
from counterpoise.engine import unfinished
from counterpoise.stages import train
from counterpoise.training.tasks import detection

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES, SIDE, EPOCHS = ("bar", "square"), 32, 3
COUNTS = {"train": 6, "val": 3}
KILLED = """
import os, signal
from counterpoise.dataset import inputs
from counterpoise.stages import run, train
inputs.workers_count = lambda: 0
from counterpoise.training.box_teaching import Boxes
steps, learn = [], Boxes.loss
def loss(self, network, step, params):
    steps.append(0)
    if len(steps) == int(os.environ["STEPS"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(self, network, step, params)
Boxes.loss = loss
run(train.main, train.Params)
"""
"""Train until the process kills itself, within an epoch; it leaves no workers behind that would wait for it."""


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "workers_count", lambda: 0)


def settings(**changes: Any) -> dict[str, Any]:
    """Write all parameters; `a__b=c` changes b in section a."""
    content = config.parse((REPOSITORY / "presets/bccd.yaml").read_text())
    content["model"] |= {"backbone": "test_resnet", "weights": "none", "input_px": SIDE, "freeze": "none"}
    content["train"] |= {"epochs": EPOCHS, "batch_size": 3, "augment": "flips", "ema": 0.0}
    content["oversample"] |= {"views": 1, "policy": "flips"}
    content["detector"] |= {"levels": [2, 3], "channels": 32, "hidden": 8, "proposal_count": 20, "extra_levels": 0}
    content["detector"]["anchors"] |= {"kind": "stated", "sizes_px": [8, 16], "ratios": [1.0]}
    for key, value in changes.items():
        if "__" in key:
            section, name = key.split("__")
            content[section][name] = value
        else:
            content[key] = value
    return content


def a_repository(root: Path, content: dict[str, Any]) -> Path:
    """Write all that the stage reads: six tiles with one or two boxes, and one without."""
    rng = np.random.default_rng(0)
    for split, count in COUNTS.items():
        rows: list[tuple[object, ...]] = []
        with tiles.writing(root, split) as append:
            for number in range(count):
                name = f"{split}{number}"
                image = rng.integers(90, 130, (SIDE, SIDE, 3), dtype=np.uint8)
                shown: list[str] = []
                for label in NAMES[: number % 3]:
                    x, y = rng.integers(0, SIDE - 12, 2).tolist()
                    image[y : y + 12, x : x + 10] = 250 if label == "bar" else 10
                    rows.append((name, name, len(shown), label, x, y, x + 10.0, y + 12.0, 1.0, 0))
                    shown.append(label)
                window = (0, 0, SIDE, SIDE)
                append(tiles.Tile(name, name, "|".join(shown), window, images.encode_png(image)))
        tile_boxes.write(root, split, pd.DataFrame(rows, columns=list(tile_boxes.COLUMNS)).astype(tile_boxes.COLUMNS))
        features.write(root, split, None)
    names = [f"train{number}" for number in range(COUNTS["train"])]
    draws.write(root, pd.DataFrame({"tile_id": [*names, *names], "view": [0] * len(names) + [1] * len(names)}))
    pixels.write(root, images.Pixels())
    boxes = (4, 2)
    prior.write(
        root, prior.BoxPrior("detection", NAMES, boxes, boxes, (8, 4), 6, 6, 12, (), (), (), boxes, boxes, (8, 4), 4)
    )
    (root / config.PATH).write_text(yaml.safe_dump(content, sort_keys=False))
    return root


def weights_of(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / model.FOLDER).iterdir())}


RESUMED: dict[str, tuple[int, dict[str, Any]]] = {
    "with learned weights of the losses and random regions": (7, {"detector__name": "faster_rcnn"}),
    "with averages, in the second member, with a loss that remembers": (
        (EPOCHS + 1) * 4 + 2,
        {"detector__name": "retinanet", "train__ema": 0.8, "train__members": 2, "loss": "gradient_harmonized"},
    ),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if "regions" in case else []) for case in RESUMED]
)
def test_a_detector_whose_training_was_killed_has_the_same_bytes(case: str, tmp_path: Path) -> None:
    steps, changes = RESUMED[case]
    content = settings(**changes)
    if changes["detector__name"] == "faster_rcnn":
        content["detector"] |= {"task_weights": "uncertainty", "adversary": "rotation", "proposals": "iou_uniform"}
    whole, killed = (a_repository(tmp_path / name, content) for name in ("whole", "killed"))
    own = os.environ | {"STEPS": str(steps)}
    died = processes.start("-c", KILLED, folder=killed, environment=own).wait()
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert list(killed.glob(f"{unfinished.FOLDER}/*/state.pt"))
    assert not (killed / model.FOLDER).exists()
    for root in (killed, whole):
        train.main(root, config.read(root, train.Params))
    assert weights_of(killed) == weights_of(whole)
    assert training.read(killed).equals(training.read(whole))
    assert not (killed / unfinished.FOLDER).exists()


@pytest.mark.parametrize("name", ["cascade_rcnn", "faster_rcnn", "fcos", "retinanet", "ssd"])
def test_a_step_in_half_precision_is_finite(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"box_loss": "giou"} if name == "fcos" else {}
    content = settings(
        detector__name=name, train__epochs=1, train__batch_size=6, model__precision="bfloat16", **changes
    )
    root = a_repository(tmp_path, content)
    params, known = config.read(root, train.Params), prior.read(root)
    seen: list[torch.dtype] = []
    conv = torch.nn.Conv2d.forward

    def noting(self: torch.nn.Conv2d, images: Tensor) -> Tensor:
        found = conv(self, images)
        if found.requires_grad:
            seen.append(found.dtype)
        return found

    monkeypatch.setattr(torch.nn.Conv2d, "forward", noting)
    drawn, val = (train._examples(root, split, known, params) for split in ("train", "val"))
    (fitted,) = detection.fit_members(drawn, drawn, val, known, params, [], None)
    assert torch.bfloat16 in seen, "steps are taken in the precision that is asked for"
    assert np.isfinite([value for epoch in fitted.history for value in epoch.values()]).all()
    assert all(weight.isfinite().all() for weight in fitted.weights.values())
    assert {weight.dtype for weight in fitted.weights.values() if weight.is_floating_point()} == {torch.float32}
