"""How a network is taught: what a step minimises, and what chooses the best epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from counterpoise.networks.devices import Compute
from counterpoise.networks.network import rate_fracs
from counterpoise.training import mixup, validation
from counterpoise.training.curriculum import Goal
from counterpoise.training.objective import Objective
from counterpoise.training.settings import Train


@dataclass(frozen=True)
class Step:
    """One part of a batch.

    Attributes:
        inputs: (b, ...) inputs of the network.
        targets: What they show, as the examples give it.
        goal: The objective to minimise.
        autocast: Gives the context of the precision in which the network computes.
        progress: Share of the training that is done, in [0, 1).
    """

    inputs: Tensor
    targets: Any
    goal: Goal
    autocast: Callable[[], AbstractContextManager[object]]
    progress: float


class Teaching(Protocol):
    """What differs between networks that give logits and those that give boxes."""

    def loss(self, network: nn.Module, step: Step, params: Train) -> Tensor:
        """Compute what a step of the optimiser minimises, a scalar: a mean over the examples."""

    def validate(
        self,
        network: nn.Module,
        val: Any,  # noqa: ANN401
        objective: Objective,
        compute: Compute,
        batch_size: int,
    ) -> dict[str, float]:
        """Compute the figures of validation; several processes return the same."""

    def rate_fracs(self, network: nn.Module, first_frac: float) -> Mapping[str, float]:
        """Return the learning rate of parameters by name, as a share of the full one, where it is not 1."""


class Logits:
    """Teaching of a network, or a head on stored features, that gives a logit for each class."""

    def loss(self, network: nn.Module, step: Step, params: Train) -> Tensor:
        """Compute the objective of logits, with mixup or CutMix if `train.mix` asks for it."""
        mixed = None if params.mix == "none" else mixup.mix(params.mix, step.inputs, params.mix_alpha)
        with step.autocast():
            logits = network(step.inputs if mixed is None else mixed.inputs)
        own = step.goal(logits, step.targets)
        return own if mixed is None else mixed.loss(own, step.goal(logits, step.targets[mixed.partner]))

    def validate(
        self,
        network: nn.Module,
        val: Any,  # noqa: ANN401
        objective: Objective,
        compute: Compute,
        batch_size: int,
    ) -> dict[str, float]:
        """Compute validation loss and metrics; see `validation.validate`."""
        return validation.validate(network, val, objective, compute, batch_size)

    def rate_fracs(self, network: nn.Module, first_frac: float) -> Mapping[str, float]:
        """Return those of the blocks of a backbone; none for a head alone."""
        return rate_fracs(network, first_frac)
