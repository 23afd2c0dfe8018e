"""Training on problems drawn by the test: it learns, stops, goes on after a kill, and finds nothing in noise."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from sklearn.metrics import roc_auc_score
from tests import processes
from torch import Tensor, nn

from counterpoise import config, losses, stages
from counterpoise.artifacts import clusters, draws, features, model, pixels, predictions, prior, tiles, training
from counterpoise.artifacts.positive import Positive
from counterpoise.calibration import prior_ledger
from counterpoise.conflicts.network import POOL_OF_HEAD
from counterpoise.dataset import inputs as tile_inputs
from counterpoise.dataset import subsampling
from counterpoise.dataset.inputs import FeatureInputs, TileInputs, in_order, infer
from counterpoise.engine import process_group, unfinished
from counterpoise.images import Pixels
from counterpoise.networks import devices
from counterpoise.networks.backbones import build_backbone
from counterpoise.networks.heads import build_head, last_layer
from counterpoise.networks.network import Network, rebuild
from counterpoise.stages import decide, evaluate, train
from counterpoise.storage import ArtifactError
from counterpoise.training import checkpoints, decoupling, loop, lr_schedule, members, objective
from counterpoise.training.curriculum import Curriculum, Deferred, curriculum
from counterpoise.training.examples import Examples, feature_width, with_synthetic, with_types
from counterpoise.training.settings import Train

BLOCKS = config.load(Path(__file__).parents[2])["losses"]
NAMES = ("common", "usual", "scarce", "rare")
Array = np.ndarray[Any, Any]
CPU = devices.pick("cpu", "float32")
TRAIN = "counterpoise.stages.train"
EPOCHS = 40
"""Of the training that is killed."""


@pytest.fixture(autouse=True)
def one_process_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tile_inputs, "workers_count", lambda: 0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def settings(**changes: Any) -> dict[str, Any]:
    """Write every parameter that the stage reads; `a__b=c` changes b in section a."""
    content: dict[str, Any] = {
        "loss": "cross_entropy",
        "losses": BLOCKS,
        "seed": 0,
        "model": {
            "backbone": "test_efficientnet",
            "weights": "none",
            "input_px": 32,
            "freeze": "backbone",
            "freeze_first": 1,
            "pool": "avg",
            "head": "linear",
            "hidden": 32,
            "dropout": 0.0,
            "subclasses": {},
            "device": "cpu",
            "precision": "float32",
        },
        **{name: SHIPPED[name] for name in ("box_loss", "box_losses", "detector", "tile")},
        "oversample": {
            "views": 0,
            "policy": "dihedral",
            "defer_frac": 0.0,
            "synthetic": "none",
            "copy_paste": NOTHING_PASTED,
        },
        "weighting": {"scheme": "none", "beta": 0.999, "defer_frac": 0.0},
        "train": {
            "seed": 0,
            "members": 1,
            "solver": "adamw",
            "fraction": 1.0,
            "epochs": 10,
            "batch_size": 32,
            "accumulate": 1,
            "compile": False,
            "pretrain_frac": 0.0,
            "ema": 0.0,
            "learning_rate": 0.02,
            "first_rate_frac": 1.0,
            "weight_decay": 0.0,
            "schedule": "constant",
            "step_epochs": 3,
            "warmup_epochs": 0.0,
            "monitor": "loss",
            "patience": 1000,
            "augment": "none",
            "sampler": "as_drawn",
            "mix": "none",
            "mix_alpha": 0.2,
            "classifier": "as_trained",
        },
    }
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            content[section][key] = value
        else:
            content[section] = value
    return content


SHIPPED = config.load(Path(__file__).parents[2])
NOTHING_PASTED = {"frac": 0.0, "objects": 2, "margin_px": 4, "classes": []}


def a_params(**changes: Any) -> train.Params:
    return config.validate(train.Params, settings(**changes))


def gaussians(
    counts: tuple[int, ...], seed: int, *, skill: float = 2.0, width: int = 16, shuffled: bool = False
) -> Examples:
    """One gaussian for each class, `skill` away from the middle; shuffled labels have nothing to do with it."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(len(counts)), counts)
    values = rng.normal(size=(len(targets), width)) + skill * np.eye(width)[targets]
    if shuffled:
        targets = rng.permutation(targets)
    return Examples(FeatureInputs(values.astype(np.float32), np.arange(len(targets))), torch.from_numpy(targets))


def fit_network(
    network: nn.Module,
    shown: Examples,
    val: Examples,
    goal: objective.Objective,
    params: train.Params,
    checkpoint: checkpoints.Checkpoint | None = None,
    *,
    early: Examples | None = None,
) -> loop.Fitted:
    """Fit a network as the stage does."""
    deferred = Deferred(params.train.pretrain_frac, params.weighting.defer_frac, params.oversample.defer_frac)
    lessons = curriculum(shown, early, goal, params.train.epochs, deferred)
    compute = devices.pick(params.model.device, params.model.precision)
    return loop.fit(network, lessons, val, params.train, compute, checkpoint)


def a_prior(counts: tuple[int, ...]) -> prior.Prior:
    return prior.Prior("multiclass", NAMES[: len(counts)], counts, counts, counts, *3 * (sum(counts),), ())


def run(
    params: train.Params,
    shown: Examples,
    val: Examples,
    *,
    checkpoint: checkpoints.Checkpoint | None = None,
    width: int | None = 16,
) -> tuple[nn.Module, loop.Fitted]:
    counts = tuple(np.bincount(shown.targets.numpy()).tolist())
    goal, _ = objective.build(a_prior(counts), params.loss, params.losses[params.loss], params.weighting)
    network = members.build(params.model, params.train.seed, len(counts), width)
    return network, fit_network(network, shown, val, goal, params, checkpoint)


def logits_of(network: nn.Module, fitted: loop.Fitted, examples: Examples) -> Tensor:
    network.load_state_dict(fitted.weights)
    order = in_order(len(examples.inputs), 64)
    with torch.inference_mode():
        return torch.cat([network.eval()(batch) for batch in examples.inputs.batches(order)])


def last_figure(fitted: loop.Fitted, name: str) -> float:
    return fitted.history[-1][f"val/{name}"]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("loss", [name for name in losses.names() if "multiclass" in losses.module(name).TASKS])
def test_one_batch_is_learnt_by_heart_with_every_loss(loss: str) -> None:
    batch = gaussians((12, 6, 4, 2), seed=0, skill=0.0, width=64)
    head = "linear" if losses.refuses_head(loss, "linear") is None else "cosine"
    params = a_params(loss=loss, model__head=head, train__epochs=80, train__learning_rate=0.1)
    network, fitted = run(params, batch, batch, width=64)
    first, last = fitted.history[0]["val/loss"], fitted.history[-1]["val/loss"]
    rest = 0.05 if head == "linear" else 0.1  # cosines are bounded, and so are margins
    assert last < rest * max(first, 0.2), f"from {first} to {last}"
    logits = logits_of(network, fitted, batch)
    if losses.ranks(loss):  # which class is the most probable it leaves open
        assert last_figure(fitted, "average_precision") == 1
    else:
        assert (logits.argmax(dim=1) == batch.targets).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_on_the_cpu_and_keeps_its_weights_in_float32(precision: str) -> None:
    batch = gaussians((12, 6, 4), seed=0)
    network, fitted = run(a_params(model__precision=precision, train__epochs=60), batch, batch)
    assert fitted.history[-1]["val/loss"] < 0.2 * fitted.history[0]["val/loss"]
    assert {tensor.dtype for tensor in fitted.weights.values()} <= {torch.float32, torch.int64}
    assert (logits_of(network, fitted, batch).argmax(dim=1) == batch.targets).double().mean() > 0.9


def png(pixels: Array) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def write_tiles(root: Path, split: str, targets: list[int], names: tuple[str, ...] = NAMES) -> None:
    """Draw 32 px tiles: class k is a bright quarter number k on noise."""
    rng = np.random.default_rng(len(split))
    with tiles.writing(root, split) as append:
        for number, target in enumerate(targets):
            pixels = rng.integers(0, 90, size=(32, 32, 3), dtype=np.uint8)
            row, column = divmod(target, 2)
            pixels[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] += 150
            tile_id = f"{split}{number:04d}"
            append(tiles.Tile(tile_id, tile_id, names[target], (0, 0, 32, 32), png(pixels)))


