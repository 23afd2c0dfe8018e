"""Cross-entropy, with label smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

TASKS = ("multiclass", "multilabel")


class Params(Section):
    """Block `losses.cross_entropy`."""

    label_smoothing: float = Field(ge=0, lt=1)
    """Share of the target that is spread evenly over all classes (multilabel: over present and absent of each label),
    in [0, 1)."""


def cross_entropy(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Compute cross-entropy with the target, a share of it spread evenly over the classes.

    One class per example: -sum_k q_k log softmax(z)_k with q = (1 - s) onehot(y) + s / c. Many labels, for each of
    them: -q log sigmoid(z) - (1 - q) log sigmoid(-z) with q = (1 - s) y + s / 2.

    Args:
        logits: (n, c) float.
        targets: (n,) int64 in 0..c-1; or, for multilabel, (n, c) in {0, 1}.
        label_smoothing: s in [0, 1).

    Returns:
        (n,) values in nats, or (n, c) for multilabel, in the logits' type.

    Raises:
        ValueError: s is out of range.

    Source: Szegedy et al. (2016), Rethinking the Inception Architecture, section 7, for the smoothing.

    Example:
        >>> import torch
        >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])
        >>> cross_entropy(torch.zeros(1, 2), torch.tensor([[1, 0]]))
        tensor([[0.6931, 0.6931]])
    """
    from torch.nn import functional

    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing is {label_smoothing}; expected a number in [0, 1)")
    if targets.ndim == 2:
        smooth = (1 - label_smoothing) * targets.to(logits.dtype) + label_smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
    return functional.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss; counts play no part."""
    return partial(cross_entropy, label_smoothing=params.label_smoothing)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Leave the prior alone; smoothed targets bend the probabilities in a way that no prior undoes."""
    return None if params.label_smoothing else (1.0,) * len(class_counts)
