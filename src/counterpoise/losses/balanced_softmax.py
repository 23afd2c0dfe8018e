"""Cross-entropy of logits shifted by the log of class counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

TASKS = ("multiclass",)
ONLY = "it shifts the logits of one softmax, in which classes exclude each other"
ADJUSTS = True


class Params(Section):
    """Block `losses.balanced_softmax`, which is empty."""


def balanced_softmax(logits: Tensor, targets: Tensor, *, class_counts: Sequence[int]) -> Tensor:
    """Compute cross-entropy of softmax(z + log n), so that z itself is left to hold under an even prior.

    The value is -log(n_t exp z_t / sum_k n_k exp z_k). A class that is never drawn counts as half a draw, as it does in
    the prior ledger: the value stays finite for it, and validation may hold it.

    Args:
        logits: (n, c) float, raw.
        targets: (n,) int64 in 0..c-1.
        class_counts: (c,) draws of each class, not all 0.

    Returns:
        (n,) values in nats, in the logits' type.

    Source: Ren et al. (2020), Balanced Meta-Softmax for Long-Tailed Visual Recognition, the balanced softmax of section
        3, without their meta sampler: sampling is `oversample.strategy`. Departure: counts are those of the draws.

    Example:
        >>> import torch
        >>> balanced_softmax(torch.zeros(2, 2), torch.tensor([0, 1]), class_counts=[3, 1])  # log 4/3 and log 4
        tensor([0.2877, 1.3863])
    """
    from torch.nn import functional

    shift = logits.new_tensor([math.log(n or 0.5) for n in class_counts])
    return functional.cross_entropy(logits + shift, targets, reduction="none")


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss of these counts."""
    return partial(balanced_softmax, class_counts=tuple(class_counts))


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Balance the prior: factors in proportion to 1 / n_k, which average 1 over the draws.

    At the minimum n_k exp z_k is in proportion to the true probability of class k, so exp z_k is to that over n_k.
    """
    counts = [n or 0.5 for n in class_counts]
    return tuple(sum(counts) / (len(counts) * n) for n in counts)
