"""Cross-entropy of logits shifted by a multiple of the log prior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

TASKS = ("multiclass",)
ONLY = "it shifts the logits of one softmax, in which classes exclude each other"
ADJUSTS = True


class Params(Section):
    """Block `losses.logit_adjustment`."""

    tau: float = Field(ge=0, le=10)
    """Multiple of the log prior, in [0, 10]; 0 is cross-entropy, 1 rebalances the classes completely."""


def logit_adjustment(logits: Tensor, targets: Tensor, *, class_counts: Sequence[int], tau: float) -> Tensor:
    """Compute cross-entropy of softmax(z + tau log pi), with pi the prior of the draws.

    The value is -log(pi_t^tau exp z_t / sum_k pi_k^tau exp z_k): z itself is left to hold under a prior in proportion
    to pi^(1 - tau). A class that is never drawn counts as half a draw, as it does in the prior ledger.

    Args:
        logits: (n, c) float, raw.
        targets: (n,) int64 in 0..c-1.
        class_counts: (c,) draws of each class, not all 0.
        tau: At least 0.

    Returns:
        (n,) values in nats, in the logits' type.

    Raises:
        ValueError: tau is negative.

    Source: Menon et al. (2021), Long-Tail Learning via Logit Adjustment, equation 10. Departure: the prior is that of
        the draws. With tau = 1 it is `balanced_softmax`.

    Example:
        >>> import torch
        >>> z, y = torch.zeros(2, 2), torch.tensor([0, 1])
        >>> logit_adjustment(z, y, class_counts=[9, 1], tau=0.5)  # log 4/3 and log 4: the roots of 9 and 1 are 3 and 1
        tensor([0.2877, 1.3863])
    """
    from torch.nn import functional

    if tau < 0:
        raise ValueError(f"tau is {tau}; expected a number of at least 0")
    counts = [n or 0.5 for n in class_counts]
    shift = logits.new_tensor([tau * math.log(n / sum(counts)) for n in counts])
    return functional.cross_entropy(logits + shift, targets, reduction="none")


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss of these counts."""
    return partial(logit_adjustment, class_counts=tuple(class_counts), tau=params.tau)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Flatten the prior: factors in proportion to pi_k^-tau, which average 1 over the draws.

    At the minimum pi_k^tau exp z_k is in proportion to the true probability of class k.
    """
    counts = [n or 0.5 for n in class_counts]
    prior = [n / sum(counts) for n in counts]
    average = sum(share ** (1 - params.tau) for share in prior)
    return tuple(share**-params.tau / average for share in prior)
