"""What training minimises: a loss with the weights of classes, and what both do to the prior that a model sees."""

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
    """The loss of a batch: the mean of the loss's values, each times the weight of its class.

    Of many labels, the weight of a label multiplies its positive entries alone. Shares of a ranking have no weights.

    Attributes:
        loss: As `losses.build` returns it.
        class_weights: (c,) float32.
        task: What the labels mean.
        ranks: Whether the loss looks at pairs or rankings, so that batches must be stratified.
        summed: Where the network tells types of classes apart, the loss of their sums, (n, classes), on validation.
        name: Of the loss, for messages.
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
        values = self.loss(logits.float(), targets)
        if self.ranks:
            return values.mean()
        return self.link.weighted(values, targets, self.class_weights.to(logits.device)).mean()

    @cached_property
    def link(self) -> links.Link:
        """What the logits mean."""
        return links.of_task(self.task)

    def unweighted(self) -> Objective:
        """Return the same loss without class weights."""
        summed = None if self.summed is None else self.summed.unweighted()
        return replace(self, class_weights=torch.ones_like(self.class_weights), summed=summed)


def build(
    prior: Prior, loss: str, block: Mapping[str, Any], weights: Weighting
) -> tuple[Objective, tuple[prior_ledger.Line, ...]]:
    """Build what is minimised, from the counts of the draws, and the ledger that goes with it.

    Args:
        prior: Task, counts, and the lines of split and draws.
        loss: Name of the loss.
        block: Its parameters.
        weights: Section `weighting`.

    Returns:
        The objective, and every line of the ledger up to and including the loss.

    Raises:
        InputError: The weights, or the loss, do not suit the task, or not each other.
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
    """Build what is minimised where classes are split into types, which the network tells apart while training.

    The loss is built, and weighed, by the counts of the class to which a type belongs. So each type of a class is moved
    by the factor of the class, and their sum by the same one: the ledger holds as it does without types.

    Args:
        objective: As `build` returned it.
        prior: Counts of the draws.
        loss: Name of the loss.
        block: Its parameters.
        parents: (s,) the class of each output.

    Raises:
        InputError: The loss cannot be built type by type.
    """
    refusal = losses.refuses_subclasses(loss)
    if refusal:
        raise InputError(refusal)
    counts = [prior.drawn_counts[index] for index in parents]
    built = losses.build(loss, task=prior.task, class_counts=counts, example_count=prior.drawn_total, params=block)
    return Objective(built, objective.class_weights[torch.tensor(parents)], prior.task, summed=objective, name=loss)


def initial_bias(prior: Prior, lines: Sequence[prior_ledger.Line], *, draws_deferred: bool = False) -> Tensor:
    """Compute the logits that know the prior which training shows, and nothing else.

    A model that begins there need not spend its first epochs on learning that a class is rare; with many labels and few
    steps it would otherwise end far from it, and calibration would have to mend what no prior explains.

    Args:
        prior: The draws.
        lines: The ledger; of its lines on weights and loss, those that are known count.
        draws_deferred: Whether training begins with every tile of train once, before the draws hold.

    Returns:
        (c,) log prior, or log-odds of each label; zeros for a loss of classes that holds their counts itself, but of
        which the ledger does not know what it makes of them.

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
    assert seen is not None  # known lines alone
    return torch.from_numpy(link.initial_logits(seen, held_by_loss=by_counts)).float()


def _factors(class_weights: NDArray[np.float64]) -> tuple[float, ...]:
    """Leave the prior of a class that is never drawn alone: its weight of 0 multiplies nothing."""
    return tuple(weight if weight > 0 else 1.0 for weight in class_weights.tolist())
