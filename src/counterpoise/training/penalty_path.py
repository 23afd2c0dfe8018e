"""Fit a linear head on stored features by full-batch L-BFGS, along a path of falling L2 penalties."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from counterpoise.config import PATH, InputError
from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.engine import process_group
from counterpoise.networks.devices import Compute
from counterpoise.networks.heads import Head, Moments, moments
from counterpoise.training import validation
from counterpoise.training.checkpoints import Checkpoint
from counterpoise.training.early_stopping import Progress, monitored, score
from counterpoise.training.examples import Examples
from counterpoise.training.loop import Fitted
from counterpoise.training.objective import Objective
from counterpoise.training.settings import Train

PENALTIES = tuple(float(10.0**exponent) for exponent in np.linspace(0.0, -5.0, 11))
"""Factors of half the squared length of the weights, from the strongest to the weakest: half a decade apart. Features
are scaled, so the same penalties suit all backbones."""
FLOORS = (1.0, 1e-3, 1e-6, 1e-9, 0.0)
"""Shares of the mean variance that are added to the variance of each feature before it is scaled; see
`Head.standardise`. The first one is best for features of most backbones; with the last, each feature has a scale of its
own."""
OPTIONS = {"maxiter": 500, "maxcor": 10, "ftol": 1e-6}
"""Of L-BFGS. Much smaller tolerances change log losses of `benchmarks/heads.py` by up to 0.01 nats, in both
directions."""


def slope_tolerance(penalty: float) -> float:
    """Return the largest slope at which a fit ends, as a share of the slope at weights of zero.

    Where the slope has length g, a convex loss is at most g^2 / (2 penalty) above its minimum, so strong penalties
    allow a larger one.
    """
    return max(2e-3, 0.03 * math.sqrt(penalty))


class Place(NamedTuple):
    """A place on the path: indices into `FLOORS` and `PENALTIES`."""

    floor: int
    penalty: int


def fit(
    head: Head,
    objective: Objective,
    drawn: Examples,
    val: Examples,
    params: Train,
    compute: Compute,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Minimise the mean loss plus the penalty at each place of the path; each fit starts at the last one.

    Args:
        head: A linear head; its batch norm and its last layer are changed.
        objective: The loss with class weights.
        drawn: The samples of one epoch, on stored features. All of them are one batch.
        val: Examples that choose the place on the path.
        params: Section `train`; `monitor` names the metric of validation, and `batch_size` only limits memory there.
        compute: Device and precision.
        checkpoint: Where to keep the state after every fit; `None` for nowhere.

    Returns:
        The weights of the best fit. `history` has an entry for each fit, with its `penalty` and `floor`; `best_epoch`
        is the number of the best one, from 0.

    Raises:
        InputError: The metric of validation was not a number for any penalty.
    """
    progress = Progress()
    state = process_group.broadcast(checkpoint.load() if checkpoint and process_group.rank() == 0 else None)
    if state:
        head.load_state_dict(state["network"])
        progress = Progress(**{name: state[name] for name in vars(progress)})
    head.to(compute.device)
    samples, problem = _Samples.of(drawn), None
    with tqdm(desc="train", unit="penalty", delay=1, mininterval=1, disable=process_group.rank() > 0) as bar:
        while (place := following(progress.history, params.monitor)) is not None:
            if problem is None or problem.floor != FLOORS[place.floor]:
                if progress.history and progress.history[-1]["floor"] != FLOORS[place.floor]:
                    head.load_state_dict(progress.best)
                problem = None  # before the next one copies the features
                problem = _Problem(head, objective, samples, FLOORS[place.floor])
            figures = {"train/loss": problem.minimise(PENALTIES[place.penalty])}
            figures |= {"penalty": PENALTIES[place.penalty], "floor": FLOORS[place.floor]}
            figures |= validation.validate(head, val, objective, compute, 4 * params.batch_size)
            progress.add(figures, head, monitor=params.monitor, settled=0)
            bar.update()
            if checkpoint and process_group.rank() == 0:
                checkpoint.save({"network": head.state_dict()} | vars(progress))
    if not progress.best:
        raise InputError(
            f"{PATH}: {monitored(params.monitor)} was not a number for any L2 penalty; check the features of "
            "model.backbone, or set train.solver to 'adamw'"
        )
    return Fitted(progress.best, progress.history, progress.best_epoch, waited_frac=0.0)