def a_repository(root: Path, content: dict[str, Any], *, frozen: bool = True, count: int = 40) -> Path:
    """Write all that the stage reads, from artifacts of its own: features with some skill, or tiles to learn from."""
    rng = np.random.default_rng(0)
    by_split = {"train": (np.arange(count) % 4).tolist(), "val": (np.arange(count // 2) % 4).tolist()}
    for split, targets in by_split.items():
        write_tiles(root, split, targets)
        found = None
        if frozen:
            values = rng.normal(size=(len(targets), 32)) + np.eye(32)[targets]
            index = pd.DataFrame({"tile_id": [f"{split}{n:04d}" for n in range(len(targets))], "view": 0})
            found = features.Features(index, values.astype(np.float32))
        features.write(root, split, found)
    ids = [f"train{number:04d}" for number in range(count)]
    draws.write(root, pd.DataFrame({"tile_id": ids, "view": np.zeros(count, dtype=np.int64)}))
    pixels.write(root, PIXELS)
    prior.write(root, a_prior(tuple(np.bincount(by_split["train"]).tolist())))
    (root / config.PATH).write_text(yaml.safe_dump(content))
    return root


def weights_file(root: Path) -> bytes:
    return (root / "models/model/model.safetensors").read_bytes()


@pytest.mark.parametrize(  # cosines begin in random directions, which takes longer
    ("head", "epochs"), [("linear", 12), ("cosine", 40), ("concat_pool", 15), ("dense", 15)]
)
def test_an_unfrozen_network_learns_pictures_end_to_end(head: str, epochs: int, tmp_path: Path) -> None:
    content = settings(
        model__freeze="none",
        model__head=head,
        model__pool=POOL_OF_HEAD.get(head, "avg"),
        train__epochs=epochs,
        train__learning_rate=0.01,
        train__batch_size=16,
    )
    params = config.validate(train.Params, content)
    a_repository(tmp_path, content, frozen=False, count=16)
    train.main(tmp_path, params)
    card, weights = model.read_card(tmp_path), model.read_weights(tmp_path)
    assert not card.frozen
    assert card.head == head
    assert (card.pool, card.hidden, card.width) == (params.model.pool, 32, 512 if head == "concat_pool" else 256)
    assert any(name.startswith("backbone.") for name in weights)
    examples = train._examples(tmp_path, "train", a_prior((1, 1, 1, 1)), params)
    assert isinstance(examples.inputs, TileInputs)
    logits = infer(rebuild(card, weights), examples.inputs, 8, CPU)
    assert (logits.argmax(axis=1) == examples.targets.numpy()).all()


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("linear", ["2.bias", "2.weight"]),
        ("cosine", ["2.weight"]),
        ("dense", ["1.bias", "1.weight", "4.bias", "4.weight"]),
    ],
)
def test_a_frozen_backbone_leaves_a_head_alone_in_the_file(head: str, names: list[str], tmp_path: Path) -> None:
    content = settings(model__head=head, weighting__scheme="balanced", train__epochs=3)
    a_repository(tmp_path, content)
    train.main(tmp_path, config.validate(train.Params, content))
    card, weights = model.read_card(tmp_path), model.read_weights(tmp_path)
    assert card.frozen
    assert card.classes == NAMES
    assert card.head == head
    assert card.pixels == PIXELS
    assert sorted(name for name in weights if not name.startswith("0.")) == names
    rebuild(card, weights)
    assert (card.width, card.hidden) == (32, 32)
    assert {tuple(tensor.shape) for tensor in weights.values() if tensor.ndim == 2} >= {(4, 32)}
    assert [line.piece for line in card.ledger] == ["weighting.scheme", "loss"]
    curves = training.read(tmp_path)
    assert curves["step"].tolist() == [0, 1, 2]
    assert {"train/loss", "val/loss", "val/balanced_accuracy", "val/average_precision"} <= set(curves.columns)


FIRST_TWO = {
    "resnet18": ("conv1.", "bn1.", "layer1."),
    "efficientnet_b0": ("conv_stem.", "bn1.", "blocks.0."),
    "densenet121": ("features.conv0.", "features.norm0.", "features.denseblock1.", "features.transition1."),
}
"""Names of all that stands in the first two blocks of a backbone."""


def some_images(count: int, seed: int, size_px: int = 64) -> Examples:
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(count, 3, size_px, size_px)).astype(np.float32)
    return Examples(FeatureInputs(images, np.arange(count)), torch.arange(count) % 2)


@pytest.mark.parametrize("freeze", ["none", "backbone", "all_but_batchnorm", "first_n"])
@pytest.mark.parametrize("backbone", FIRST_TWO)
def test_what_is_frozen_stays_to_the_bit_and_all_else_moves(backbone: str, freeze: str) -> None:
    """Statistics of norms included; they are moved by what is shown alone, before any gradient."""
    params = a_params(
        model__backbone=backbone,
        model__input_px=64,
        model__freeze=freeze,
        model__freeze_first=2,
        train__epochs=1,
        train__batch_size=2,
    )
    network = members.build(params.model, params.train.seed, 2, None)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    goal, _ = objective.build(a_prior((4, 4)), params.loss, params.losses[params.loss], params.weighting)
    fitted = fit_network(network, some_images(8, seed=0), some_images(4, seed=1), goal, params)
    assert set(fitted.weights) == set(before)
    norms = tuple(f"{name}." for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d))
    of_backbone = {name for name in before if name.startswith("backbone.")}
    frozen = {
        "none": set[str](),
        "backbone": of_backbone,
        "all_but_batchnorm": {name for name in of_backbone if not name.startswith(norms)},
        "first_n": {name for name in of_backbone if name.removeprefix("backbone.").startswith(FIRST_TWO[backbone])},
    }[freeze]
    assert {name for name in before if torch.equal(fitted.weights[name], before[name])} == frozen


