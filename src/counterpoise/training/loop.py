"""Fit a network: the loop over epochs and batches, what each of them learns from, and which epoch is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from torch import Tensor, nn
from tqdm import tqdm

from counterpoise import losses, seeds
from counterpoise.config import PATH, Drawn, InputError, Model, Portion, Section, Weighting
from counterpoise.dataset.batches import Batches, drawn_before, progressive, shuffled, stratified
from counterpoise.dataset.inputs import Chance, Inputs, in_order
from counterpoise.engine import process_group
from counterpoise.networks import freezing
from counterpoise.networks.backbones import build_backbone
from counterpoise.networks.backbones import width as width_of
from counterpoise.networks.devices import autocast, pick_device, pick_precision
from counterpoise.networks.heads import build_head
from counterpoise.networks.network import Network, rate_fracs
from counterpoise.training import checkpoints, lr_schedule, mixup, validation
from counterpoise.training.objective import Objective, plain
from counterpoise.training.optimizer import adamw, set_rate


class Train(Portion):
    """Section `train`."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(ge=0)
    """Decides initialisation, order, dropout and augmentation; apart from `seed`, which decides the split."""
    members: int = Field(ge=1, le=100)
    """Networks that are trained, which differ in initialisation, order, dropout and augmentation; `predict.average`
    says how they speak as one. The first is the one that 1 alone would train."""
    epochs: int = Field(ge=1)
    """At most this many passes over the draws."""
    batch_size: int = Field(ge=1)
    """Examples per step; batches of one epoch are of nearly equal size."""
    accumulate: int = Field(ge=1)
    """Parts that each batch is cut into, which go through the network one after the other and whose gradients are added
    up before the step: less memory for the same batch, except that batch norm, and a loss that looks at its batch, see
    a part at a time. Fewer where a part would be a single example. Not for losses over pairs or rankings."""
    compile: bool
    """Whether `torch.compile` makes the network quicker while it trains; it takes a minute or so first, and needs a C++
    compiler on the CPU."""
    pretrain_frac: float = Field(ge=0, lt=1)
    """Losses over pairs or rankings only: share of the epochs, in [0, 1), that train with plain cross-entropy first, so
    that the ranking begins with scores that mean something. If above 0 it is at least one epoch, and at least one is
    left. The best epoch is looked for among the others."""
    learning_rate: float = Field(gt=0)
    """Highest rate of AdamW, that of the head."""
    first_rate_frac: float = Field(gt=0, le=1)
    """Rate of the backbone's first block that is trained as a share of the head's, in (0, 1]; blocks between them rise
    from one to the other by equal factors. 1 gives all the same rate."""
    weight_decay: float = Field(ge=0)
    """Decoupled weight decay of AdamW; it spares biases and norms."""
    schedule: Literal["cosine", "step", "constant"]
    """How the rate falls."""
    step_epochs: int = Field(ge=1)
    """`step` only: the rate is divided by ten every so many epochs."""
    warmup_epochs: float = Field(ge=0)
    """The rate rises during these first epochs."""
    monitor: Literal["loss", "balanced_accuracy", "average_precision", "none"]
    """Validation figure by which the best epoch is chosen: the training's own loss with its weights (least), balanced
    accuracy of the most probable class (of many labels: the mean over labels, each decided from a probability of 0.5
    on; most), or mean average precision over the classes present (most). `none` keeps the last epoch, where a small
    validation would choose by chance and the schedule ends at rest."""
    patience: int = Field(ge=1)
    """Stop after so many epochs without a better figure; those of `pretrain_frac` do not count, nor does anything where
    `monitor` is `none`."""
    augment: str
    """Policy applied anew at every draw; `none` where the backbone is frozen."""
    sampler: Literal["as_drawn", "progressive"]
    """`as_drawn`: an epoch is the draws in random order. `progressive`: as many, but from the shares that classes have
    in the first epoch to equal ones in the last."""
    mix: Literal["none", "mixup", "cutmix"]
    """Examples are mixed in pairs, features where the backbone is frozen."""
    mix_alpha: float = Field(gt=0)
    """`mixup` and `cutmix` only: shares are drawn from Beta(mix_alpha, mix_alpha)."""
    classifier: Literal["as_trained", "retrained", "tau_normalised"]
    """The last layer. `retrained`: the head is trained anew on the features that the network has learned, of every tile
    of train as it is, drawn so that classes are even (cRT). `tau_normalised`: each class's weights are divided by their
    length to a power that decides best on validation, and the bias is dropped."""


