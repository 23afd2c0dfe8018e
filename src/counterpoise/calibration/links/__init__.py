"""The open set of links: what a logit means, a file per link, found by its name or by the task.

A file `calibration/links/<name>.py` holds the functions of `Link`; nothing else in the package knows which
probabilities belong to logits, or in which terms a prior is corrected. It imports torch only inside the functions that
take tensors.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise import tasks

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
ROUNDING = 1e-3
"""Stated shares may miss their sum by this."""


class Link(Protocol):
    """What every file of this folder offers."""

    DECIDED_BY: str
    """What a decision holds for each class: its `gain`, or `thresholds`."""

    def probabilities(self, logits: Floats) -> Floats:
        """Turn logits (n, c) into probabilities (n, c)."""

    def tensor_probabilities(self, logits: Tensor) -> Tensor:
        """Turn a tensor of logits (n, c) into probabilities (n, c)."""

    def cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the plain cross-entropy of a batch of logits (n, c), a scalar in nats."""

    def weighted(self, values: Tensor, targets: Tensor, class_weights: Tensor) -> Tensor:
        """Multiply the values of a loss by the weights (c,) of the classes that are present."""

    def average(self, logits: Tensor) -> Tensor:
        """Average the probabilities of k predictions, (k, n, c) logits in float64, and return logits (n, c)."""

    def truth(self, targets: NDArray[np.generic], count: int) -> NDArray[np.bool_]:
        """Write targets of `count` classes as booleans (n, c)."""

    def strata(self, targets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number the strata (n,) of n targets, by which stratified batches get equal shares of each class."""

    def most_probable(self, probs: Floats) -> NDArray[np.bool_]:
        """Decide by probabilities (n, c) alone, with neither costs nor thresholds; return booleans (n, c)."""

    def confusion_tables(
        self, targets: NDArray[np.int64], logits: Floats, probs: Floats
    ) -> list[NDArray[np.integer] | Floats]:
        """Count truths and most probable decisions: a table of all classes, or one for each label that is there."""

    def prior_of_counts(self, counts: ArrayLike, total: float) -> Floats:
        """Turn the counts (c,) of `total` examples into a prior (c,) in which no class is impossible."""

    def ratios(self, prior: Floats) -> Floats:
        """Write a prior (c,) as the numbers that a line of the ledger multiplies."""

    def shares(self, ratios: Floats) -> Floats:
        """Write such numbers (c,) as a prior again."""

    def offset(self, before: ArrayLike, after: ArrayLike) -> Floats:
        """Compute what moves logits from one prior (c,) to another, (c,) in nats."""

    def initial_logits(self, prior: Floats, *, held_by_loss: bool) -> Floats:
        """Compute the logits (c,) that know a prior and nothing else; `held_by_loss`: the loss adds a prior itself."""

    def moved(self, prior: ArrayLike, index: int, share: float) -> Floats:
        """Give one class another share of a prior (c,)."""

    def refuses(self, shares: Mapping[str, float]) -> str | None:
        """Say what is wrong with shares stated by class name; `None` if nothing is."""

    def stated(self, shares: Mapping[str, float], classes: Sequence[str], natural: Floats) -> Floats:
        """Complete stated shares to a prior (c,).

        Raises:
            ValueError: A share is missing or wrong; the message goes on from "decide.target".
        """

    def class_weights(self, scheme: str, counts: ArrayLike, total: float, beta: float) -> Floats:
        """Compute the class weights (c,) of a scheme from counts of draws (c,).

        Raises:
            ValueError: There is no such scheme, or the counts leave none.
        """


def names() -> list[str]:
    """List the links there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Link:
    """Find a link by its name.

    Raises:
        ValueError: There is no such link.
    """
    if name not in names():
        raise ValueError(f"link is {name!r}; expected one of {names()}")
    link: Link = importlib.import_module(f"{__name__}.{name}")
    return link


def of_task(task: str) -> Link:
    """Find the link of a task.

    Example:
        >>> of_task("multilabel").probabilities(np.zeros((1, 2)))
        array([[0.5, 0.5]])
    """
    return find(tasks.find(task).LINK)