@pytest.mark.parametrize("frac", [1.0, 0.01])
def test_the_first_block_moves_by_its_share_of_the_rate(frac: float) -> None:
    """Adam's first step is the rate times the sign of the slope, where the last layer has left zero."""
    params = a_params(
        model__freeze="none",
        train__epochs=1,
        train__batch_size=8,
        train__first_rate_frac=frac,
        train__warmup_epochs=0.0,
    )
    network = members.build(params.model, params.train.seed, 2, None)
    nn.init.normal_(last_layer(network).weight)
    before = {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
    goal, _ = objective.build(a_prior((4, 4)), params.loss, params.losses[params.loss], params.weighting)
    fitted = fit_network(network, some_images(8, 0, 32), some_images(4, 1, 32), goal, params)
    rate = params.train.learning_rate
    steps = {name: float((fitted.weights[name] - before[name]).abs().max()) for name in before}
    assert steps["backbone.conv_stem.weight"] == pytest.approx(rate * frac, rel=1e-2)
    assert steps["backbone.blocks.2.0.conv_exp.weight"] == pytest.approx(rate * frac**0.5, rel=1e-2)  # fourth of six
    assert steps["head.2.weight"] == pytest.approx(rate, rel=1e-2)
    assert fitted.history[0]["learning_rate"] == pytest.approx(rate)


def test_a_file_of_weights_is_what_training_begins_with_and_goes_into_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = settings(model__weights="mine.pth", model__freeze="all_but_batchnorm", train__epochs=1)
    a_repository(tmp_path, content, frozen=False, count=8)
    theirs = build_backbone("test_efficientnet", "none", seed=9).state_dict()
    (tmp_path / "models" / "pretrained").mkdir(parents=True)
    torch.save(theirs, tmp_path / "models" / "pretrained" / "mine.pth")
    monkeypatch.chdir(tmp_path)
    seen: list[list[Path]] = []
    begin = checkpoints.Checkpoint.__init__

    def remember(self: checkpoints.Checkpoint, root: Path, parameters: object, inputs: list[Path]) -> None:
        seen.append(inputs)
        begin(self, root, parameters, inputs)

    monkeypatch.setattr(checkpoints.Checkpoint, "__init__", remember)
    train.main(tmp_path, config.validate(train.Params, content))
    weights = model.read_weights(tmp_path)
    assert torch.equal(weights["backbone.conv_stem.weight"], theirs["conv_stem.weight"])
    assert model.read_card(tmp_path).backbone_weights == "mine.pth"
    assert tmp_path / "models" / "pretrained" / "mine.pth" in seen[0]


def test_the_draws_decide_what_is_learnt_from_and_views_find_their_features(tmp_path: Path) -> None:
    content = settings(oversample__views=1)
    a_repository(tmp_path, content)
    tile_ids = tiles.read(tmp_path, "train").table["tile_id"]
    index = pd.DataFrame({"tile_id": tile_ids.repeat(2), "view": [0, 1] * len(tile_ids)})
    values = np.arange(2 * len(index), dtype=np.float32).reshape(-1, 2)
    features.write(tmp_path, "train", features.Features(index, values))
    drawn = pd.DataFrame({"tile_id": ["train0000", "train0001", "train0001"], "view": [1, 0, 1]})
    draws.write(tmp_path, drawn)
    examples = train._examples(
        tmp_path, "train", a_prior((1, 1, 1, 1)), config.validate(train.Params, content), drawn=True
    )
    assert feature_width(examples) == 2
    assert examples.targets.tolist() == [0, 1, 1]
    (batch,) = examples.inputs.batches([np.arange(3)])
    assert batch.tolist() == [[2, 3], [4, 5], [6, 7]]
    draws.write(tmp_path, drawn.assign(view=[1, 0, 2]))
    missing = r"data/features/train/rows\.csv lacks 1 of the 3 that data/draws\.csv names: 'train0001, view 2'"
    with pytest.raises(ArtifactError, match=missing):
        train._examples(tmp_path, "train", a_prior((1, 1, 1, 1)), config.validate(train.Params, content), drawn=True)
    with pytest.raises(ArtifactError, match=r"tiles\.csv: labels .* are not among the classes .*prior\.json"):
        train._examples(tmp_path, "train", a_prior((1, 1)), config.validate(train.Params, content), drawn=True)


def test_early_stopping_keeps_the_best_epochs_weights() -> None:
    shown = gaussians((40, 20, 10), seed=0, skill=0.5)
    val = gaussians((40, 20, 10), seed=1, skill=0.5)
    params = a_params(train__epochs=200, train__patience=4, train__learning_rate=0.1)
    network, fitted = run(params, shown, val)
    curve = [figures["val/loss"] for figures in fitted.history]
    assert fitted.best_epoch == int(np.argmin(curve))
    assert len(curve) == fitted.best_epoch + 1 + 4 < 200
    assert not same(fitted.weights, network.state_dict())
    logits = logits_of(network, fitted, val)
    best = torch.nn.functional.cross_entropy(logits, val.targets)
    assert float(best) == pytest.approx(min(curve), rel=1e-5)


def test_without_early_stopping_every_epoch_is_run() -> None:
    examples = gaussians((20, 20), seed=0)
    assert len(run(a_params(train__epochs=7), examples, examples)[1].history) == 7


@pytest.mark.parametrize("monitor", ["loss", "balanced_accuracy", "average_precision"])
def test_the_first_epoch_with_the_best_watched_figure_is_kept(monitor: str) -> None:
    shown = gaussians((40, 20, 10), seed=0, skill=0.8)
    val = gaussians((40, 20, 10), seed=1, skill=0.8)
    _, fitted = run(a_params(train__monitor=monitor, train__epochs=25, train__learning_rate=0.1), shown, val)
    curve = np.array([figures[f"val/{monitor}"] for figures in fitted.history])
    assert len(np.unique(curve)) > 3
    assert fitted.best_epoch == int(np.argmin(curve) if monitor == "loss" else np.argmax(curve))


def test_without_a_monitor_the_last_epoch_is_kept_and_nothing_stops_early() -> None:
    shown = gaussians((40, 20, 10), seed=0, skill=0.5)
    val = gaussians((40, 20, 10), seed=1, skill=0.5)
    params = a_params(train__monitor="none", train__epochs=30, train__patience=1, train__learning_rate=0.1)
    network, fitted = run(params, shown, val)
    curve = [figures["val/loss"] for figures in fitted.history]
    assert len(curve) == 30
    assert fitted.best_epoch == 29 != int(np.argmin(curve))
    assert same(fitted.weights, network.state_dict())


def test_watched_figures_are_those_of_scikit_learn() -> None:
    from sklearn import metrics as sklearn_metrics

    shown, val = gaussians((40, 20, 10), seed=0), gaussians((40, 20, 10), seed=1)
    network, fitted = run(a_params(train__epochs=1), shown, val)
    logits, targets = logits_of(network, fitted, val), val.targets.numpy()
    figures, probs = fitted.history[0], logits.softmax(dim=1).numpy()
    assert figures["val/balanced_accuracy"] == pytest.approx(
        sklearn_metrics.balanced_accuracy_score(targets, probs.argmax(axis=1))
    )
    precisions = [sklearn_metrics.average_precision_score(targets == k, probs[:, k]) for k in range(3)]
    assert figures["val/average_precision"] == pytest.approx(float(np.mean(precisions)), abs=1e-6)
    assert figures["val/loss"] == pytest.approx(sklearn_metrics.log_loss(targets, probs), rel=1e-5)


@pytest.mark.parametrize("schedule", lr_schedule.SCHEDULES)
def test_the_schedule_reaches_the_optimizer(schedule: str) -> None:
    examples = gaussians((30, 30), seed=0)
    params = a_params(train__schedule=schedule, train__epochs=6, train__warmup_epochs=2.0, train__batch_size=30)
    _, fitted = run(params, examples, examples)
    last_steps = [
        lr_schedule.factor(schedule, epoch + 0.5, epochs=6, warmup_epochs=2.0, step_epochs=3) for epoch in range(6)
    ]
    rates = [figures["learning_rate"] for figures in fitted.history]
    assert rates == pytest.approx([0.02 * factor for factor in last_steps])


@pytest.mark.parametrize(("warmup_epochs", "step_of_weights"), [(0.0, 0.02), (1.0, 0.02e-3)])
def test_the_first_step_of_adam_is_as_long_as_the_rate(warmup_epochs: float, step_of_weights: float) -> None:
    """The last layer begins at zero, and Adam's first step is the rate times the sign of the slope."""
    examples = gaussians((8, 8), seed=0)
    params = a_params(train__epochs=1, train__batch_size=16, train__warmup_epochs=warmup_epochs)
    _, fitted = run(params, examples, examples)
    steps = fitted.weights["2.weight"].abs()
    torch.testing.assert_close(steps, torch.full_like(steps, step_of_weights), rtol=1e-2, atol=0)


def test_the_loss_of_an_epoch_is_the_mean_over_its_examples() -> None:
    """Where nothing is learned (a rate of almost 0), train loss is that of equal probabilities."""
    examples = gaussians((30, 10, 5), seed=0)
    params = a_params(train__epochs=1, train__learning_rate=1e-12, train__batch_size=8)
    _, fitted = run(params, examples, examples)
    assert fitted.history[0]["train/loss"] == pytest.approx(np.log(3), rel=1e-5)


def test_class_weights_raise_the_recall_of_the_rare_class() -> None:
    shown, val = gaussians((300, 15), seed=0, skill=0.8), gaussians((300, 100), seed=1, skill=0.8)
    recalls = {}
    for scheme in ("none", "balanced"):
        network, fitted = run(a_params(weighting__scheme=scheme, train__epochs=15), shown, val)
        decided = logits_of(network, fitted, val).argmax(dim=1)
        recalls[scheme] = float((decided[val.targets == 1] == 1).double().mean())
    assert recalls["balanced"] > recalls["none"] + 0.2


@pytest.mark.parametrize("loss", [name for name in losses.names() if losses.adjusts(name)])
def test_a_loss_that_rebalances_raises_the_recall_of_the_rare_class(loss: str) -> None:
    if "multiclass" not in losses.module(loss).TASKS:
        pytest.skip("of many labels it is for its own test to show")
    shown, val = gaussians((300, 15), seed=0, skill=0.8), gaussians((300, 100), seed=1, skill=0.8)
    recalls = {}
    for name in ("cross_entropy", loss):
        network, fitted = run(a_params(loss=name, train__epochs=15), shown, val)
        decided = logits_of(network, fitted, val).argmax(dim=1)
        recalls[name] = float((decided[val.targets == 1] == 1).double().mean())
    assert recalls[loss] > recalls["cross_entropy"] + 0.2


def test_seeds_of_training_differ_and_repeat() -> None:
    examples = gaussians((40, 20), seed=0)
    one, again, other = (
        run(a_params(train__seed=seed, train__epochs=2, train__batch_size=8, model__dropout=0.3), examples, examples)[1]
        for seed in (0, 0, 1)
    )
    assert same(one.weights, again.weights)
    assert not same(one.weights, other.weights)


def test_training_leaves_the_global_random_state_alone() -> None:
    examples = gaussians((20, 20), seed=0)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    run(a_params(train__epochs=2, model__dropout=0.5), examples, examples)
    assert torch.equal(before, torch.get_rng_state())


def test_a_training_that_diverges_from_the_start_says_what_to_do() -> None:
    examples = gaussians((20, 20), seed=0)
    values = np.full((40, 16), np.inf, dtype=np.float32)
    broken = Examples(FeatureInputs(values, np.arange(40)), examples.targets)
    with pytest.raises(
        config.InputError,
        match=r"training diverged: val/loss was not a number .*; lower train\.learning_rate, which is 0\.02",
    ):
        run(a_params(train__epochs=2), broken, broken)


def test_a_training_that_diverges_later_keeps_what_it_learnt_before() -> None:
    examples, params = gaussians((20, 20), seed=0), a_params(train__epochs=50, train__patience=3)
    asked = 0

    def fragile(logits: Tensor, targets: Tensor) -> Tensor:
        nonlocal asked
        asked += torch.is_grad_enabled()
        return nn.functional.cross_entropy(logits, targets, reduction="none") * (float("nan") if asked > 8 else 1.0)

    network = members.build(params.model, params.train.seed, 2, 16)
    fitted = fit_network(network, examples, examples, objective.Objective(fragile, torch.ones(2), "multiclass"), params)
    assert fitted.best_epoch == 3  # two batches an epoch
    assert len(fitted.history) == 4 + 3
    assert np.isnan(fitted.history[-1]["val/loss"])
    assert all(torch.isfinite(tensor).all() for tensor in fitted.weights.values())


class Killed(BaseException):
    """Stands for a power cut."""


class KilledAfter(checkpoints.Checkpoint):
    """A checkpoint whose process dies after some saves."""

    def __init__(self, root: Path, saves: int) -> None:
        super().__init__(root, {}, [])
        self.saves = saves

    def save(self, state: dict[str, Any]) -> None:
        super().save(state)
        self.saves -= 1
        if self.saves == 0:
            raise Killed


@pytest.mark.parametrize("saves", [1, 4, 9])
def test_a_killed_head_goes_on_where_it_was(saves: int, tmp_path: Path) -> None:
    shown, val = gaussians((40, 20, 10), seed=0, skill=0.5), gaussians((40, 20, 10), seed=1, skill=0.5)
    params = a_params(
        train__epochs=90, train__patience=3, train__batch_size=16, train__learning_rate=0.004, model__dropout=0.3
    )
    _, whole = run(params, shown, val)
    assert 9 <= len(whole.history) < 90, "the test wants an early stop after the last kill"
    with pytest.raises(Killed):
        run(params, shown, val, checkpoint=KilledAfter(tmp_path, saves))
    rest = KilledAfter(tmp_path, 1000)
    _, resumed = run(params, shown, val, checkpoint=rest)
    assert 1000 - rest.saves == len(whole.history) - saves
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch
    assert same(resumed.weights, whole.weights)


def test_a_training_killed_after_its_last_epoch_only_hands_over_the_best(tmp_path: Path) -> None:
    examples = gaussians((40, 20), seed=0)
    params = a_params(train__epochs=3)
    _, whole = run(params, examples, examples)
    with pytest.raises(Killed):
        run(params, examples, examples, checkpoint=KilledAfter(tmp_path, 3))
    rest = KilledAfter(tmp_path, 1000)
    _, resumed = run(params, examples, examples, checkpoint=rest)
    assert rest.saves == 1000
    assert same(resumed.weights, whole.weights)


def test_a_killed_network_with_augmentation_and_dropout_goes_on_where_it_was(tmp_path: Path) -> None:
    params = a_params(
        model__freeze="none", model__dropout=0.4, train__augment="standard", train__epochs=3, train__batch_size=8
    )
    a_repository(tmp_path, settings(), frozen=False, count=16)
    shown = train._examples(tmp_path, "train", a_prior((1, 1, 1, 1)), params)
    val = train._examples(tmp_path, "val", a_prior((1, 1, 1, 1)), params)
    _, whole = run(params, shown, val, width=None)
    with pytest.raises(Killed):
        run(params, shown, val, checkpoint=KilledAfter(tmp_path, 1), width=None)
    _, resumed = run(params, shown, val, checkpoint=KilledAfter(tmp_path, 9), width=None)
    assert resumed.history == whole.history
    assert same(resumed.weights, whole.weights)


class Patient(nn.Module):
    """A loss with a memory: it grows by how often it was asked while training."""

    asked: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("asked", torch.zeros(()))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.training:
            self.asked += 1
        return nn.functional.cross_entropy(logits, targets, reduction="none") * (1 + self.asked)


def test_a_loss_with_a_memory_goes_on_with_it_and_is_not_taught_by_validation(tmp_path: Path) -> None:
    examples, params = gaussians((20, 20), seed=0), a_params(train__epochs=4)

    def fit(checkpoint: checkpoints.Checkpoint | None) -> tuple[float, loop.Fitted]:
        loss = Patient()
        network = members.build(params.model, params.train.seed, 2, 16)
        fitted = fit_network(
            network, examples, examples, objective.Objective(loss, torch.ones(2), "multiclass"), params, checkpoint
        )
        return float(loss.asked), fitted

    asked, whole = fit(None)
    assert asked == 4 * 2  # epochs times batches
    with pytest.raises(Killed):
        fit(KilledAfter(tmp_path, 2))
    asked, resumed = fit(KilledAfter(tmp_path, 9))
    assert asked == 4 * 2
    assert resumed.history == whole.history


RANKING = [name for name in losses.names() if losses.ranks(name)]


class Seen(nn.Module):
    """A loss that notes how many of class 1 each batch holds, and costs what cross-entropy does."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[int] = []

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.training:
            self.held.append(int((targets == 1).sum()))
        return nn.functional.cross_entropy(logits, targets, reduction="none")


def test_batches_are_stratified_for_a_loss_that_ranks_and_for_no_other() -> None:
    examples, params = gaussians((120, 8), seed=0), a_params(train__epochs=3, train__batch_size=16)
    held = {}
    for ranks in (False, True):
        loss = Seen()
        goal = objective.Objective(loss, torch.ones(2), "multiclass", ranks)
        fit_network(members.build(params.model, params.train.seed, 2, 16), examples, examples, goal, params)
        held[ranks] = loss.held
    assert held[True] == [1] * 24
    assert 0 in held[False]


def test_a_ranking_is_trained_with_plain_cross_entropy_first() -> None:
    examples = gaussians((40, 20, 10), seed=0)
    params = a_params(loss="auc_pairwise", train__epochs=5, train__pretrain_frac=0.4)
    _, fitted = run(params, examples, examples)
    goal = objective.Objective(
        lambda z, y: nn.functional.cross_entropy(z, y, reduction="none"), torch.ones(3), "multiclass", True
    )
    plain = fit_network(
        members.build(params.model, params.train.seed, 3, 16), examples, examples, goal, a_params(train__epochs=5)
    )
    _, at_once = run(a_params(loss="auc_pairwise", train__epochs=5), examples, examples)
    curve, cross_entropy, ranking = ([epoch["train/loss"] for epoch in its.history] for its in (fitted, plain, at_once))
    assert curve[:2] == pytest.approx(cross_entropy[:2], rel=1e-5)
    assert curve[2] != pytest.approx(cross_entropy[2], rel=1e-5)
    assert curve[0] != pytest.approx(ranking[0], rel=1e-5)
    # Both epochs of cross-entropy have moved the network, and validation has the loss of the ranking all along.
    assert curve[2] < ranking[0]
    assert [epoch["val/loss"] for epoch in fitted.history[:2]] != [epoch["val/loss"] for epoch in plain.history[:2]]


def loss_curve(fitted: loop.Fitted) -> list[float]:
    return [epoch["train/loss"] for epoch in fitted.history]


def test_deferred_weights_hold_from_their_epoch_on_and_not_before() -> None:
    examples = gaussians((60, 20, 6), seed=0, skill=1.0)
    weighting = {"scheme": "balanced", "beta": 0.999, "defer_frac": 0.6}
    _, plain = run(a_params(train__epochs=5), examples, examples)
    _, at_once = run(a_params(train__epochs=5, weighting__scheme="balanced"), examples, examples)
    _, deferred = run(a_params(train__epochs=5, weighting=weighting), examples, examples)
    assert loss_curve(deferred)[:3] == pytest.approx(loss_curve(plain)[:3])
    assert loss_curve(deferred)[3] != pytest.approx(loss_curve(plain)[3], rel=1e-3)
    assert loss_curve(deferred)[3] != pytest.approx(loss_curve(at_once)[3], rel=1e-3)
    assert deferred.best_epoch >= 3
    # Validation has the weighted loss all along.
    assert deferred.history[0]["val/loss"] != pytest.approx(plain.history[0]["val/loss"], rel=1e-3)


def test_deferred_draws_hold_from_their_epoch_on_and_not_before() -> None:
    natural, drawn = gaussians((60, 20, 6), seed=0, skill=1.0), gaussians((60, 60, 60), seed=1, skill=1.0)
    goal, _ = objective.build(a_prior((60, 60, 60)), "cross_entropy", BLOCKS["cross_entropy"], a_params().weighting)

    def curve(shown: Examples, early: Examples | None, defer_frac: float) -> list[float]:
        params = a_params(
            train__epochs=5,
            oversample={
                "views": 0,
                "policy": "dihedral",
                "defer_frac": defer_frac,
                "synthetic": "none",
                "copy_paste": NOTHING_PASTED,
            },
        )
        return loss_curve(
            fit_network(
                members.build(params.model, params.train.seed, 3, 16), shown, natural, goal, params, early=early
            )
        )

    deferred, never = curve(drawn, natural, 0.4), curve(natural, None, 0.0)
    assert deferred[:2] == pytest.approx(never[:2])
    assert deferred[2] != pytest.approx(never[2], rel=1e-3)
    with pytest.raises(ValueError, match=r"oversample.defer_frac is above 0, but the examples"):
        curve(drawn, None, 0.4)


class SeenShares(nn.Module):
    """Cross-entropy that remembers which share of each epoch's examples were of the last class."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[list[Tensor]] = [[]]

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.training:
            self.shares[-1].append(targets)
        else:
            self.shares.append([])
        return nn.functional.cross_entropy(logits, targets, reduction="none")


def test_progressive_sampling_goes_from_the_natural_shares_to_even_ones() -> None:
    examples = gaussians((80, 16, 4), seed=0)
    found = {}
    for sampler in ("as_drawn", "progressive"):
        loss = SeenShares()
        params = a_params(train__epochs=5, train__sampler=sampler)
        fit_network(
            members.build(params.model, params.train.seed, 3, 16),
            examples,
            examples,
            objective.Objective(loss, torch.ones(3), "multiclass"),
            params,
        )
        found[sampler] = [float((torch.cat(epoch) == 2).double().mean()) for epoch in loss.shares if epoch]
    assert found["as_drawn"] == pytest.approx([0.04] * 5)
    assert found["progressive"] == pytest.approx([0.04, 0.113, 0.187, 0.26, 1 / 3], abs=0.015)


@pytest.mark.parametrize("kind", ["smote", "borderline_smote"])
def test_synthetic_samples_keep_the_class_counts_and_change_what_is_learned(kind: Literal["smote"]) -> None:
    """The samples of an epoch are those of `over`; each new one lies between two of its class."""
    natural = gaussians((60, 12), 0, skill=1.0)
    repeated = np.append(np.arange(72), np.resize(np.arange(60, 72), 48))
    assert isinstance(natural.inputs, FeatureInputs)
    drawn = Examples(FeatureInputs(natural.inputs.values, repeated), natural.targets[torch.from_numpy(repeated)])
    made = with_synthetic(drawn, natural, kind, 0)
    assert np.bincount(made.targets).tolist() == [60, 60]
    assert isinstance(made.inputs, FeatureInputs)
    assert len(np.unique(made.inputs.values, axis=0)) > 100
    (plain,), (other,), (again,) = (
        members.fit_members(
            drawn, natural, gaussians((40, 10), 1), a_prior((60, 60)), a_params(oversample__synthetic=name)
        )
        for name in ("none", kind, kind)
    )
    assert plain.ledger == other.ledger, "the class counts are those of `over`"
    assert all(torch.equal(other.weights[name], again.weights[name]) for name in other.weights)
    assert any(not torch.equal(plain.weights[name], other.weights[name]) for name in plain.weights)


def mixed(root: Path, mix: str) -> float:
    """Learn pictures, check the ledger, and return the last training loss."""
    changes = {"model__freeze": "none", "train__epochs": 12, "train__learning_rate": 0.01, "train__batch_size": 16}
    content = settings(**changes, train__mix=mix, train__mix_alpha=1.0)
    a_repository(root, content, frozen=False, count=16)
    train.main(root, config.validate(train.Params, content))
    card = model.read_card(root)
    assert [line.piece for line in card.ledger][2:] == ([] if mix == "none" else ["train.mix"])
    assert all(line.factors is None for line in card.ledger[2:])
    return float(training.read(root)["train/loss"].to_numpy()[-1])


@pytest.fixture(scope="module")
def unmixed(tmp_path_factory: pytest.TempPathFactory) -> float:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile_inputs, "workers_count", lambda: 0)
        return mixed(tmp_path_factory.mktemp("unmixed"), "none")


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_a_mixing_network_is_less_sure_of_what_it_learned_by_heart(mix: str, unmixed: float, tmp_path: Path) -> None:
    assert mixed(tmp_path, mix) > 2 * unmixed


