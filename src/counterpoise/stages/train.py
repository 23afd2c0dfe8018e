"""Train one model with the chosen loss.

Reads `data/draws.csv`, `data/prior.json`, and of train and val `data/tiles/` and `data/features/`. Writes
`models/model/` and `results/train/`.
A training that was killed goes on from its last epoch and ends with the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from counterpoise import checkpoints, labels, loading, losses, models, objectives, schedules, seeds, watching
from counterpoise.artifacts import draws, features, model, prior, tiles, training
from counterpoise.config import PATH, InputError, Model, Section, Views, Weighting
from counterpoise.stages import run


class Train(Section):
    """Section `train`."""

    seed: int = Field(ge=0)
    """Decides initialisation, order and dropout; apart from `seed`, which decides the split."""
    epochs: int = Field(ge=1)
    """At most this many passes over the draws."""
    batch_size: int = Field(ge=1)
    """Examples per step; batches of one epoch are of nearly equal size."""
    pretrain_frac: float = Field(ge=0, lt=1)
    """Losses over pairs or rankings only: share of the epochs, in [0, 1), that train with plain cross-entropy first, so
    that the ranking begins with scores that mean something. If above 0 it is at least one epoch, and at least one is
    left. The best epoch is looked for among the others."""
    learning_rate: float = Field(gt=0)
    """Highest rate of AdamW."""
    weight_decay: float = Field(ge=0)
    """Decoupled weight decay of AdamW; it spares biases and norms."""
    schedule: Literal["cosine", "step", "constant"]
    """How the rate falls (`schedules.py`)."""
    step_epochs: int = Field(ge=1)
    """`step` only: the rate is divided by ten every so many epochs."""
    warmup_epochs: float = Field(ge=0)
    """The rate rises during these first epochs."""
    monitor: Literal["loss", "balanced_accuracy", "average_precision"]
    """Validation figure by which the best epoch is chosen: the training's own loss with its weights (least), balanced
    accuracy of the most probable class (of many labels: the mean over labels, each decided from a probability of 0.5
    on; most), or mean average precision over the classes present (most)."""
    patience: int = Field(ge=1)
    """Stop after so many epochs without a better figure; those of `pretrain_frac` do not count."""
    augment: str
    """Policy applied anew at every draw (`augment.py`); `none` where the backbone is frozen."""


class Params(Section):
    """What this stage reads."""

    loss: str
    losses: dict[str, dict[str, Any]]
    seed: int = Field(ge=0)
    model: Model
    oversample: Views
    weighting: Weighting
    train: Train


@dataclass(frozen=True)
class Examples:
    """What a network learns from, or is watched on.

    Attributes:
        inputs: n inputs.
        targets: (n,) int64 class indices; or, of many labels, (n, c) int64 in {0, 1}.
    """

    inputs: loading.Inputs
    targets: Tensor


@dataclass(frozen=True)
class Fitted:
    """The outcome of a training.

    Attributes:
        weights: Of the best epoch.
        history: For each epoch, its figures. `train/loss` is what that epoch minimised, `val/loss` always the loss.
        best_epoch: From 0.
    """

    weights: dict[str, Tensor]
    history: list[dict[str, float]]
    best_epoch: int


def fit(
    network: nn.Module,
    train: Examples,
    val: Examples,
    objective: objectives.Objective,
    params: Params,
    checkpoint: checkpoints.Checkpoint | None = None,
) -> Fitted:
    """Train a network and keep its best epoch.

    Args:
        network: From inputs to raw logits (n, c); it is changed.
        train: The draws of one epoch.
        val: By which the best epoch is chosen.
        objective: What is minimised, after any epochs of plain cross-entropy. Parameters of its loss are trained, too;
            if it ranks, batches are stratified.
        params: Settings and seeds.
        checkpoint: Where the state is kept after every epoch; `None` for nowhere.

    Returns:
        The weights of the best epoch and the curves.

    Raises:
        InputError: The watched figure was never a number.
    """
    device = models.pick_device(params.model.device)
    precision = models.pick_precision(params.model.precision, device)
    network.to(device)
    remembers = objective.loss if isinstance(objective.loss, nn.Module) else nn.Module()
    remembers.to(device)
    groups = [*_groups(network, params.train), {"params": list(remembers.parameters()), "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=params.train.learning_rate, fused=False)
    pretrained = pretraining_epochs(params.train)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
    history: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    best_epoch, best_score = -1, -np.inf
    state = checkpoint.load() if checkpoint else None
    if state:
        network.load_state_dict(state["network"])
        remembers.load_state_dict(state["loss"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        history, best, best_epoch, best_score = (state[key] for key in ("history", "best", "best_epoch", "best_score"))
    progress = tqdm(total=params.train.epochs, initial=len(history), desc="train", unit="epoch", delay=1, mininterval=1)
    with progress, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for epoch in range(len(history), params.train.epochs):
            if epoch - max(best_epoch + 1, pretrained) >= params.train.patience:
                break
            torch.manual_seed(seeds.derive(params.train.seed, "dropout", epoch))
            order = _order(train, objective, params.train, epoch)
            goal = objectives.plain if epoch < pretrained else objective
            network.train()
            remembers.train()
            total = torch.zeros((), device=device)
            for step, (inputs, targets) in enumerate(_batches(train, order, epoch, device)):
                _set_rate(optimizer, epoch + step / len(order), params.train)
                with models.autocast(device, precision):
                    logits = network(inputs)
                loss = goal(logits, targets)
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                scaler.step(optimizer)
                scaler.update()
                if isinstance(remembers, losses.Constrained):
                    remembers.project()
                total += loss.detach() * len(targets)
            figures = {
                "train/loss": float(total) / len(train.inputs),
                "learning_rate": optimizer.param_groups[0]["lr"],
            }
            remembers.eval()
            figures |= _watch(network, val, objective, params, device, precision)
            history.append(figures)
            score = figures[f"val/{params.train.monitor}"] * (-1 if params.train.monitor == "loss" else 1)
            if score > best_score and epoch >= pretrained:
                best_epoch, best_score = epoch, score
                best = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
            progress.update()
            progress.set_postfix(loss=f"{figures['train/loss']:.3f}", best=best_epoch)
            if checkpoint:
                checkpoint.save(
                    {
                        "network": network.state_dict(),
                        "loss": remembers.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "scaler": scaler.state_dict(),
                        "history": history,
                        "best": best,
                        "best_epoch": best_epoch,
                        "best_score": best_score,
                    }
                )
    if not best:
        raise InputError(
            f"{PATH}: val/{params.train.monitor} was no number in any of {len(history)} epochs; the training diverged; "
            f"lower train.learning_rate, which is {params.train.learning_rate}"
        )
    return Fitted(best, history, best_epoch)


def pretraining_epochs(params: Train) -> int:
    """Count the epochs of plain cross-entropy: the nearest number to the share, but one of each kind at least."""
    if not params.pretrain_frac:
        return 0
    return min(max(1, round(params.pretrain_frac * params.epochs)), params.epochs - 1)


def _order(train: Examples, objective: objectives.Objective, params: Train, epoch: int) -> list[NDArray[np.int64]]:
    rng = seeds.generator(params.seed, "order", epoch)
    if objective.ranks:
        return loading.stratified(train.targets.numpy(), params.batch_size, rng)
    return loading.shuffled(len(train.inputs), params.batch_size, rng)


def _groups(network: nn.Module, params: Train) -> list[dict[str, Any]]:
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {
            "params": [parameter for parameter in trained if parameter.ndim > 1],
            "weight_decay": params.weight_decay,
        },
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def _set_rate(optimizer: torch.optim.Optimizer, epoch: float, params: Train) -> None:
    now = schedules.factor(
        params.schedule,
        epoch,
        epochs=params.epochs,
        warmup_epochs=params.warmup_epochs,
        step_epochs=params.step_epochs,
    )
    for group in optimizer.param_groups:
        group["lr"] = params.learning_rate * now


def _batches(
    examples: Examples, order: list[NDArray[np.int64]], epoch: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    for inputs, numbers in zip(examples.inputs.batches(order, epoch), order, strict=True):
        yield inputs.to(device, non_blocking=True), examples.targets[torch.from_numpy(numbers)].to(device)


def _watch(
    network: nn.Module,
    val: Examples,
    objective: objectives.Objective,
    params: Params,
    device: torch.device,
    precision: torch.dtype,
) -> dict[str, float]:
    network.eval()
    order = loading.in_order(len(val.inputs), 4 * params.train.batch_size)
    with torch.inference_mode(), models.autocast(device, precision):
        logits = torch.cat([network(inputs).float() for inputs, _ in _batches(val, order, 0, device)])
        loss = float(objective(logits, val.targets.to(device)))
    if not torch.isfinite(logits).all():
        return dict.fromkeys(("val/loss", "val/balanced_accuracy", "val/average_precision"), float("nan"))
    return {"val/loss": loss} | watching.figures(logits.cpu().double(), val.targets)


def _examples(root: Path, split: str, opened: prior.Prior, params: Params) -> tuple[Examples, int | None]:
    """Read the draws of train, or every tile of val as it is; and the number of features, `None` if none is frozen."""
    part = tiles.read(root, split)
    row = {tile_id: number for number, tile_id in enumerate(part.table["tile_id"])}
    if split == "train":
        drawn = draws.read(root)
        rows, views = np.array([row[tile_id] for tile_id in drawn["tile_id"]]), drawn["view"].to_numpy()
    else:
        rows, views = np.arange(len(part.table)), np.zeros(len(part.table), dtype=np.int64)
    read_labels = labels.indicators if opened.task == "multilabel" else labels.targets
    targets = torch.from_numpy(read_labels(part.table["labels"].tolist(), opened.classes)[rows].astype(np.int64))
    frozen = features.read(root, split)
    if frozen is not None:
        place = {
            key: number for number, key in enumerate(zip(frozen.index["tile_id"], frozen.index["view"], strict=True))
        }
        tile_ids = part.table["tile_id"].to_numpy()[rows]
        found = np.array([place[key] for key in zip(tile_ids, views, strict=True)])
        return Examples(loading.FeatureInputs(frozen.values, found), targets), frozen.values.shape[1]
    inputs = loading.TileInputs(
        tiles=part,
        rows=rows,
        views=views,
        input_px=params.model.input_px,
        policy=params.oversample.policy,
        seed=params.seed,
        on_the_fly=params.train.augment if split == "train" else "none",
        backbone=params.model.backbone,
    )
    return Examples(inputs, targets), None


def build(params: Params, classes: int, width: int | None, bias: Tensor | None = None) -> nn.Module:
    """Build what is trained: a head on features of a width, or for `None` a whole network, that begins at `bias`."""
    seed = seeds.derive(params.train.seed, "initialisation") % 2**32
    if width is not None:
        return models.build_head(params.model.head, width, classes, params.model.dropout, seed, bias)
    backbone = models.build_backbone(params.model.backbone, params.model.weights, seed)
    head = models.build_head(params.model.head, backbone.num_features, classes, params.model.dropout, seed, bias)  # type: ignore[arg-type]
    return models.Network(backbone, head).to(memory_format=torch.channels_last)


def _log(root: Path) -> Callable[[Fitted], None]:
    from dvclive.live import Live

    def write(fitted: Fitted) -> None:
        with Live(str(root / training.FOLDER), dvcyaml=None, save_dvc_exp=False, report=None) as live:
            for figures in fitted.history:
                for name, value in figures.items():
                    live.log_metric(name, value)
                live.next_step()
            live.summary["best_epoch"] = fitted.best_epoch

    return write


def main(root: Path, params: Params) -> None:
    """Train on what earlier stages wrote."""
    opened = prior.read(root)
    train, width = _examples(root, "train", opened, params)
    val, _ = _examples(root, "val", opened, params)
    goal, lines = objectives.build(opened, params.loss, params.losses[params.loss], params.weighting)
    inputs = [root / draws.PATH, root / prior.PATH]
    inputs += [root / folder(split) for folder in (tiles.path, features.path) for split in ("train", "val")]
    settings = params.model_dump() | {"losses": params.losses[params.loss]}
    checkpoint = checkpoints.Checkpoint(root, settings, inputs)
    network = build(params, len(opened.classes), width, objectives.initial_bias(opened, lines))
    fitted = fit(network, train, val, goal, params, checkpoint)
    card = model.Card(
        task=opened.task,
        backbone=params.model.backbone,
        head=params.model.head,
        dropout=params.model.dropout,
        input_px=params.model.input_px,
        frozen=width is not None,
        backbone_weights=params.model.weights,
        classes=opened.classes,
        loss=params.loss,
        ledger=lines,
    )
    _log(root)(fitted)
    model.write(root, card, fitted.weights)
    checkpoint.remove()
    last = fitted.history[fitted.best_epoch]
    print(
        f"best epoch {fitted.best_epoch + 1} of {len(fitted.history)}: "
        + ", ".join(f"{k} {v:.3g}" for k, v in last.items())
    )


if __name__ == "__main__":
    run(main, Params)
