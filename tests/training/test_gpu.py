"""Training and predicting on CUDA, in half precision and with two devices; the same bodies run on the CPU as well.

Tests marked `gpu` are skipped, with the reason, where there is no device for them: `pytest -m gpu tests/training`.
"""

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from tests import processes

from counterpoise import config
from counterpoise.artifacts import clusters, draws, features, model, pixels, predictions, prior, tiles, training
from counterpoise.images import Pixels
from counterpoise.stages import predict, train

PARAMS = config.load(Path(__file__).parents[2])
NAMES = ("left", "right")
COUNTS = {"train": 32, "val": 16, "test": 16}
HALVES = ("bfloat16", "float16")
CUDA = torch.cuda.device_count()
one_device = pytest.mark.skipif(CUDA < 1, reason="needs CUDA, which this machine or this build of PyTorch lacks")
two_devices = pytest.mark.skipif(CUDA < 2, reason=f"needs two CUDA devices; found {CUDA}")


def a_picture(target: int, rng: np.random.Generator) -> bytes:
    """Draw noise of which one half is bright."""
    pixels = rng.integers(0, 90, size=(32, 32, 3), dtype=np.uint8)
    pixels[:, 16 * target : 16 * target + 16] += 150
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def a_repository(root: Path, device: str, precision: str, *, frozen: bool) -> Path:
    """Write what `train` and `predict` read: tiles, or features with some skill, of two classes."""
    rng = np.random.default_rng(0)
    for split, count in COUNTS.items():
        ids, targets = [f"{split}{number:02d}" for number in range(count)], np.arange(count) % 2
        with tiles.writing(root, split) as append:
            for tile_id, target in zip(ids, targets, strict=True):
                append(tiles.Tile(tile_id, tile_id, NAMES[target], (0, 0, 32, 32), a_picture(int(target), rng)))
        values = (rng.normal(size=(count, 8)) + 4 * np.eye(8)[targets]).astype(np.float32)
        stored = features.Features(pd.DataFrame({"tile_id": ids, "view": 0}), values)
        features.write(root, split, stored if frozen else None)
    ids = [f"{split}{number:02d}" for split in sorted(COUNTS) for number in range(COUNTS[split])]
    table = pd.DataFrame({"image_id": ids, "unit": ids, "centre": ids, "kind": "single", "correlation": 1.0})
    clusters.write(root, table)
    of_train = sorted(tile_id for tile_id in ids if tile_id.startswith("train"))
    draws.write(root, pd.DataFrame({"tile_id": of_train, "view": np.zeros(len(of_train), dtype=np.int64)}))
    pixels.write(root, Pixels())
    prior.write(root, prior.Prior("multiclass", NAMES, (16, 16), (16, 16), (16, 16), 32, 32, 32, ()))
    content: dict[str, Any] = copy.deepcopy(PARAMS)
    content["model"] |= {"backbone": "test_efficientnet", "weights": "none", "input_px": 32, "dropout": 0.0}
    content["model"] |= {"device": device, "precision": precision, "freeze": "backbone" if frozen else "none"}
    content["train"] |= {
        "solver": "adamw",
        "epochs": 8,
        "batch_size": 16,
        "learning_rate": 0.1 if frozen else 0.01,
        "warmup_epochs": 0.0,
    }
    content["predict"] |= {"batch_size": 8}
    (root / config.PATH).write_text(yaml.safe_dump(content))
    return root


def params_of(root: Path, stage: type[config.Section]) -> Any:
    content = config.load(root)
    return config.validate(stage, {name: content[name] for name in stage.model_fields})


def logits_on(root: Path, device: str, precision: str) -> np.ndarray[Any, Any]:
    """Predict test on a device."""
    how = params_of(root, predict.Params)
    where = how.model.model_copy(update={"device": device, "precision": precision})
    predict.main(root, how.model_copy(update={"model": where}))
    return predictions.read(root, "test").logits


def it_learns_and_predicts(root: Path, device: str, precision: str, *, frozen: bool) -> None:
    a_repository(root, device, precision, frozen=frozen)
    train.main(root, params_of(root, train.Params))
    curve = training.read(root)["train/loss"].tolist()
    assert curve[-1] < 0.7 * curve[0]
    assert {tensor.dtype for tensor in model.read_weights(root).values()} <= {torch.float32, torch.int64}
    exact, found = logits_on(root, "cpu", "float32"), logits_on(root, device, precision)
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 0.1 * np.abs(exact).max()
    assert (found.argmax(axis=1) == np.arange(COUNTS["test"]) % 2).mean() > 0.9


def two_processes_have_the_curve_of_one(folder: Path, device: str, precision: str, *, frozen: bool, rel: float) -> None:
    """Run the stage in this process, and in two as `torchrun` starts them, each with a GPU of its own on CUDA."""
    whole, halves = (a_repository(folder / name, device, precision, frozen=frozen) for name in ("whole", "halves"))
    train.main(whole, params_of(whole, train.Params))
    done = processes.both("-m", "counterpoise.stages.train", folder=halves)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best epoch") == 1
    alone, shared = (training.read(root)["train/loss"].tolist() for root in (whole, halves))
    assert shared != alone
    assert shared[0] == pytest.approx(alone[0], rel=rel)
    assert shared[-1] < 0.7 * shared[0]


@pytest.mark.parametrize(
    ("precision", "frozen"),
    [
        *((precision, True) for precision in HALVES),
        ("bfloat16", False),
        pytest.param("float16", False, marks=pytest.mark.slow),  # CPUs compute in it slowly
    ],
)
def test_it_learns_and_predicts_in_half_precision_on_the_cpu(precision: str, frozen: bool, tmp_path: Path) -> None:
    it_learns_and_predicts(tmp_path, "cpu", precision, frozen=frozen)


@pytest.mark.gpu
@one_device
@pytest.mark.parametrize("frozen", [True, False], ids=["head", "network"])
@pytest.mark.parametrize("precision", ["float32", *HALVES])
def test_it_learns_and_predicts_on_cuda(precision: str, frozen: bool, tmp_path: Path) -> None:
    it_learns_and_predicts(tmp_path, "cuda", precision, frozen=frozen)


def test_two_processes_train_a_network_in_bfloat16_on_the_cpu(tmp_path: Path) -> None:
    """Batch norm looks at each process's own half of a batch, since PyTorch synchronises it on CUDA alone."""
    two_processes_have_the_curve_of_one(tmp_path, "cpu", "bfloat16", frozen=False, rel=0.2)


@pytest.mark.gpu
@two_devices
@pytest.mark.parametrize("frozen", [True, False], ids=["head", "network"])
@pytest.mark.parametrize("precision", HALVES)
def test_two_devices_have_the_curve_of_one(precision: str, frozen: bool, tmp_path: Path) -> None:
    two_processes_have_the_curve_of_one(tmp_path, "cuda", precision, frozen=frozen, rel=0.05)
