"""The training loop over epochs and steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn
from tqdm import tqdm

from counterpoise import losses, seeds
from counterpoise.config import PATH, InputError
from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.engine import process_group
from counterpoise.engine.precision import Float32, mixed
from counterpoise.networks.devices import Compute
from counterpoise.training import averaging, batching, lr_schedule
from counterpoise.training.checkpoints import Checkpoint
from counterpoise.training.curriculum import Curriculum, Goal
from counterpoise.training.early_stopping import Progress, monitored
from counterpoise.training.examples import Taught
from counterpoise.training.optimizer import adamw, set_rate
from counterpoise.training.settings import Train
from counterpoise.training.teaching import Logits, Step, Teaching

if TYPE_CHECKING:
    from lightning_fabric.plugins.precision import Precision


@dataclass(frozen=True)
class Fitted:
    """The result of a training.

    Attributes:
        weights: Weights of the best epoch.
        history: Metrics of each epoch. `train/loss` is the objective of that epoch, `val/loss` the final objective.
        best_epoch: The best epoch, from 0; of a penalty path the number of the best fit.
        waited_frac: Share of the training time, in [0, 1], that was spent waiting for the next batch.
    """

    weights: dict[str, Tensor]
    history: list[dict[str, float]]
    best_epoch: int
    waited_frac: float


def fit(
    network: nn.Module,
    curriculum: Curriculum,
    val: Taught,
    params: Train,
    compute: Compute,
    checkpoint: Checkpoint | None = None,
    teaching: Teaching | None = None,
) -> Fitted:
    """Train a network and keep its best epoch.

    Args:
        network: Maps inputs to raw logits (n, c), or whatever `teaching` expects. Changed in place.
        curriculum: Examples and objective of each epoch. Parameters of the loss are trained too.
        val: Validation examples, which choose the best epoch.
        params: Section `train`.
        compute: Device and precision.
        checkpoint: Where to save the state after every epoch; `None` to save nothing.
        teaching: How the network is taught and validated; `None` for one that gives logits.

    Returns:
        The weights of the best epoch, and the training curves.

    Raises:
        InputError: The monitored metric was NaN in every epoch, `torch.compile` failed, or `batching.check` failed.
    """
    learner = _learner(network, curriculum, params, compute, teaching or Logits())
    progress, clock = Progress(), _Clock()
    state = process_group.broadcast(checkpoint.load() if checkpoint and process_group.rank() == 0 else None)
    if state:
        progress = learner.resume(state)
    settled = curriculum.settled
    with _bar(params.epochs, len(progress.history)) as bar, torch.random.fork_rng(_generators(compute.device)):
        while not progress.is_over(epochs=params.epochs, patience=params.patience, settled=settled):
            figures = _train_epoch(learner, curriculum, params, len(progress.history), clock)
            with learner.average.applied(learner.network):
                network = learner.network
                figures |= learner.teaching.validate(network, val, curriculum.objective, compute, 4 * params.batch_size)
                progress.add(figures, network, monitor=params.monitor, settled=settled)
            bar.set_postfix(loss=f"{figures['train/loss']:.3f}", best=progress.best_epoch, refresh=False)
            bar.update()
            if checkpoint and process_group.rank() == 0:
                checkpoint.save(learner.state(progress))
    if not progress.best:
        raise InputError(
            f"{PATH}: training diverged: {monitored(params.monitor)} was not a number in any of "
            f"{len(progress.history)} epochs; lower train.learning_rate, which is {params.learning_rate}"
        )
    return Fitted(progress.best, progress.history, progress.best_epoch, clock.waited_frac)


_STATEFUL = ("network", "loss", "average", "optimizer", "precision")
"""Attributes of a learner that a checkpoint stores."""


@dataclass(frozen=True)
class _Learner:
    """The state that a training step changes, and how the step is computed.

    Attributes:
        network: Maps inputs to logits.
        compiled: The compiled network, or the same network without `train.compile`.
        loss: The loss if it has parameters or buffers, otherwise an empty module.
        average: The moving average of the network's weights, with `train.ema`.
        optimizer: Optimiser of the network and the loss.
        precision: Precision of the step.
        device: Device of network and loss.
        teaching: How the network is taught and validated.
    """

    network: nn.Module
    compiled: nn.Module
    loss: nn.Module
    average: averaging.Average
    optimizer: torch.optim.Optimizer
    precision: Float32 | Precision
    device: torch.device
    teaching: Teaching

    def state(self, progress: Progress) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {name: getattr(self, name).state_dict() for name in _STATEFUL} | vars(progress)

    def resume(self, state: dict[str, Any]) -> Progress:
        """Restore a saved state."""
        for name in _STATEFUL:
            getattr(self, name).load_state_dict(state[name])
        return Progress(**{name: state[name] for name in vars(Progress())})


@dataclass
class _Clock:
    """Seconds of training so far, and seconds of waiting for batches."""

    trained_s: float = 0.0
    waited_s: float = 0.0

    @property
    def waited_frac(self) -> float:
        return self.waited_s / self.trained_s if self.trained_s else 0.0

    def timed(self, stream: Iterator[tuple[Tensor, Any]]) -> Iterator[tuple[Tensor, Any]]:
        """Yield batches, and add up the time that each took to arrive."""
        while True:
            began_s = time.perf_counter()
            batch = next(stream, None)
            self.waited_s += time.perf_counter() - began_s
            if batch is None:
                return
            yield batch


def _learner(
    network: nn.Module, curriculum: Curriculum, params: Train, compute: Compute, teaching: Teaching
) -> _Learner:
    loss = curriculum.objective.loss
    network = process_group.synchronised(network.to(compute.device), compute.device)
    module = (loss if isinstance(loss, nn.Module) else nn.Module()).to(compute.device)
    optimizer = adamw(
        network,
        module.parameters(),
        learning_rate=params.learning_rate,
        weight_decay=params.weight_decay,
        rate_fracs=teaching.rate_fracs(network, params.first_rate_frac),
    )
    in_float32 = compute.precision == torch.float32 or isinstance(curriculum.train.inputs, FeatureInputs)
    alone = process_group.count() == 1
    arithmetic = Float32() if alone and in_float32 else mixed(compute.device, compute.precision)
    compiled = _compiled(network) if params.compile else network
    average = averaging.Average(network, params.ema).to(compute.device)
    return _Learner(network, compiled, module, average, optimizer, arithmetic, compute.device, teaching)


def _bar(epochs: int, done: int) -> tqdm[NoReturn]:
    hidden = process_group.rank() > 0
    return tqdm(total=epochs, initial=done, desc="train", unit="epoch", delay=1, mininterval=1, disable=hidden)


def _generators(device: torch.device) -> list[torch.device]:
    """List the devices, other than the CPU, whose random state must be restored after training."""
    return [device] if device.type == "cuda" else []


def _train_epoch(
    learner: _Learner, curriculum: Curriculum, params: Train, epoch: int, clock: _Clock
) -> dict[str, float]:
    """Train for one epoch, counted from 0, and return its loss and last learning rate."""
    process = f"#{process_group.rank()}" if process_group.rank() else ""
    torch.manual_seed(seeds.derive(params.seed, "dropout", f"{epoch}{process}"))
    examples, goal = curriculum.examples(epoch), curriculum.goal(epoch)
    objective, device = curriculum.objective, learner.device
    targets = examples.targets.numpy()
    strata = objective.link.strata(targets) if objective.ranks else None
    order = batching.order(targets, params, epoch, strata)
    learner.network.train()
    batching.check(learner.network, order, objective.name, ranks=objective.ranks)
    steps = [batching.parts(batch, params.accumulate) for batch in order]
    own = [part for parts in steps for part in parts]
    stream = clock.timed(examples.batches(own, device, batching.chance(order, params, epoch)))
    learner.loss.train()
    sums: list[Tensor] = []
    began_s = time.perf_counter()
    for step, (batch, parts) in enumerate(zip(order, steps, strict=True)):
        reached = epoch + step / len(order)
        set_rate(learner.optimizer, _rate(reached, params))
        sizes = [len(part) for part in parts]
        sums += _step(learner, stream, sizes, len(batch), goal, params, reached / params.epochs)
        learner.average.update(learner.network)
    total = sum(sums, torch.zeros((), device=device))
    clock.trained_s += time.perf_counter() - began_s
    process_group.average_buffers(learner.network, learner.loss)
    learner.loss.eval()
    process_group.add([total])
    return {"train/loss": float(total) / sum(map(len, order)), "learning_rate": learner.optimizer.param_groups[0]["lr"]}


def _step(
    learner: _Learner,
    stream: Iterator[tuple[Tensor, Any]],
    sizes: list[int],
    batch_size: int,
    goal: Goal,
    params: Train,
    progress: float,
) -> list[Tensor]:
    """Take a step of the optimiser.

    Args:
        learner: Network, loss and optimiser. Changed in place.
        stream: Inputs and targets of each part.
        sizes: Number of examples in each part of this process's share of the batch.
        batch_size: Number of examples in the whole batch.
        goal: The objective to minimise.
        params: Section `train`.
        progress: Share of the training that is done, in [0, 1).

    Returns:
        The loss of each part, summed over its examples.
    """
    learner.optimizer.zero_grad(set_to_none=True)
    sums = []
    for size in sizes:
        inputs, targets = next(stream)
        part = Step(inputs, targets, goal, learner.precision.forward_context, progress)
        loss = learner.teaching.loss(learner.compiled, part, params)
        learner.precision.backward(loss * (size / batch_size), None)
        sums.append(loss.detach() * size)
    process_group.add_gradients(learner.optimizer)
    learner.precision.optimizer_step(learner.optimizer)
    if isinstance(learner.loss, losses.Constrained):
        learner.loss.project()
    return sums


def _compiled(network: nn.Module) -> nn.Module:
    """Compile the forward pass of a network. The network itself is unchanged, so its weights keep their names.

    Raises:
        InputError: Compilation failed, at the first batch.
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


def _rate(epoch: float, params: Train) -> float:
    return params.learning_rate * lr_schedule.factor(
        params.schedule,
        epoch,
        epochs=params.epochs,
        warmup_epochs=params.warmup_epochs,
        step_epochs=params.step_epochs,
    )