def following(history: Sequence[Mapping[str, float]], monitor: str) -> Place | None:
    """Say which fit comes next.

    The penalty falls until validation is worse than with the last one; a metric that is not the loss has steps, so that
    all penalties are tried. Then the next lower floor is tried, from one penalty above the best one on, as long as the
    last floor was better than those before.

    Args:
        history: Metrics of each fit so far, with `penalty` and `floor`.
        monitor: `train.monitor`.

    Returns:
        Where to fit; `None` at the end of the path.

    Example:
        >>> following([], "loss")
        Place(floor=0, penalty=0)
        >>> strong, weak = ({"penalty": penalty, "floor": 1.0, "val/loss": 0.5} for penalty in PENALTIES[:2])
        >>> following([strong], "loss"), following([strong, weak], "loss")  # no better: the next floor
        (Place(floor=0, penalty=1), Place(floor=1, penalty=0))
    """
    if not history:
        return Place(0, 0)
    values = [value if np.isfinite(value) else -np.inf for value in (score(row, 0, monitor) for row in history)]
    last = Place(FLOORS.index(history[-1]["floor"]), PENALTIES.index(history[-1]["penalty"]))
    here = [value for row, value in zip(history, values, strict=True) if row["floor"] == history[-1]["floor"]]
    before = values[: len(values) - len(here)]
    falls = monitor != "loss" or all(here[-1] > value for value in here[:-1])
    if falls and last.penalty + 1 < len(PENALTIES):
        return Place(last.floor, last.penalty + 1)
    if last.floor + 1 == len(FLOORS) or max(here) <= max(before, default=-np.inf):
        return None
    best = PENALTIES.index(history[int(np.argmax(values))]["penalty"])
    return Place(last.floor + 1, max(best - 1, 0))


@dataclass(frozen=True)
class _Samples:
    """All samples: n inputs, their targets, and the moments of each of d features."""

    inputs: FeatureInputs
    targets: Tensor
    moments: Moments

    @classmethod
    def of(cls, drawn: Examples) -> _Samples:
        assert isinstance(drawn.inputs, FeatureInputs)
        return cls(drawn.inputs, drawn.targets, moments(torch.from_numpy(drawn.inputs.values[drawn.inputs.rows])))

    def features(self) -> Tensor:
        """Copy the features (n, d) of all samples; they take more memory than anything else, so no copy is kept."""
        return torch.from_numpy(self.inputs.values[self.inputs.rows])


class _Problem:
    """The mean loss of all samples as a function of the weights and biases of a linear head's last layer.

    Features are scaled with one floor. Batch norm divides by sqrt(var + eps) instead, which the weights make up for.
    """

    def __init__(self, head: Head, objective: Objective, samples: _Samples, floor: float) -> None:
        self.floor = floor
        (self._layer,) = (layer for layer in head if isinstance(layer, nn.Linear))
        device = self._layer.weight.device
        mean, var, eps = head.statistics()
        before = var + eps
        head.standardise(samples.moments, floor)
        with torch.no_grad():
            self._layer.weight *= ((var + eps) / before).sqrt()
        self._folded = (var / (var + eps)).sqrt()
        self._features = samples.features().to(device).sub_(mean).div_(var.sqrt())
        self._objective, self._targets = objective, samples.targets.to(device)
        self._unit = 1.0
        _, slopes = self._penalised(np.zeros(self._layer.weight.numel() + self._layer.out_features), 0.0)
        self._unit = float(np.abs(slopes).max()) or 1.0

    def minimise(self, penalty: float) -> float:
        """Move the layer to the minimum for a penalty, and return the mean loss there, without the penalty."""
        from scipy import optimize

        weight = self._layer.weight.detach() * self._folded
        start = torch.cat([weight.flatten(), self._layer.bias.detach()]).cpu().double().numpy()
        options = OPTIONS | {"gtol": slope_tolerance(penalty)}
        result = optimize.minimize(self._penalised, start, (penalty,), method="L-BFGS-B", jac=True, options=options)
        weight, bias = self._split(torch.from_numpy(result.x).float().to(weight.device))
        with torch.no_grad():
            self._layer.weight.copy_(weight / self._folded)
            self._layer.bias.copy_(bias)
            return float(self._objective(functional.linear(self._features, weight, bias), self._targets))

    def _penalised(self, vector: NDArray[np.float64], penalty: float) -> tuple[float, NDArray[np.float64]]:
        """Compute the mean loss plus the penalty, and its gradient, both divided by the slope at weights of zero.

        Autograd follows the loss alone; its slopes by the logits (n, c) times the features are those by the weights.
        """
        weight, bias = self._split(torch.from_numpy(vector).float().to(self._features.device))
        logits = functional.linear(self._features, weight, bias).requires_grad_()
        loss = self._objective(logits, self._targets)
        (slopes,) = torch.autograd.grad(loss, logits)
        gradient = torch.cat([(slopes.T @ self._features + penalty * weight).flatten(), slopes.sum(dim=0)])
        value = float(loss.detach() + penalty / 2 * weight.square().sum())
        return value / self._unit, gradient.cpu().double().numpy() / self._unit

    def _split(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        size = self._layer.weight.numel()
        return vector[:size].view_as(self._layer.weight), vector[size:]
