"""Cross-entropy of logits that are scaled and shifted by class counts (VS-loss)."""

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
ONLY = "it scales and shifts the logits of one softmax, in which classes exclude each other"
ADJUSTS = True


class Params(Section):
    """Block `losses.vector_scaling`."""

    gamma: float = Field(ge=0, le=1)
    """Power of n_k / n_max by which a logit is multiplied, in [0, 1]; 0 is `logit_adjustment`."""
    tau: float = Field(ge=0, le=10)
    """Multiple of the log prior that is added, in [0, 10]; with gamma = 0, 0 is cross-entropy."""


def vector_scaling(logits: Tensor, targets: Tensor, *, class_counts: Sequence[int], gamma: float, tau: float) -> Tensor:
    """Compute cross-entropy of softmax(Delta z + iota), with Delta_k = (n_k / n_max)^gamma and iota_k = tau log pi_k.

    pi is the prior of the draws. Shifts act early in training and fade as logits grow; scales do not fade: a rare
    class's logit must be larger to count as much, which widens its margin. A class that is never drawn counts as half
    a draw, as it does in the prior ledger.

    Args:
        logits: (n, c) float, raw.
        targets: (n,) int64 in 0..c-1.
        class_counts: (c,) draws of each class, not all 0.
        gamma: At least 0.
        tau: At least 0.

    Returns:
        (n,) values in nats, in the logits' type.

    Raises:
        ValueError: gamma or tau is negative.

    Source: Kini et al. (2021), Label-Imbalanced and Group-Sensitive Classification under Overparameterization, the
        VS-loss for many classes, with Delta and iota as in their experiments and code. Their weights omega are 1.
        Departure: counts are those of the draws.

    Example:
        >>> import torch
        >>> z = torch.tensor([[math.log(3.0), math.log(9.0)]])  # Delta is (1, 1/2): both are log 3 when scaled
        >>> vector_scaling(z, torch.tensor([1]), class_counts=[4, 1], gamma=0.5, tau=0.0)
        tensor([0.6931])
    """
    from torch.nn import functional

    if gamma < 0 or tau < 0:
        raise ValueError(f"gamma is {gamma} and tau is {tau}; expected numbers of at least 0")
    counts = [n or 0.5 for n in class_counts]
    scale = logits.new_tensor([(n / max(counts)) ** gamma for n in counts])
    shift = logits.new_tensor([tau * math.log(n / sum(counts)) for n in counts])
    return functional.cross_entropy(scale * logits + shift, targets, reduction="none")


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss of these counts."""
    return partial(vector_scaling, class_counts=tuple(class_counts), gamma=params.gamma, tau=params.tau)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Flatten the prior as `logit_adjustment` does for gamma = 0; scaled logits are bent in a way no prior undoes."""
    if params.gamma:
        return None
    counts = [n or 0.5 for n in class_counts]
    prior = [n / sum(counts) for n in counts]
    average = sum(share ** (1 - params.tau) for share in prior)
    return tuple(share**-params.tau / average for share in prior)