class Settings(Section):
    """What a training reads of `params.yaml`."""

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
        tiles: (n,) number of the tile that each example shows; needed for `model.subclasses` alone.
    """

    inputs: Inputs
    targets: Tensor
    tiles: NDArray[np.int64] | None = None


Goal = Callable[[Tensor, Tensor], Tensor]
"""From raw logits and targets of a batch to the scalar that a step minimises."""


@dataclass(frozen=True)
class Fitted:
    """The outcome of a training.

    Attributes:
        weights: Of the best epoch.
        history: For each epoch, its figures. `train/loss` is what that epoch minimised, `val/loss` always the loss.
        best_epoch: From 0.
        waited_frac: Share of the time of training, in [0, 1], in which the loop waited for its next batch.
    """

    weights: dict[str, Tensor]
    history: list[dict[str, float]]
    best_epoch: int
    waited_frac: float


def build(params: Settings, classes: int, width: int | None, bias: Tensor | None = None) -> nn.Module:
    """Build what is trained: a head on features of a width, or for `None` a whole network, that begins at `bias`."""
    seed = seeds.derive(params.train.seed, "initialisation") % 2**32
    name, dropout, hidden = params.model.head, params.model.dropout, params.model.hidden
    if width is not None:
        return build_head(name, width, classes, dropout, seed, bias, hidden=hidden)
    backbone = build_backbone(params.model.backbone, params.model.weights, seed, params.model.pool)
    freezing.freeze(backbone, params.model.freeze, params.model.freeze_first)
    features = width_of(backbone, params.model.input_px)
    head = build_head(name, features, classes, dropout, seed, bias, hidden=hidden)
    return Network(backbone, head).to(memory_format=torch.channels_last)


def fit(
    network: nn.Module,
    train: Examples,
    val: Examples,
    objective: Objective,
    params: Settings,
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
        InputError: The watched figure was never a number, or `torch.compile` failed, or `processes.check` refused.
    """
    device = pick_device(params.model.device)
    precision = pick_precision(params.model.precision, device)
    network = process_group.synchronised(network.to(device), device)
    remembers = objective.loss if isinstance(objective.loss, nn.Module) else nn.Module()
    remembers.to(device)
    optimizer = adamw(
        network,
        remembers.parameters(),
        learning_rate=params.train.learning_rate,
        weight_decay=params.train.weight_decay,
        rate_fracs=rate_fracs(network, params.train.first_rate_frac),
    )
    scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
    history: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    best_epoch, best_score = -1, -np.inf
    state = process_group.of_the_first(checkpoint.load() if checkpoint and process_group.rank() == 0 else None)
    if state:
        network.load_state_dict(state["network"])
        remembers.load_state_dict(state["loss"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        history, best, best_epoch, best_score = (state[key] for key in ("history", "best", "best_epoch", "best_score"))
    settled = max(_first_epochs(params).values())
    stepped = _compiled(network) if params.train.compile else network
    waited_s = trained_s = 0.0
    progress = tqdm(
        total=params.train.epochs,
        initial=len(history),
        desc="train",
        unit="epoch",
        delay=1,
        mininterval=1,
        disable=process_group.rank() > 0,
    )
    with progress, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for epoch in range(len(history), params.train.epochs):
            if epoch - max(best_epoch + 1, settled) >= params.train.patience:
                break
            again = f"#{process_group.rank()}" if process_group.rank() else ""
            torch.manual_seed(seeds.derive(params.train.seed, "dropout", f"{epoch}{again}"))
            examples, goal = _lesson(epoch, train, early, objective, params)
            order = _order(examples.targets.numpy(), objective, params.train, epoch)
            process_group.check(network, order, params.loss, ranks=objective.ranks)
            steps = [process_group.parts(batch, params.train.accumulate) for batch in order]
            stream = batches(examples, _flat(steps), device, _chance(order, params.train, epoch))
            network.train()
            remembers.train()
            total = torch.zeros((), device=device)
            began_s = time.perf_counter()
            for step, (batch, parts) in enumerate(zip(order, steps, strict=True)):
                set_rate(optimizer, _rate(epoch + step / len(order), params.train))
                optimizer.zero_grad(set_to_none=True)
                for part in parts:
                    asked_s = time.perf_counter()
                    inputs, targets = next(stream)
                    waited_s += time.perf_counter() - asked_s
                    loss = _loss(stepped, inputs, targets, goal, params.train, autocast(device, precision))
                    scaler.scale(loss * (len(part) / len(batch))).backward()  # type: ignore[no-untyped-call]
                    total += loss.detach() * len(part)
                process_group.add_gradients(
                    parameter for group in optimizer.param_groups for parameter in group["params"]
                )
                scaler.step(optimizer)
                scaler.update()
                if isinstance(remembers, losses.Constrained):
                    remembers.project()
            trained_s += time.perf_counter() - began_s
            process_group.average_buffers(network, remembers)
            figures = {
                "train/loss": float(process_group.added(total)) / sum(map(len, order)),
                "learning_rate": optimizer.param_groups[0]["lr"],
            }
            remembers.eval()
            figures |= _watch(network, val, objective, params, device, precision)
            history.append(figures)
            score = _score(figures, epoch, params.train.monitor)
            if score > best_score and epoch >= settled:
                best_epoch, best_score = epoch, score
                best = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
            progress.set_postfix(loss=f"{figures['train/loss']:.3f}", best=best_epoch, refresh=False)
            progress.update()
            if checkpoint and process_group.rank() == 0:
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
            f"{PATH}: val/{_figure(params.train.monitor)} was no number in any of {len(history)} epochs; the training "
            f"diverged; lower train.learning_rate, which is {params.train.learning_rate}"
        )
    return Fitted(best, history, best_epoch, waited_s / trained_s if trained_s else 0.0)


def _figure(monitor: str) -> str:
    return "loss" if monitor == "none" else monitor


def _score(figures: dict[str, float], epoch: int, monitor: str) -> float:
    """Compute what is greatest at the epoch to keep; no number where the figure is none."""
    value = figures[f"val/{_figure(monitor)}"]
    if monitor == "none":
        return epoch if np.isfinite(value) else np.nan
    return -value if monitor == "loss" else value


def _compiled(network: nn.Module) -> nn.Module:
    """Compile what a network computes, not the network, whose weights keep their names.

    Raises:
        InputError: At the first batch, if it cannot be compiled.
    """
    compiled = torch.compile(network)

    class Compiled(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            try:
                logits: Tensor = compiled(inputs)
            except torch._dynamo.exc.TorchDynamoException as error:
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise InputError(
                    f"{PATH}: train.compile is true, but torch.compile failed: {reason}; install a C++ compiler such "
                    "as g++ (on the CPU), or set train.compile to false"
                ) from error
            return logits

    return Compiled()


def _first_epochs(params: Settings) -> dict[str, int]:
    """Count the epochs in which plain cross-entropy is minimised, no weights hold, and no tile is drawn twice."""
    fracs = {
        "plain": params.train.pretrain_frac,
        "unweighted": params.weighting.defer_frac,
        "undrawn": params.oversample.defer_frac,
    }
    return {name: lr_schedule.first_epochs(frac, params.train.epochs) for name, frac in fracs.items()}


def _lesson(
    epoch: int, train: Examples, early: Examples | None, objective: Objective, params: Settings
) -> tuple[Examples, Goal]:
    """Say what an epoch learns from, and what it minimises."""
    first = _first_epochs(params)
    goal: Goal = objective
    if epoch < first["plain"]:
        goal = plain
    elif epoch < first["unweighted"]:
        goal = objective.unweighted()
    if epoch >= first["undrawn"]:
        return train, goal
    if early is None:
        raise ValueError("oversample.defer_frac is above 0, but the examples of the first epochs are not given")
    return early, goal


def _order(targets: NDArray[np.int64], objective: Objective, params: Train, epoch: int) -> Batches:
    rng = seeds.generator(params.seed, "order", epoch)
    if params.sampler == "progressive":
        return progressive(targets, epoch / max(params.epochs - 1, 1), params.batch_size, rng)
    if objective.ranks:
        return stratified(targets, params.batch_size, rng)
    return shuffled(len(targets), params.batch_size, rng)


def _chance(order: Batches, params: Train, epoch: int) -> Chance:
    """Say what decides how this process's parts of an epoch are augmented: the same in one process as in many."""
    before = [process_group.parts(times, params.accumulate) for times in drawn_before(order)]
    return Chance(params.seed, epoch, _flat(before))


def _flat(steps: Sequence[Batches]) -> Batches:
    return [part for parts in steps for part in parts]


def _loss(
    network: Callable[[Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    goal: Goal,
    params: Train,
    autocast: AbstractContextManager[object],
) -> Tensor:
    """Compute what one step minimises, of the batch as it is or mixed in pairs."""
    mixed = None if params.mix == "none" else mixup.mix(params.mix, inputs, params.mix_alpha)
    with autocast:
        logits = network(inputs if mixed is None else mixed.inputs)
    own = goal(logits, targets)
    return own if mixed is None else mixed.loss(own, goal(logits, targets[mixed.partner]))


def _rate(epoch: float, params: Train) -> float:
    return params.learning_rate * lr_schedule.factor(
        params.schedule,
        epoch,
        epochs=params.epochs,
        warmup_epochs=params.warmup_epochs,
        step_epochs=params.step_epochs,
    )


def batches(
    examples: Examples, order: Batches, device: torch.device, chance: Chance | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and targets of each batch of example numbers, on a device, augmented if chance decides how."""
    for inputs, numbers in zip(examples.inputs.batches(order, chance), order, strict=True):
        yield inputs.to(device, non_blocking=True), examples.targets[torch.from_numpy(numbers)].to(device)


def _watch(
    network: nn.Module,
    val: Examples,
    objective: Objective,
    params: Settings,
    device: torch.device,
    precision: torch.dtype,
) -> dict[str, float]:
    network.eval()
    order = process_group.shared(in_order(len(val.inputs), 4 * params.train.batch_size))
    with torch.inference_mode(), autocast(device, precision):
        own = [network(inputs).float() for inputs, _ in batches(val, order, device)]
        logits = torch.cat(process_group.together(own)).to(device)
        loss = float(objective(logits, val.targets.to(device)))
    if not torch.isfinite(logits).all():
        return dict.fromkeys(("val/loss", "val/balanced_accuracy", "val/average_precision"), float("nan"))
    return process_group.of_the_first({"val/loss": loss} | validation.figures(logits.cpu().double(), val.targets))
