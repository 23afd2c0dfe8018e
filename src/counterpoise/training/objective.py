"""The training objective: a loss with class weights, and their effect on the prior that a model sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterpoise import losses
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import links, prior_ledger
from counterpoise.config import PATH, InputError, Weighting


@dataclass(frozen=True)
class Objective:
    """The objective of a batch: the mean of the loss values, each multiplied by the weight of its class.

    For multilabel, the weight of a label multiplies only its positive entries. Losses over rankings have no weights.

    Attributes:
        loss: A loss from `losses.build`.
        class_weights: (c,) float32.
        task: `multiclass` or `multilabel`.
        ranks: Whether the loss compares pairs or rankings of examples, so that batches must be stratified.
        summed: With subclasses, the objective for logits that are summed to classes, (n, classes), on validation.
        name: Name of the loss, for messages.
    """

    loss: losses.Loss
    class_weights: Tensor
    task: str
    ranks: bool = False
    summed: Objective | None = None
    name: str = ""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss of raw logits (n, c), a scalar in nats."""
        if self.summed is not None and logits.shape[1] != len(self.class_weights):
            return self.summed(logits, targets)
        return self.values(logits, targets).mean()

    def values(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the weighted loss of each example, (n,), or for multilabel of each entry, (n, c)."""
        values = self.loss(logits.float(), targets)
        if self.ranks:
            return values
        return self.link.weighted(values, targets, self.class_weights.to(logits.device))

    @cached_property
    def link(self) -> links.Link:
        """The link between logits and probabilities."""
        return links.of_task(self.task)

    def unweighted(self) -> Objective:
        """Return the same loss without class weights."""
        summed = None if self.summed is None else self.summed.unweighted()
        return replace(self, class_weights=torch.ones_like(self.class_weights), summed=summed)


def build(
    prior: Prior, loss: str, block: Mapping[str, Any], weights: Weighting
) -> tuple[Objective, tuple[prior_ledger.Line, ...]]:
    """Build the objective from the class counts of the samples, and the ledger with its effect on the prior.

    Args:
        prior: Task, counts, and the ledger lines of split and oversampling.
        loss: Name of the loss.
        block: Parameters of the loss.
        weights: Section `weighting`.

    Returns:
        The objective, and all ledger lines up to and including the loss.

    Raises:
        InputError: The loss or the weights do not support the task, or they cannot be combined.
    """
    refusal = losses.refuses_weights(loss, weights.scheme)
    if refusal:
        raise InputError(refusal)
    counts = prior.drawn_counts
    try:
        factors = links.of_task(prior.task).class_weights(weights.scheme, counts, prior.drawn_total, weights.beta)
    except ValueError as error:
        raise InputError(f"{PATH}: {error}") from error
    built = losses.build(loss, task=prior.task, class_counts=counts, example_count=prior.drawn_total, params=block)
    weighted = prior_ledger.Line("weighting.scheme", weights.scheme, _factors(factors))
    lines = (
        *prior.ledger,
        weighted.deferred() if weights.defer_frac else weighted,
        prior_ledger.Line("loss", loss, losses.prior_factors(loss, counts, block)),
    )
    return Objective(built, torch.from_numpy(factors).float(), prior.task, losses.ranks(loss), name=loss), lines


def over_types(
    objective: Objective, prior: Prior, loss: str, block: Mapping[str, Any], parents: Sequence[int]
) -> Objective:
    """Build the objective for classes that are split into types, which the network distinguishes during training.

    The loss and the weights of a type use the counts of its class. Each type is therefore multiplied by the prior
    factor of its class, and so is their sum. The ledger is the same as without types.

    Args:
        objective: The objective without types, from `build`.
        prior: Counts of the samples.
        loss: Name of the loss.
        block: Parameters of the loss.
        parents: (s,) class of each output.

    Raises:
        InputError: The loss does not support subclasses.
    """
    refusal = losses.refuses_subclasses(loss)
    if refusal:
        raise InputError(refusal)
    counts = [prior.drawn_counts[index] for index in parents]
    built = losses.build(loss, task=prior.task, class_counts=counts, example_count=prior.drawn_total, params=block)
    return Objective(built, objective.class_weights[torch.tensor(parents)], prior.task, summed=objective, name=loss)


def initial_bias(prior: Prior, lines: Sequence[prior_ledger.Line], *, draws_deferred: bool = False) -> Tensor:
    """Compute the initial bias of the last layer: the logits of the prior that training shows.

    With this bias, the first epochs need not learn that a class is rare. With many labels and few steps, a model
    without it would end far from the prior, and calibration would have to correct an error that no prior explains.

    Args:
        prior: Counts of the samples.
        lines: The ledger. Its lines of weights and loss count if their factors are known.
        draws_deferred: Whether oversampling is deferred, so that training starts with every training tile once.

    Returns:
        (c,) log prior, or log-odds of each label. Zeros for a multiclass loss that contains the class counts, but whose
        effect on the prior the ledger does not know.

    Source: Lin et al. (2017), Focal Loss for Dense Object Detection, section 4.1, for the bias of rare labels.
    """
    link = links.of_task(prior.task)
    by_counts = any(line.piece == "loss" and line.factors is None and losses.adjusts(line.remedy) for line in lines)
    if draws_deferred:
        shown = link.prior_of_counts(prior.train_counts, prior.train_total)
    else:
        shown = link.prior_of_counts(prior.drawn_counts, prior.drawn_total)
    known = [line for line in lines if line.piece in ("weighting.scheme", "loss") and line.factors is not None]
    seen = prior_ledger.seen(shown, known, task=prior.task)
    assert seen is not None  # all lines are known
    return torch.from_numpy(link.initial_logits(seen, held_by_loss=by_counts)).float()


def _factors(class_weights: NDArray[np.float64]) -> tuple[float, ...]:
    """Return prior factors. A class without samples has a weight of 0, which multiplies nothing; its factor is 1."""
    return tuple(weight if weight > 0 else 1.0 for weight in class_weights.tolist())
