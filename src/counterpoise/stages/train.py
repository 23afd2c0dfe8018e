"""Train one model with the chosen loss.

Reads `data/draws.csv`, `data/prior.json`, and of train and val `data/tiles/` and `data/features/`. Writes
`models/model/` and `results/train/`.
A training that was killed goes on from its last epoch and ends with the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from counterpoise import (
    batching,
    checkpoints,
    decoupling,
    labels,
    loading,
    losses,
    mixing,
    models,
    objectives,
    optimisers,
    priors,
    sampling,
    schedules,
    seeds,
    watching,
)
from counterpoise.artifacts import draws, features, model, prior, tiles, training
from counterpoise.config import PATH, Drawn, InputError, Model, Section, Weighting
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
    sampler: Literal["as_drawn", "progressive"]
    """`as_drawn`: an epoch is the draws in random order. `progressive`: as many, but from the shares that classes have
    in the first epoch to equal ones in the last (`batching.py`)."""
    mix: Literal["none", "mixup", "cutmix"]
    """Examples are mixed in pairs (`mixing.py`), features where the backbone is frozen."""
    mix_alpha: float = Field(gt=0)
    """`mixup` and `cutmix` only: shares are drawn from Beta(mix_alpha, mix_alpha)."""
    classifier: Literal["as_trained", "retrained", "tau_normalised"]
    """The last layer. `retrained`: the head is trained anew on the features that the network has learned, of every tile
    of train as it is, drawn so that classes are even (cRT). `tau_normalised`: each class's weights are divided by their
    length to a power that decides best on validation, and the bias is dropped."""


class Params(Section):
    """What this stage reads."""

    loss: str
    losses: dict[str, dict[str, Any]]
    seed: int = Field(ge=0)
    model: Model
    oversample: Drawn
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


Goal = Callable[[Tensor, Tensor], Tensor]
"""From raw logits and targets of a batch to the scalar that a step minimises."""


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
    *,
    early: Examples | None = None,
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
        early: Every tile once, for the epochs before `oversample.defer_frac`; not needed where that is 0.

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
    optimizer = optimisers.adamw(
        network,
        remembers.parameters(),
        learning_rate=params.train.learning_rate,
        weight_decay=params.train.weight_decay,
    )
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
    settled = max(_first_epochs(params).values())
    progress = tqdm(total=params.train.epochs, initial=len(history), desc="train", unit="epoch", delay=1, mininterval=1)
    with progress, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for epoch in range(len(history), params.train.epochs):
            if epoch - max(best_epoch + 1, settled) >= params.train.patience:
                break
            torch.manual_seed(seeds.derive(params.train.seed, "dropout", epoch))
            examples, goal = _lesson(epoch, train, early, objective, params)
            order = _order(examples.targets.numpy(), objective, params.train, epoch)
            network.train()
            remembers.train()
            total = torch.zeros((), device=device)
            for step, (inputs, targets) in enumerate(_batches(examples, order, epoch, device)):
                optimisers.set_rate(optimizer, _rate(epoch + step / len(order), params.train))
                loss = _loss(network, inputs, targets, goal, params.train, models.autocast(device, precision))
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                scaler.step(optimizer)
                scaler.update()
                if isinstance(remembers, losses.Constrained):
                    remembers.project()
                total += loss.detach() * len(targets)
            figures = {
                "train/loss": float(total) / sum(map(len, order)),
                "learning_rate": optimizer.param_groups[0]["lr"],
            }
            remembers.eval()
            figures |= _watch(network, val, objective, params, device, precision)
            history.append(figures)
            score = figures[f"val/{params.train.monitor}"] * (-1 if params.train.monitor == "loss" else 1)
            if score > best_score and epoch >= settled:
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


def _first_epochs(params: Params) -> dict[str, int]:
    """Count the epochs in which plain cross-entropy is minimised, no weights hold, and no tile is drawn twice."""
    fracs = {
        "plain": params.train.pretrain_frac,
        "unweighted": params.weighting.defer_frac,
        "undrawn": params.oversample.defer_frac,
    }
    return {name: schedules.first_epochs(frac, params.train.epochs) for name, frac in fracs.items()}


def _lesson(
    epoch: int, train: Examples, early: Examples | None, objective: objectives.Objective, params: Params
) -> tuple[Examples, Goal]:
    """Say what an epoch learns from, and what it minimises."""
    first = _first_epochs(params)
    goal: Goal = objective
    if epoch < first["plain"]:
        goal = objectives.plain
    elif epoch < first["unweighted"]:
        goal = objective.unweighted()
    if epoch >= first["undrawn"]:
        return train, goal
    if early is None:
        raise ValueError("oversample.defer_frac is above 0, but the examples of the first epochs are not given")
    return early, goal


def _order(
    targets: NDArray[np.int64], objective: objectives.Objective, params: Train, epoch: int
) -> list[NDArray[np.int64]]:
    rng = seeds.generator(params.seed, "order", epoch)
    if params.sampler == "progressive":
        return batching.progressive(targets, epoch / max(params.epochs - 1, 1), params.batch_size, rng)
    if objective.ranks:
        return batching.stratified(targets, params.batch_size, rng)
    return batching.shuffled(len(targets), params.batch_size, rng)


def _loss(
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    goal: Goal,
    params: Train,
    autocast: AbstractContextManager[object],
) -> Tensor:
    """Compute what one step minimises, of the batch as it is or mixed in pairs."""
    mixed = None if params.mix == "none" else mixing.mix(params.mix, inputs, params.mix_alpha)
    with autocast:
        logits = network(inputs if mixed is None else mixed.inputs)
    own = goal(logits, targets)
    return own if mixed is None else mixed.loss(own, goal(logits, targets[mixed.partner]))


def _rate(epoch: float, params: Train) -> float:
    return params.learning_rate * schedules.factor(
        params.schedule,
        epoch,
        epochs=params.epochs,
        warmup_epochs=params.warmup_epochs,
        step_epochs=params.step_epochs,
    )


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


def _examples(root: Path, split: str, opened: prior.Prior, params: Params, *, drawn: bool = False) -> Examples:
    """Read every tile of a split as it is, or the draws: their features where the backbone is frozen."""
    part = tiles.read(root, split)
    row = {tile_id: number for number, tile_id in enumerate(part.table["tile_id"])}
    if drawn:
        table = draws.read(root)
        rows, views = np.array([row[tile_id] for tile_id in table["tile_id"]]), table["view"].to_numpy()
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
        return Examples(loading.FeatureInputs(frozen.values, found), targets)
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
    return Examples(inputs, targets)


def build(params: Params, classes: int, width: int | None, bias: Tensor | None = None) -> nn.Module:
    """Build what is trained: a head on features of a width, or for `None` a whole network, that begins at `bias`."""
    seed = seeds.derive(params.train.seed, "initialisation") % 2**32
    if width is not None:
        return models.build_head(params.model.head, width, classes, params.model.dropout, seed, bias)
    backbone = models.build_backbone(params.model.backbone, params.model.weights, seed)
    head = models.build_head(params.model.head, backbone.num_features, classes, params.model.dropout, seed, bias)  # type: ignore[arg-type]
    return models.Network(backbone, head).to(memory_format=torch.channels_last)


def retrain(
    network: models.Network, train: Examples, val: Examples, opened: prior.Prior, params: Params
) -> tuple[Fitted, tuple[priors.Line, ...]]:
    """Train a new head on the features that a network has learned, on draws in which classes are even.

    Args:
        network: Trained; its backbone stays, its head is left behind.
        train: Every tile of train as it is.
        val: By which the best epoch is chosen.
        opened: The draws of the first training.
        params: Settings of both trainings; nothing is mixed in the second.

    Returns:
        The weights of the whole, with the curves of the head; and the ledger, in which even draws stand in place of
        what the first training did to the prior.

    Source: Kang et al. (2020), Decoupling Representation and Classifier for Long-Tailed Recognition, classifier
        re-training (cRT). Departures: features are computed once, of tiles that are not augmented; draws are spread
        evenly over the tiles of a class, not drawn with replacement; the loss is that of `loss`, built for even draws.
    """
    targets = train.targets.numpy()
    counts = np.bincount(targets, minlength=len(opened.classes))
    repeats = sampling.spread(
        targets, np.where(counts > 0, counts.max(), 0), seeds.generator(params.seed, "draws of the classifier")
    )
    rows = np.repeat(np.arange(len(targets)), repeats)
    even = np.bincount(targets[rows], minlength=len(counts))
    line = priors.Line("train.classifier", "retrained", priors.factors(opened.drawn_counts, even))
    redrawn = replace(
        opened,
        drawn_counts=tuple(map(int, even)),
        drawn_total=len(rows),
        ledger=(*opened.ledger, line),
    )
    goal, lines = objectives.build(redrawn, params.loss, params.losses[params.loss], params.weighting)
    learnt, watched = (_features(network.backbone, part, params) for part in (train, val))
    settings = params.model_copy(update={"train": params.train.model_copy(update={"mix": "none"})})
    head = build(settings, len(counts), learnt.shape[1], objectives.initial_bias(redrawn, lines))
    fitted = fit(
        head,
        Examples(loading.FeatureInputs(learnt, rows), train.targets[torch.from_numpy(rows)]),
        Examples(loading.FeatureInputs(watched, np.arange(len(watched))), val.targets),
        goal,
        settings,
    )
    whole = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    return replace(fitted, weights=whole | {f"head.{name}": tensor for name, tensor in fitted.weights.items()}), lines


def _features(backbone: nn.Module, examples: Examples, params: Params) -> NDArray[np.float32]:
    """Compute what a backbone makes of examples, (n, d)."""
    device = models.pick_device(params.model.device)
    precision = models.pick_precision(params.model.precision, device)
    order = loading.in_order(len(examples.inputs), 4 * params.train.batch_size)
    backbone.to(device).eval()
    with torch.inference_mode(), models.autocast(device, precision):
        return np.concatenate(
            [backbone(inputs).float().cpu().numpy() for inputs, _ in _batches(examples, order, 0, device)]
        )


def renormalise(network: nn.Module, val: Examples, params: Params) -> tuple[dict[str, Tensor], priors.Line]:
    """Divide the weights of each class by their length to the power tau that is best on validation; drop the bias.

    Args:
        network: Trained; its last layer is changed.
        val: On which tau is chosen.
        params: Settings.

    Returns:
        Its weights, and the line of the ledger, which names tau.
    """
    last = models.last_layer(network)
    logits = torch.from_numpy(_features(network, val, params))
    weight, bias = last.weight.detach().cpu(), last.bias.detach().cpu()
    tau, _ = decoupling.choose_tau(logits, weight, bias, val.targets.numpy())
    with torch.no_grad():
        last.weight.copy_(decoupling.normalised(last.weight, tau))
        last.bias.zero_()
    weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    return weights, priors.Line("train.classifier", f"tau_normalised, tau = {tau:g}", None)


def schedule_lines(params: Train) -> tuple[priors.Line, ...]:
    """Return the lines of the ledger for what changes the prior in the course of training; none where nothing does.

    A head that is retrained afterwards has seen nothing of it.
    """
    switches = [("train.sampler", params.sampler, "as_drawn"), ("train.mix", params.mix, "none")]
    if params.classifier == "retrained":
        return ()
    return tuple(priors.Line(piece, value, None) for piece, value, usual in switches if value != usual)


@dataclass(frozen=True)
class Learned:
    """A trained model.

    Attributes:
        weights: Of the best epoch, and of the classifier that was made after it.
        ledger: Every line of the prior ledger.
        history: Of the first training, as `Fitted` has it.
        summary: `best_epoch`, from 0; of a retrained classifier also its own, `classifier_epoch`.
    """

    weights: dict[str, Tensor]
    ledger: tuple[priors.Line, ...]
    history: list[dict[str, float]]
    summary: dict[str, int]


def learn(
    drawn: Examples,
    every: Examples,
    val: Examples,
    opened: prior.Prior,
    params: Params,
    checkpoint: checkpoints.Checkpoint | None = None,
) -> Learned:
    """Train a model in all its parts: objective, network, the course of training, classifier.

    Args:
        drawn: The draws of one epoch.
        every: Every tile of train once, as it is.
        val: By which the best epoch, and what else there is to choose, are chosen.
        opened: Counts of the draws, and the first lines of the ledger.
        params: All settings.
        checkpoint: Where the state of the first training is kept.

    Raises:
        InputError: Settings do not suit each other, or the training diverged.
    """
    goal, lines = objectives.build(opened, params.loss, params.losses[params.loss], params.weighting)
    bias = objectives.initial_bias(opened, lines, draws_deferred=params.oversample.defer_frac > 0)
    network = build(params, len(opened.classes), _width(drawn), bias)
    fitted = fit(network, drawn, val, goal, params, checkpoint, early=every)
    network.load_state_dict(fitted.weights)
    lines, summary = (*lines, *schedule_lines(params.train)), {"best_epoch": fitted.best_epoch}
    if params.train.classifier == "retrained":
        if not isinstance(network, models.Network):
            raise InputError(f"{PATH}: train.classifier 'retrained' needs model.freeze 'none'")
        again, lines = retrain(network, _as_they_are(every), val, opened, params)
        return Learned(again.weights, lines, fitted.history, summary | {"classifier_epoch": again.best_epoch})
    if params.train.classifier == "tau_normalised":
        weights, line = renormalise(network, val, params)
        return Learned(weights, (*lines, line), fitted.history, summary)
    return Learned(fitted.weights, lines, fitted.history, summary)


def _width(examples: Examples) -> int | None:
    """Count the features of a frozen backbone; `None` where examples are images."""
    return examples.inputs.values.shape[1] if isinstance(examples.inputs, loading.FeatureInputs) else None


def _as_they_are(examples: Examples) -> Examples:
    if isinstance(examples.inputs, loading.TileInputs):
        return replace(examples, inputs=replace(examples.inputs, on_the_fly="none"))
    return examples


def main(root: Path, params: Params) -> None:
    """Train on what earlier stages wrote."""
    opened = prior.read(root)
    drawn = _examples(root, "train", opened, params, drawn=True)
    every, val = (_examples(root, split, opened, params) for split in ("train", "val"))
    inputs = [root / draws.PATH, root / prior.PATH]
    inputs += [root / folder(split) for folder in (tiles.path, features.path) for split in ("train", "val")]
    settings = params.model_dump() | {"losses": params.losses[params.loss]}
    checkpoint = checkpoints.Checkpoint(root, settings, inputs)
    learned = learn(drawn, every, val, opened, params, checkpoint)
    card = model.Card(
        task=opened.task,
        backbone=params.model.backbone,
        head=params.model.head,
        dropout=params.model.dropout,
        input_px=params.model.input_px,
        frozen=_width(drawn) is not None,
        backbone_weights=params.model.weights,
        classes=opened.classes,
        loss=params.loss,
        ledger=learned.ledger,
    )
    training.write(root, learned.history, learned.summary)
    model.write(root, card, learned.weights)
    checkpoint.remove()
    best = learned.summary["best_epoch"]
    print(
        f"best epoch {best + 1} of {len(learned.history)}: "
        + ", ".join(f"{k} {v:.3g}" for k, v in learned.history[best].items())
    )
    for line in learned.ledger:
        if line.piece == "train.classifier":
            print(f"classifier {line.remedy}")


if __name__ == "__main__":
    run(main, Params)
