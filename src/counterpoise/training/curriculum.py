"""The course of a training: which examples an epoch shows, and what it minimises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from counterpoise.training.examples import Examples
from counterpoise.training.lr_schedule import first_epochs
from counterpoise.training.objective import Objective

Goal = Callable[[Tensor, Tensor], Tensor]
"""From raw logits and targets of a batch to the scalar that a step minimises."""


@dataclass(frozen=True)
class Curriculum:
    """What an epoch learns from, and what it minimises.

    Attributes:
        train: The draws of one epoch.
        objective: What is minimised after the first epochs, and on validation always.
        natural: Every tile of train once, for the first epochs; `None` if the draws hold from the beginning.
        pretrain_epochs: First epochs, which minimise plain cross-entropy.
        unweighted_epochs: First epochs in which no class weights hold (deferred re-weighting).
        natural_epochs: First epochs that show every tile once (deferred re-sampling).

    Raises:
        ValueError: The first epochs have no examples.

    Source: Cao et al. (2019), Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, section 3.3, for
        deferred re-weighting and re-sampling.
    """

    train: Examples
    objective: Objective
    natural: Examples | None = None
    pretrain_epochs: int = 0
    unweighted_epochs: int = 0
    natural_epochs: int = 0

    def __post_init__(self) -> None:
        if self.natural_epochs and self.natural is None:
            raise ValueError("oversample.defer_frac is above 0, but the examples of the first epochs are not given")

    @property
    def settled(self) -> int:
        """The first epoch that trains as the last one does; the best epoch is looked for from there on."""
        return max(self.pretrain_epochs, self.unweighted_epochs, self.natural_epochs)

    def examples(self, epoch: int) -> Examples:
        """Return what an epoch, counted from 0, learns from."""
        return self.natural if epoch < self.natural_epochs and self.natural is not None else self.train

    def goal(self, epoch: int) -> Goal:
        """Return what an epoch, counted from 0, minimises."""
        if epoch < self.pretrain_epochs:
            return self.objective.link.cross_entropy
        return self.objective.unweighted() if epoch < self.unweighted_epochs else self.objective


@dataclass(frozen=True)
class Deferred:
    """Shares of the epochs, in [0, 1), that pass before a remedy holds.

    Attributes:
        loss: `train.pretrain_frac`; plain cross-entropy until then.
        weights: `weighting.defer_frac`.
        draws: `oversample.defer_frac`.
    """

    loss: float
    weights: float
    draws: float


def curriculum(
    drawn: Examples, natural: Examples | None, goal: Objective, epochs: int, deferred: Deferred
) -> Curriculum:
    """Lay out what each epoch learns from and minimises.

    Args:
        drawn: The draws of one epoch.
        natural: Every tile of train once, as it is; not needed where no draws are deferred.
        goal: What is minimised in the end.
        epochs: Of the training.
        deferred: Shares of the epochs before losses, weights and draws hold.
    """
    return Curriculum(
        drawn,
        goal,
        natural,
        pretrain_epochs=first_epochs(deferred.loss, epochs),
        unweighted_epochs=first_epochs(deferred.weights, epochs),
        natural_epochs=first_epochs(deferred.draws, epochs),
    )
