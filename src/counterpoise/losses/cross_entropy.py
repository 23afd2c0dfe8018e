"""Cross-entropy, with label smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from counterpoise.config import Section


class Params(Section):
    """Block `losses.cross_entropy`."""

    label_smoothing: float = Field(ge=0, lt=1)
    """Share of the target that is spread evenly over all classes, in [0, 1)."""


def cross_entropy(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Compute cross-entropy with the one-hot target, a share of it spread evenly over the classes.

    The value is -sum_k q_k log softmax(z)_k with q = (1 - s) onehot(y) + s / c.

    Args:
        logits: (n, c) float.
        targets: (n,) int64 in 0..c-1.
        label_smoothing: s in [0, 1).

    Returns:
        (n,) values in nats, in the logits' type.

    Raises:
        ValueError: s is out of range.

    Source: Szegedy et al. (2016), Rethinking the Inception Architecture, section 7, for the smoothing.

    Example:
        >>> import torch
        >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing is {label_smoothing}; expected a number in [0, 1)")
    return functional.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)


def build(*, task: str, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss; counts play no part."""
    return partial(cross_entropy, label_smoothing=params.label_smoothing)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Leave the prior alone; smoothed targets bend the probabilities in a way that no prior undoes."""
    return None if params.label_smoothing else (1.0,) * len(class_counts)
