"""The curriculum of a training: the examples and the objective of each epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from counterpoise.training.examples import Taught
from counterpoise.training.lr_schedule import first_epochs
from counterpoise.training.objective import Objective

Goal = Callable[[Tensor, Tensor], Tensor]
"""Function from raw logits and targets of a batch to the scalar that a step minimises."""


@dataclass(frozen=True)
class Curriculum:
    """The examples and the objective of each epoch.

    Attributes:
        train: The samples of one epoch, after oversampling.
        objective: The objective after the first epochs, and always the validation loss.
        natural: Every training tile once, for the first epochs; `None` if oversampling is not deferred.
        pretrain_epochs: Number of first epochs with plain cross-entropy.
        unweighted_epochs: Number of first epochs without class weights (deferred re-weighting).
        natural_epochs: Number of first epochs without oversampling (deferred re-sampling).

    Raises:
        ValueError: Oversampling is deferred, but `natural` is `None`.

    Source: Cao et al. (2019), Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, section 3.3, for
        deferred re-weighting and re-sampling.
    """

    train: Taught
    objective: Objective
    natural: Taught | None = None
    pretrain_epochs: int = 0
    unweighted_epochs: int = 0
    natural_epochs: int = 0

    def __post_init__(self) -> None:
        if self.natural_epochs and self.natural is None:
            raise ValueError("oversample.defer_frac is above 0, but the examples of the first epochs are not given")

    @property
    def settled(self) -> int:
        """The first epoch with the examples and objective of the last epoch. The best epoch is not an earlier one."""
        return max(self.pretrain_epochs, self.unweighted_epochs, self.natural_epochs)

    def examples(self, epoch: int) -> Taught:
        """Return the examples of an epoch, counted from 0."""
        return self.natural if epoch < self.natural_epochs and self.natural is not None else self.train

    def goal(self, epoch: int) -> Goal:
        """Return the objective of an epoch, counted from 0."""
        if epoch < self.pretrain_epochs:
            return self.objective.link.cross_entropy
        return self.objective.unweighted() if epoch < self.unweighted_epochs else self.objective


@dataclass(frozen=True)
class Deferred:
    """When remedies start, as shares of the epochs in [0, 1).

    Attributes:
        loss: `train.pretrain_frac`; the epochs before use plain cross-entropy.
        weights: `weighting.defer_frac`.
        draws: `oversample.defer_frac`.
    """

    loss: float
    weights: float
    draws: float


def curriculum(drawn: Taught, natural: Taught | None, goal: Objective, epochs: int, deferred: Deferred) -> Curriculum:
    """Build the curriculum of a training.

    Args:
        drawn: The samples of one epoch, after oversampling.
        natural: Every training tile once, without augmented views; may be `None` if oversampling is not deferred.
        goal: The objective after the first epochs.
        epochs: Number of epochs.
        deferred: Shares of the epochs before the loss, the weights and oversampling start.
    """
    return Curriculum(
        drawn,
        goal,
        natural,
        pretrain_epochs=first_epochs(deferred.loss, epochs),
        unweighted_epochs=first_epochs(deferred.weights, epochs),
        natural_epochs=first_epochs(deferred.draws, epochs),
    )