def test_mixup_of_features_changes_what_is_learnt_and_follows_from_the_seed() -> None:
    examples = gaussians((30, 10, 5), seed=0)
    _, plain = run(a_params(train__epochs=3), examples, examples)
    _, mixed = run(a_params(train__epochs=3, train__mix="mixup", train__mix_alpha=1.0), examples, examples)
    assert loss_curve(mixed) != pytest.approx(loss_curve(plain), rel=1e-2)
    assert same(
        mixed.weights,
        run(a_params(train__epochs=3, train__mix="mixup", train__mix_alpha=1.0), examples, examples)[1].weights,
    )


def test_the_shares_of_a_mixture_follow_alpha() -> None:
    """Beta(a, a) lies near 0 and 1 for small a, where mixing changes next to nothing, and near 1 / 2 for large a."""
    examples = gaussians((30, 30), seed=0, skill=4.0)
    losses_of = {}
    for alpha in (0.01, 50.0):
        _, fitted = run(a_params(train__epochs=20, train__mix="mixup", train__mix_alpha=alpha), examples, examples)
        losses_of[alpha] = fitted.history[-1]["train/loss"]
    assert losses_of[50.0] > 0.3 > 0.15 > losses_of[0.01]


PIXELS = Pixels({"integer": (0.0, 4095.0)}, (2, 1, 0), 255, False, "found")


def rare_repository(root: Path, content: dict[str, Any]) -> Path:
    """Write pictures of four classes of which the last has few, with noise that a small network cannot see through."""
    targets = {"train": np.repeat(np.arange(4), (24, 12, 8, 4)).tolist(), "val": (np.arange(40) % 4).tolist()}
    for split, its in targets.items():
        write_tiles(root, split, its)
        features.write(root, split, None)
    count = len(targets["train"])
    draws.write(root, pd.DataFrame({"tile_id": [f"train{n:04d}" for n in range(count)], "view": [0] * count}))
    pixels.write(root, PIXELS)
    prior.write(root, a_prior((24, 12, 8, 4)))
    (root / config.PATH).write_text(yaml.safe_dump(content))
    return root


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"oversample__defer_frac": 0.5},
        {"train__sampler": "progressive"},
        {"model__head": "concat_pool", "model__pool": "avg_max", "model__freeze": "all_but_batchnorm"},
    ],
)
def test_a_retrained_classifier_keeps_the_backbone_and_has_seen_even_classes(
    more: dict[str, Any], tmp_path: Path
) -> None:
    changes = {
        "model__freeze": "none",
        "train__epochs": 3,
        "train__learning_rate": 0.01,
        "train__batch_size": 16,
    } | more
    last = 6 if changes.get("model__head") == "concat_pool" else 2
    weights, cards = {}, {}
    for name in ("as_trained", "retrained"):
        content = settings(**changes, train__classifier=name)
        root = rare_repository(tmp_path / name, content)
        train.main(root, config.validate(train.Params, content))
        weights[name], cards[name] = model.read_weights(root), model.read_card(root)
    assert set(weights["as_trained"]) == set(weights["retrained"])
    moved = {key for key, tensor in weights["retrained"].items() if not torch.equal(tensor, weights["as_trained"][key])}
    assert {key for key in moved if not key.startswith("head.")} == set()
    assert {f"head.{last}.weight", f"head.{last}.bias"} <= moved
    lines = {line.piece: line for line in cards["retrained"].ledger}
    assert set(lines) == {"train.classifier", "weighting.scheme", "loss"}
    assert lines["train.classifier"].factors is not None
    seen = np.array([24, 12, 8, 4]) * np.array(lines["train.classifier"].factors)
    assert seen / seen.sum() == pytest.approx([0.25] * 4)
    assert "train.classifier" not in {line.piece for line in cards["as_trained"].ledger}
    assert rebuild(cards["retrained"], weights["retrained"])


def test_a_retrained_classifier_learns_from_even_draws_of_every_tile_unmixed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, val = gaussians((60, 20, 5), seed=0), gaussians((20, 20, 20), seed=1)
    params = a_params(train__mix="mixup", train__sampler="progressive", oversample__defer_frac=0.5)
    asked: list[tuple[Curriculum, Train]] = []
    real = loop.fit

    def spied(network: nn.Module, lessons: Curriculum, val: Examples, params: Train, *others: Any) -> loop.Fitted:
        asked.append((lessons, params))
        return real(network, lessons, val, params, *others)

    monkeypatch.setattr(loop, "fit", spied)
    network = Network(nn.Identity(), build_head("linear", 16, 3, 0.0, 0))
    _, lines = members.retrain(network, shown, val, a_prior((60, 20, 5)), params, CPU)
    ((lessons, settings_of_the_head),) = asked
    examples = lessons.train
    assert np.bincount(examples.targets.numpy()).tolist() == [60, 60, 60]
    assert isinstance(examples.inputs, FeatureInputs)
    assert set(examples.inputs.rows.tolist()) == set(range(85))
    assert examples.targets.tolist() == shown.targets[torch.from_numpy(examples.inputs.rows)].tolist()
    assert (settings_of_the_head.mix, settings_of_the_head.sampler) == ("none", "as_drawn")
    assert lessons.natural_epochs == 0
    assert next(line for line in lines if line.piece == "train.classifier").factors == pytest.approx(
        (17 / 36, 17 / 12, 17 / 3)
    )


@pytest.mark.parametrize(("key", "value"), [("sampler", "progressive"), ("mix", "mixup")])
def test_what_changes_the_prior_in_the_course_of_training_has_a_line_in_the_ledger(
    key: str, value: str, tmp_path: Path
) -> None:
    content = settings(train__epochs=2, **{f"train__{key}": value})
    a_repository(tmp_path, content)
    train.main(tmp_path, config.validate(train.Params, content))
    assert prior_ledger.Line(f"train.{key}", value, None) in model.read_card(tmp_path).ledger


def test_a_tau_normalised_classifier_decides_better_for_the_rare_on_validation(tmp_path: Path) -> None:
    shown, val = gaussians((400, 80, 10), seed=0, skill=1.0), gaussians((80, 80, 80), seed=1, skill=1.0)
    network, fitted = run(a_params(train__epochs=30), shown, val)
    network.load_state_dict(fitted.weights)
    before = infer(network, val.inputs, 128, CPU)
    weights, line = decoupling.renormalise(network, val, CPU, 128)
    after = infer(network, val.inputs, 128, CPU)
    recalls = [
        [float((logits.argmax(axis=1)[val.targets == k] == k).mean()) for k in range(3)] for logits in (before, after)
    ]
    assert np.mean(recalls[1]) > np.mean(recalls[0])
    assert recalls[1][2] > recalls[0][2]
    assert line.factors is None
    assert line.piece == "train.classifier"
    tau = float(line.remedy.rpartition(" ")[2])
    torch.testing.assert_close(
        weights["2.weight"].norm(dim=1), fitted.weights["2.weight"].norm(dim=1) ** (1 - tau), rtol=1e-4, atol=1e-5
    )
    assert not weights["2.bias"].any()


@pytest.mark.parametrize(("head", "last"), [("linear", "2"), ("concat_pool", "6"), ("dense", "4")])
def test_a_tau_normalised_classifier_is_what_is_written(head: str, last: str, tmp_path: Path) -> None:
    content = settings(train__epochs=3, train__classifier="tau_normalised", model__head=head)
    a_repository(tmp_path, content)
    train.main(tmp_path, config.validate(train.Params, content))
    weights = model.read_weights(tmp_path)
    assert {name for name in weights if name.endswith(".bias") and not weights[name].any()} == {f"{last}.bias"}
    assert model.read_card(tmp_path).ledger[-1].remedy.startswith("tau_normalised, tau = ")


@pytest.mark.parametrize("defer_frac", [0.0, 0.5])
def test_a_training_begins_at_the_prior_of_its_first_draws(defer_frac: float, tmp_path: Path) -> None:
    content = settings(oversample__defer_frac=defer_frac)
    root = a_repository(tmp_path, content)
    given = replace(prior.read(root), drawn_counts=(10, 10, 10, 10), train_counts=(25, 10, 4, 1))
    params = config.validate(train.Params, content | {"train": content["train"] | {"epochs": 2, "learning_rate": 1e-9}})
    examples = gaussians((25, 10, 4, 1), seed=0)
    learned = members.fit_member(examples, examples, examples, given, params)
    first = np.array(given.train_counts if defer_frac else given.drawn_counts)
    (bias,) = (tensor for name, tensor in learned.weights.items() if name.endswith("bias"))
    assert bias.numpy() == pytest.approx(np.log(first / first.sum()), abs=1e-4)


def test_deferred_draws_show_every_tile_as_it_is_first(tmp_path: Path) -> None:
    deferred = {"views": 0, "policy": "dihedral", "defer_frac": 0.5, "synthetic": "none", "copy_paste": NOTHING_PASTED}
    curves = {}
    for name, changes in {"plain": {}, "deferred": {"oversample": deferred}}.items():
        content = settings(train__epochs=4, **changes)
        root = a_repository(tmp_path / name, content)
        drawn = draws.read(root)
        draws.write(root, pd.concat([drawn, drawn.iloc[:20]]).sort_values(["tile_id", "view"], ignore_index=True))
        train.main(root, config.validate(train.Params, content))
        curves[name] = training.read(root)["train/loss"].tolist()
    whole = settings(train__epochs=4)
    train.main(a_repository(tmp_path / "every tile", whole), config.validate(train.Params, whole))
    every = training.read(tmp_path / "every tile")["train/loss"].tolist()
    assert curves["deferred"][:2] == pytest.approx(every[:2])
    assert curves["deferred"][2] != pytest.approx(every[2], rel=1e-3)
    assert curves["plain"][0] != pytest.approx(every[0], rel=1e-3)


class EverWorse(nn.Module):
    """A loss that is greater every time validation asks, whatever the network does."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        self.asked += not self.training
        return 0 * logits[:, 0] + self.asked


def test_early_stopping_looks_only_at_epochs_after_pretraining() -> None:
    examples = gaussians((20, 20), seed=0)
    params = a_params(train__epochs=20, train__pretrain_frac=0.5, train__patience=3)
    goal = objective.Objective(EverWorse(), torch.ones(2), "multiclass", True)
    fitted = fit_network(members.build(params.model, params.train.seed, 2, 16), examples, examples, goal, params)
    assert fitted.best_epoch == 10
    assert len(fitted.history) == 11 + 3


def an_auc_margin(params: train.Params, classes: int = 2) -> objective.Objective:
    built = losses.build(
        "auc_margin",
        task="multiclass",
        class_counts=[1] * classes,
        example_count=classes,
        params=params.losses["auc_margin"],
    )
    return objective.Objective(built, torch.ones(classes), "multiclass", True)


def state_of(goal: objective.Objective) -> dict[str, Tensor]:
    assert isinstance(goal.loss, nn.Module)
    return {name: tensor.clone() for name, tensor in goal.loss.state_dict().items()}


def test_the_parameters_of_a_loss_are_trained_without_weight_decay() -> None:
    """The third class is never drawn: nothing pulls at its parameters, and no decay may."""
    examples = gaussians((40, 20), seed=0, skill=4.0)
    params = a_params(train__epochs=20, train__weight_decay=0.5)
    goal = an_auc_margin(params, 3)
    before = state_of(goal)
    fit_network(members.build(params.model, params.train.seed, 3, 16), examples, examples, goal, params)
    after = state_of(goal)
    for name in ("a", "b", "alpha"):
        assert torch.equal(after[name][2], before[name][2])
    assert (after["a"][:2] > 0.55).all()
    assert (after["b"][:2] < 0.45).all()
    assert (after["alpha"][:2] < 0.95).all()


def test_the_parameters_of_a_loss_wait_while_cross_entropy_is_trained() -> None:
    examples = gaussians((40, 20), seed=0)
    moved = []
    for frac in (0.0, 0.75):
        params = a_params(train__epochs=4, train__pretrain_frac=frac)
        goal = an_auc_margin(params)
        before = state_of(goal)
        fit_network(members.build(params.model, params.train.seed, 2, 16), examples, examples, goal, params)
        moved.append(float((state_of(goal)["alpha"] - before["alpha"]).abs()))
    assert 0 < moved[1] < 0.5 * moved[0]


def test_a_loss_is_put_back_within_its_bounds_after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The margin is soon kept by far, so that a step would take alpha below 0."""
    examples = gaussians((40, 20), seed=0, skill=6.0)
    wanted: list[float] = []
    goal = an_auc_margin(a_params(losses={**BLOCKS, "auc_margin": {"margin": 0.1}}))
    assert isinstance(goal.loss, losses.Constrained)
    project = goal.loss.project

    def note_and_project() -> None:
        wanted.append(float(state_of(goal)["alpha"]))
        project()

    monkeypatch.setattr(goal.loss, "project", note_and_project)
    fit_network(
        members.build(a_params().model, a_params().train.seed, 2, 16),
        examples,
        examples,
        goal,
        a_params(train__epochs=60),
    )
    assert len(wanted) == 60 * 2
    assert min(wanted) < 0
    assert float(state_of(goal)["alpha"]) >= 0


@pytest.mark.parametrize("saves", [1, 4])
def test_a_killed_training_goes_on_with_what_a_harmonized_gradient_remembers(saves: int, tmp_path: Path) -> None:
    shown, val = gaussians((40, 20, 10), seed=0, skill=0.5), gaussians((40, 20, 10), seed=1, skill=0.5)
    params = a_params(loss="gradient_harmonized", train__epochs=6, train__batch_size=16)

    def fit(checkpoint: checkpoints.Checkpoint | None) -> tuple[loop.Fitted, dict[str, Tensor]]:
        goal, _ = objective.build(a_prior((40, 20, 10)), params.loss, BLOCKS[params.loss], params.weighting)
        fitted = fit_network(
            members.build(params.model, params.train.seed, 3, 16), shown, val, goal, params, checkpoint
        )
        return fitted, state_of(goal)

    whole, state = fit(None)
    with pytest.raises(Killed):
        fit(KilledAfter(tmp_path, saves))
    resumed, resumed_state = fit(KilledAfter(tmp_path, 1000))
    assert resumed.history == whole.history
    assert same(resumed.weights, whole.weights)
    assert same(resumed_state, state)
    assert float(state["moving"].sum()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("loss", RANKING)
@pytest.mark.parametrize("saves", [1, 3, 6])
def test_a_killed_ranking_goes_on_where_it_was(loss: str, saves: int, tmp_path: Path) -> None:
    """Killed in the first and the last epoch of cross-entropy, and after it."""
    shown, val = gaussians((40, 20, 10), seed=0, skill=0.5), gaussians((40, 20, 10), seed=1, skill=0.5)
    params = a_params(loss=loss, train__epochs=8, train__pretrain_frac=0.4, train__batch_size=16, model__dropout=0.3)

    def fit(checkpoint: checkpoints.Checkpoint | None) -> tuple[loop.Fitted, objective.Objective]:
        goal, _ = objective.build(a_prior((40, 20, 10)), loss, params.losses[loss], params.weighting)
        network = members.build(params.model, params.train.seed, 3, 16)
        return fit_network(network, shown, val, goal, params, checkpoint), goal

    whole, goal = fit(None)
    with pytest.raises(Killed):
        fit(KilledAfter(tmp_path, saves))
    rest = KilledAfter(tmp_path, 1000)
    resumed, resumed_goal = fit(rest)
    assert 1000 - rest.saves == 8 - saves
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch >= 3
    assert same(resumed.weights, whole.weights)
    if isinstance(goal.loss, nn.Module):
        assert same(state_of(resumed_goal), state_of(goal))


@pytest.mark.parametrize("loss", RANKING)
def test_a_ranking_ranks_better_than_chance_on_what_it_has_not_seen(loss: str) -> None:
    shown, val = gaussians((300, 20), seed=0, skill=1.5), gaussians((300, 60), seed=1, skill=1.5)
    network, fitted = run(a_params(loss=loss, train__epochs=15), shown, val)
    logits = logits_of(network, fitted, val)
    assert roc_auc_score(val.targets, logits[:, 1] - logits[:, 0]) > 0.8


def test_fine_tuning_in_bfloat16_on_the_cpu_learns_and_writes_float32(tmp_path: Path) -> None:
    changes = {"model__freeze": "none", "train__epochs": 12, "train__learning_rate": 0.01, "train__batch_size": 16}
    found = {}
    for precision in ("float32", "bfloat16"):
        content = settings(**changes, model__precision=precision, train__augment="none")
        root = a_repository(tmp_path / precision, content, frozen=False, count=32)
        train.main(root, config.validate(train.Params, content))
        found[precision] = training.read(root)["train/loss"].tolist()
        weights = model.read_weights(root)
        assert {tensor.dtype for tensor in weights.values()} <= {torch.float32, torch.int64}
    assert found["bfloat16"][-1] < 0.7 * found["bfloat16"][0]
    assert found["bfloat16"] != found["float32"]
    assert found["bfloat16"][0] == pytest.approx(found["float32"][0], rel=0.1)


@pytest.mark.parametrize(
    "backend",
    [
        "aot_eager",  # traces the network as inductor does, but compiles no C++
        pytest.param(
            "inductor",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(shutil.which("g++") is None, reason="it needs a C++ compiler, and there is no g++"),
            ],
        ),
    ],
)
@pytest.mark.filterwarnings("default")  # of PyTorch's own compiler
def test_a_compiled_network_takes_the_same_steps_and_keeps_the_names_of_its_weights(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    torch._dynamo.reset()
    examples = gaussians((20, 13), seed=0)
    _, plain = run(a_params(train__epochs=2, train__batch_size=16), examples, examples)
    before = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
    _, compiled = run(a_params(train__epochs=2, train__batch_size=16, train__compile=True), examples, examples)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before
    assert list(compiled.weights) == list(plain.weights)
    for name, tensor in compiled.weights.items():
        torch.testing.assert_close(tensor, plain.weights[name], rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("default")
def test_a_compiler_that_is_missing_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torch._inductor import config as inductor

    monkeypatch.setattr(inductor.cpp, "cxx", (None, "no-such-compiler"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    torch._dynamo.reset()
    examples = gaussians((20, 13, 5), seed=0)
    with pytest.raises(
        config.InputError, match=r"train.compile is true, but torch.compile failed: .*set train.compile"
    ):
        run(a_params(train__compile=True), examples, examples)


@pytest.mark.parametrize(
    "changes",
    [
        {"model__head": "cosine"},
        {
            "model__freeze": "first_n",
            "model__freeze_first": 2,
            "train__augment": "flips",
            "train__accumulate": 2,
            "train__sampler": "progressive",
            "train__learning_rate": 0.001,
        },
    ],
    ids=["features", "images"],
)
def test_of_two_processes_that_train_the_first_alone_writes(changes: dict[str, Any], tmp_path: Path) -> None:
    halves_train_as_the_whole(tmp_path, changes, lambda folder: processes.both("-m", TRAIN, folder=folder))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, 5), ({"train__batch_size": 13}, 5), ({"train__batch_size": 4}, 2), ({"loss": "auc_pairwise"}, 1)],
)
def test_each_process_has_two_examples_of_every_batch(
    changes: dict[str, Any], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 examples, batches of at most 13 are 4 batches of 10."""
    content = settings(**({"model__freeze": "none", "train__batch_size": 10} | changes))
    root = a_repository(tmp_path, content, frozen=False)
    asked: dict[str, Any] = {}
    monkeypatch.setattr(train, "together", lambda *_, **how: asked.update(how))
    train.main(root, config.validate(train.Params, content))
    assert asked == {"most": expected, "on_gpu": False}


def test_a_head_on_stored_features_is_trained_by_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERPOISE_ENGINE", "ray")
    content = settings(train__epochs=1)
    root = a_repository(tmp_path, content)
    train.main(root, config.validate(train.Params, content))
    assert (root / model.CARD).exists()


def test_processes_that_would_compute_in_different_precisions_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = settings(train__epochs=1)
    root = a_repository(tmp_path, content)
    monkeypatch.setattr(process_group, "of_all", lambda own: [own, devices.pick("cpu", "bfloat16")])
    with pytest.raises(config.InputError, match="in float32, and another one on cpu in bfloat16"):
        train.main(root, config.validate(train.Params, content))
    assert not (root / model.CARD).exists()


@pytest.mark.slow
def test_torchrun_trains_with_two_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", TRAIN]

    def run(folder: Path) -> "subprocess.CompletedProcess[str]":
        own = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=100, check=False)

    halves_train_as_the_whole(tmp_path, {"model__head": "cosine"}, run)


def halves_train_as_the_whole(
    folder: Path, changes: dict[str, Any], run: "Callable[[Path], processes.Done | subprocess.CompletedProcess[str]]"
) -> None:
    content = settings(train__epochs=2, train__batch_size=10, **changes)
    frozen = content["model"]["freeze"] == "backbone"
    whole, halves = (a_repository(folder / name, content, frozen=frozen) for name in ("whole", "halves"))
    found = run(halves)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("best epoch") == 1
    assert not (halves / unfinished.FOLDER).exists()
    train.main(whole, config.validate(train.Params, content))
    assert set(model.read_weights(halves)) == set(model.read_weights(whole))
    for name in ("train/loss", "val/loss"):
        # Batch norm looks at each process's own half of a batch; `test_process_group.py` compares without it.
        assert training.read(halves)[name].tolist() == pytest.approx(training.read(whole)[name].tolist(), rel=0.2)


def test_the_share_of_time_that_the_loop_waited_is_printed_and_written_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = settings(train__epochs=2)
    root = a_repository(tmp_path, content)
    ready = FeatureInputs.batches

    def slow(self: FeatureInputs, order: Any, chance: Any = None) -> Iterator[Tensor]:
        for batch in ready(self, order, chance):
            time.sleep(0.2)
            yield batch

    monkeypatch.setattr(FeatureInputs, "batches", slow)
    train.main(root, config.validate(train.Params, content))
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("waiting for data: "))
    assert float(line.split()[3].rstrip("%")) > 50
    assert not [column for column in training.read(root) if "wait" in str(column)]


def start(root: Path) -> processes.Started:
    """Run the stage beside this process."""
    return processes.start("-m", TRAIN, folder=root)


def test_a_stage_that_was_killed_ends_with_the_same_bytes_as_one_that_was_not(tmp_path: Path) -> None:
    content = settings(train__epochs=EPOCHS, train__batch_size=8, model__dropout=0.3, train__schedule="cosine")
    whole, killed = (a_repository(tmp_path / name, content, count=200) for name in ("whole", "killed"))
    process = start(killed)
    deadline = time.monotonic() + 60
    while not list(killed.glob(f"{unfinished.FOLDER}/*/state.pt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    process.kill()
    killing = process.wait()
    assert killing.returncode == -signal.SIGKILL, f"it ended before it could be killed: {killing}"
    (file,) = killed.glob(f"{unfinished.FOLDER}/*/state.pt")
    assert 1 <= len(torch.load(file, weights_only=True)["history"]) < EPOCHS
    assert not (killed / model.FOLDER).exists()
    done = start(killed).wait()
    assert done.returncode == 0, done
    assert f"of {EPOCHS}" in done.stdout
    train.main(whole, config.validate(train.Params, content))
    assert weights_file(killed) == weights_file(whole)
    assert (killed / model.CARD).read_bytes() == (whole / model.CARD).read_bytes()
    for root in (killed, whole):
        assert not (root / unfinished.FOLDER).exists()
    assert training.read(killed).equals(training.read(whole))


def test_a_second_training_in_one_checkout_is_refused_until_the_first_one_is_dead(tmp_path: Path) -> None:
    content = settings(train__epochs=2000, train__batch_size=4, train__patience=2000)
    root = a_repository(tmp_path / "repository", content, count=200)
    first = start(root)
    deadline = time.monotonic() + 60
    while not list(root.glob(f"{unfinished.FOLDER}/*/state.pt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    told = start(root).wait().stderr
    assert first.runs(), "the first training ended too early"
    assert "stage 'train' is running already in" in told
    assert "Traceback" not in told
    first.kill()
    first.wait()
    with stages.alone(root, "train"):
        pass


def test_the_state_of_other_parameters_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = settings(train__epochs=5), settings(train__epochs=5, train__learning_rate=0.001)
    fresh, stale = (a_repository(tmp_path / name, new) for name in ("fresh", "stale"))

    def killed(self: checkpoints.Checkpoint, state: dict[str, Any]) -> None:
        save(self, state)
        raise Killed

    save = checkpoints.Checkpoint.save
    monkeypatch.setattr(checkpoints.Checkpoint, "save", killed)
    with pytest.raises(Killed):
        train.main(stale, config.validate(train.Params, old))
    monkeypatch.setattr(checkpoints.Checkpoint, "save", save)
    assert len(list(stale.glob(f"{unfinished.FOLDER}/*/state.pt"))) == 1
    for root in (fresh, stale):
        train.main(root, config.validate(train.Params, new))
    assert weights_file(stale) == weights_file(fresh)


def average_precision(*, shuffled: bool, seed: int) -> tuple[float, tuple[float, float], float]:
    """Train, predict, decide and score: value, interval and no-skill value of the rarest class on test."""
    counts = {"train": (300, 120, 60, 30), "val": (150, 60, 30, 15), "test": (600, 240, 120, 60)}
    data = {
        split: gaussians(numbers, 10 * seed + number, skill=1.5, shuffled=shuffled)
        for number, (split, numbers) in enumerate(counts.items())
    }
    network, fitted = run(a_params(train__epochs=15, train__patience=5), data["train"], data["val"])
    network.load_state_dict(fitted.weights)

    def predicted(split: str) -> predictions.Predictions:
        ids = tuple(f"{split}{number}" for number in range(len(data[split].targets)))
        labels = tuple(NAMES[target] for target in data[split].targets.tolist())
        return predictions.Predictions(ids, ids, labels, NAMES, infer(network, data[split].inputs, 256, CPU))

    choice = decide.Decide.model_validate(
        {
            "calibrator": "temperature",
            "target": "natural",
            "rule": "balanced",
            "costs": {},
            "beta": 1.0,
            "floor": 0.8,
            "false_alarms": 1.0,
        }
        | {"unlabelled": "data/unlabelled", "at_least": 0, "min_positives": 10, "search_positives": 1000, "density": {}}
    )
    matters = decide.Matters(Positive(NAMES[-1], "as evaluate.positive states it"), ())
    wanted = evaluate.Evaluate(positive=None, at_prevalence=(), resamples=500)
    chosen = decide.choose(predicted("val"), a_prior(counts["train"]), (), choice, matters)
    found, _ = evaluate.score(predicted("test"), chosen, wanted, seed)
    name = "average_precision"
    return found.figures[name], found.intervals[name], found.figures[f"no_skill_{name}"]


@pytest.mark.parametrize("seed", [0, 1])
def test_shuffled_labels_teach_nothing(seed: int) -> None:
    value, (low, high), no_skill = average_precision(shuffled=True, seed=seed)
    assert low <= no_skill <= high
    assert value < 2 * no_skill


def test_true_labels_teach_far_more_than_no_skill() -> None:
    value, (low, _), no_skill = average_precision(shuffled=False, seed=0)
    assert value > 5 * no_skill
    assert low > 3 * no_skill


def some_labels(n: int, seed: int, *, skill: float = 2.0, rates: tuple[float, ...] = (0.5, 0.3, 0.1)) -> Examples:
    """Labels that come and go independently, each with a direction of its own."""
    rng = np.random.default_rng(seed)
    borne = rng.random((n, len(rates))) < np.array(rates)
    values = rng.normal(size=(n, 16)).astype(np.float32)
    values[:, : len(rates)] += (skill * borne).astype(np.float32)
    return Examples(FeatureInputs(values, np.arange(n)), torch.from_numpy(borne.astype(np.int64)))


def a_prior_of_labels(examples: Examples) -> prior.Prior:
    counts = tuple(examples.targets.sum(dim=0).tolist())
    return prior.Prior("multilabel", NAMES[: len(counts)], counts, counts, counts, *3 * (len(examples.targets),), ())


def run_labels(params: train.Params, shown: Examples, val: Examples) -> tuple[nn.Module, loop.Fitted]:
    goal, _ = objective.build(a_prior_of_labels(shown), params.loss, params.losses[params.loss], params.weighting)
    network = members.build(params.model, params.train.seed, shown.targets.shape[1], 16)
    return network, fit_network(network, shown, val, goal, params)


@pytest.mark.parametrize("loss", [name for name in losses.names() if "multilabel" in losses.module(name).TASKS])
def test_one_batch_of_many_labels_is_learnt_by_heart(loss: str) -> None:
    batch = some_labels(16, seed=0, skill=0.0)
    epochs, rate = (300, 0.05) if loss == "auc_margin" else (60, 0.1)  # its margins are learned as well
    network, fitted = run_labels(a_params(loss=loss, train__epochs=epochs, train__learning_rate=rate), batch, batch)
    if losses.ranks(loss):  # where the threshold lies it leaves open
        assert last_figure(fitted, "average_precision") == 1
        return
    assert ((logits_of(network, fitted, batch) > 0).long() == batch.targets).all()


def test_a_pos_weight_makes_too_many_positives_as_it_should() -> None:
    shown, val = some_labels(3000, seed=0), some_labels(3000, seed=1)
    called = {}
    for scheme in ("none", "negatives_over_positives"):
        params = a_params(weighting__scheme=scheme, train__epochs=10, train__batch_size=128)
        network, fitted = run_labels(params, shown, val)
        called[scheme] = (logits_of(network, fitted, val) > 0).double().mean(dim=0)
    actual = val.targets.double().mean(dim=0)
    assert called["negatives_over_positives"][2] > 1.5 * actual[2]
    assert called["none"][2] < 1.1 * actual[2]


# Several members, a part of train, types of classes.


def weights_of(root: Path, count: int) -> list[dict[str, Tensor]]:
    return [model.read_weights(root, member) for member in range(count)]


def test_the_first_member_is_the_one_that_would_be_alone_and_the_others_are_other_ones(tmp_path: Path) -> None:
    roots = []
    for count in (1, 3):
        content = settings(model__dropout=0.3, train__members=count, train__epochs=3)
        roots.append(a_repository(tmp_path / str(count), content))
        train.main(roots[-1], config.validate(train.Params, content))
        assert model.read_card(roots[-1]).members == count
    assert weights_file(roots[0]) == weights_file(roots[1])
    first, second, third = weights_of(roots[1], 3)
    assert not same(first, second)
    assert not same(second, third)
    assert not (roots[1] / model.weights_path(3)).exists()
    assert (training.read(roots[0]) == training.read(roots[1])).all().all()
    assert not (roots[1] / unfinished.FOLDER).exists()


def test_members_of_an_unfrozen_network_begin_with_other_weights() -> None:
    params = a_params(model__freeze="none", train__members=2)
    first, second = (
        members.build(
            members.as_member(params, member).model, members.as_member(params, member).train.seed, 2, None
        ).state_dict()
        for member in range(2)
    )
    assert not same(first, second)
    assert same(first, members.build(params.model, params.train.seed, 2, None).state_dict())


@pytest.mark.parametrize("saves", [2, 5, 8])
def test_a_killed_ensemble_goes_on_where_it_was(saves: int, tmp_path: Path) -> None:
    shown, val = gaussians((40, 20, 10), seed=0, skill=0.5), gaussians((40, 20, 10), seed=1, skill=0.5)
    params = a_params(train__epochs=3, train__members=3, model__dropout=0.3)
    given = a_prior((40, 20, 10))

    def kept(saves: int) -> list[KilledAfter]:
        """The third is killed after as many saves as are left once the first two had theirs."""
        left = [max(0, saves - 3 * member) if saves < 3 * (member + 1) else 1000 for member in range(3)]
        return [KilledAfter(tmp_path / str(member), own) for member, own in enumerate(left)]

    whole = members.fit_members(shown, shown, val, given, params)
    with pytest.raises(Killed):
        members.fit_members(shown, shown, val, given, params, kept(saves))
    rest = [KilledAfter(tmp_path / str(member), 1000) for member in range(3)]
    resumed = members.fit_members(shown, shown, val, given, params, rest)
    done = sum(1000 - own.saves for own in rest)
    assert done == 9 - saves
    for one, other in zip(whole, resumed, strict=True):
        assert same(one.weights, other.weights)
        assert one.history == other.history


def test_what_each_member_chose_on_validation_stands_in_the_ledger() -> None:
    given, params = a_prior((40, 20)), a_params()
    lines = [(prior_ledger.Line("train.classifier", f"tau_normalised, tau = {tau}", None),) for tau in (0.2, 0.5, 0.2)]
    learned = [members.Member({}, own, [], {"best_epoch": 0}, 0.0) for own in lines]
    (line,) = members.describe(learned, given, params.loss, params.model, 16).ledger
    assert line.remedy == "tau_normalised, tau = 0.2 / tau_normalised, tau = 0.5"


def test_a_part_of_train_is_all_that_is_learned_from_when_every_tile_is_drawn_once(tmp_path: Path) -> None:
    content = settings(train__fraction=0.5)
    a_repository(tmp_path, content)
    ids = [f"{split}{number:04d}" for split, count in (("train", 40), ("val", 20)) for number in range(count)]
    table = pd.DataFrame({"image_id": ids, "unit": ids, "centre": ids, "kind": "single", "correlation": 1.0})
    clusters.write(tmp_path, table)
    params = config.validate(train.Params, content)
    every = train._examples(tmp_path, "train", a_prior((5,) * 4), params)
    assert np.bincount(every.targets.numpy()).tolist() == [5] * 4
    chosen = subsampling.choose(tiles.read(tmp_path, "train").table, clusters.units(tmp_path), 0.5, params.seed)
    assert every.tiles is not None
    assert every.tiles.tolist() == chosen.tolist()
    assert len(train._examples(tmp_path, "val", a_prior((5,) * 4), params).targets) == 20


@pytest.mark.parametrize("frozen", [True, False])
def test_types_of_a_class_are_learned_and_summed_back(frozen: bool, tmp_path: Path) -> None:
    freeze = "backbone" if frozen else "none"
    content = settings(model__freeze=freeze, model__subclasses={"usual": 3}, train__epochs=2)
    a_repository(tmp_path, content, frozen=frozen)
    train.main(tmp_path, config.validate(train.Params, content))
    card, weights = model.read_card(tmp_path), model.read_weights(tmp_path)
    assert card.subclasses == {"usual": 3}
    assert card.classes == NAMES
    assert [line.piece for line in card.ledger][-1] == "model.subclasses"
    last = weights["2.weight" if frozen else "head.2.weight"]
    assert len(last) == 6
    network = rebuild(card, weights).eval()
    assert network(torch.randn(2, 32) if frozen else torch.randn(2, 3, 32, 32)).shape == (2, 4)


def test_a_draw_has_the_type_of_its_tile_whatever_its_view() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=(20, 4)), rng.normal(size=(20, 4)) + 9]).astype(np.float32)
    targets = torch.ones(40, dtype=torch.int64)
    every = Examples(FeatureInputs(values, np.arange(40)), targets, np.arange(40))
    drawn = Examples(FeatureInputs(values[::-1].copy(), np.arange(40)), targets[[0, 39, 39]], np.array([0, 39, 39]))
    section = a_params(model__subclasses={"usual": 2}).model
    typed, _ = members._typed(drawn, every, NAMES[:2], section, 64, seed=0, train_seed=0, compute=CPU)
    assert typed.targets[0] != typed.targets[1] == typed.targets[2]
    with pytest.raises(ValueError, match="needs the tile of each example"):
        with_types(replace(drawn, tiles=None), every, np.zeros(40, dtype=np.int64))


def test_a_path_of_penalties_is_fitted_and_written_as_curves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = settings(train__solver="lbfgs")
    a_repository(tmp_path, content)
    train.main(tmp_path, config.validate(train.Params, content))
    curves, best = training.read(tmp_path), training.best_epoch(tmp_path)
    assert {"train/loss", "val/loss", "val/average_precision", "penalty", "floor"} < set(curves)
    assert best is not None
    assert best == int(np.argmin(curves["val/loss"]))
    assert f"best penalty {best + 1} of {len(curves)}: train/loss" in capsys.readouterr().out
    assert not list((tmp_path / unfinished.FOLDER).glob("train-*"))
    card = model.read_card(tmp_path)
    assert [line.piece for line in card.ledger][-1] == "loss"
    network = rebuild(card, model.read_weights(tmp_path))
    val = train._examples(tmp_path, "val", a_prior((5,) * 4), config.validate(train.Params, content))
    compute = devices.pick("cpu", "float32")
    logits = torch.from_numpy(infer(network, val.inputs, 64, compute))
    loss = nn.functional.cross_entropy(logits, val.targets)
    assert loss.item() == pytest.approx(curves["val/loss"].min(), abs=1e-5)


def test_members_of_a_path_are_bootstraps_of_units(tmp_path: Path) -> None:
    content = settings(train__solver="lbfgs", train__members=3)
    a_repository(tmp_path, content)
    ids = [f"{split}{number:04d}" for split, count in (("train", 40), ("val", 20)) for number in range(count)]
    units = [f"{name[:-4]}{int(name[-4:]) // 8}" for name in ids]
    table = pd.DataFrame({"image_id": ids, "unit": units, "centre": ids, "kind": "single", "correlation": 1.0})
    clusters.write(tmp_path, table)
    params = config.validate(train.Params, content)
    found = train._units(tmp_path, params)
    assert found is not None
    assert found.tolist() == units[:40]
    train.main(tmp_path, params)
    first, second, third = (model.read_weights(tmp_path, member)["2.weight"] for member in range(3))
    assert not torch.allclose(first, second)
    assert not torch.allclose(second, third)
