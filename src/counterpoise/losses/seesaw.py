"""Seesaw loss: rarer classes are pushed down less, and classes that an example is mistaken for are pushed down more."""

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
ONLY = "it weights classes against each other within one softmax, in which they exclude each other"
ADJUSTS = True
NEEDS_ADAMW = "its compensation is a constant for the gradient, which is then not that of its value"


class Params(Section):
    """Block `losses.seesaw`."""

    p: float = Field(ge=0, le=10)
    """Mitigation, in [0, 10]: how much less an example of a frequent class suppresses rarer classes; 0 is no
    difference."""
    q: float = Field(ge=0, le=10)
    """Compensation, in [0, 10]: how much more it suppresses classes that score above its own; 0 is no difference."""


def seesaw(logits: Tensor, targets: Tensor, *, class_counts: Sequence[int], p: float, q: float) -> Tensor:
    """Compute cross-entropy in which every class j but the true one, i, is multiplied by S_ij = M_ij C_ij.

    The value is -log(exp z_i / (exp z_i + sum_{j != i} S_ij exp z_j)), with mitigation M_ij = min(1, n_j / n_i)^p and
    compensation C_ij = max(1, sigma_j / sigma_i)^q, sigma = softmax(z). C is a constant for the gradient. A class that
    is never drawn counts as half a draw, as it does in the prior ledger.

    Args:
        logits: (n, c) float, raw.
        targets: (n,) int64 in 0..c-1.
        class_counts: (c,) draws of each class, not all 0.
        p: At least 0.
        q: At least 0; with p = q = 0 it is cross-entropy.

    Returns:
        (n,) values in nats, in the logits' type.

    Raises:
        ValueError: p or q is negative.

    Source: Wang et al. (2021), Seesaw Loss for Long-Tailed Instance Segmentation, mitigation and compensation factor.
        Departures: n are the draws of an epoch, where theirs count what training has met so far (in proportion, the
        two soon agree); the normalised classifier that goes with it there is `model.head: cosine`, with another scale;
        there is no background. The constant C is that of their code (mmdetection). That code also takes sigma_i for
        0.01 where it is below, so that no C exceeds 100^q. Here, as in the formula, C has no bound, and stays finite
        since its logarithm, q max(0, z_j - z_i), is what is added. It counts a class never met as met once.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.0, math.log(2.0)]])
        >>> seesaw(z, torch.tensor([0]), class_counts=[4, 1], p=1.0, q=0.0)  # 1 / (1 + 2/4): log 3/2
        tensor([0.4055])
        >>> seesaw(z, torch.tensor([0]), class_counts=[1, 4], p=1.0, q=2.0)  # 1 / (1 + 2 * 2^2): log 9
        tensor([2.1972])
    """
    from torch.nn import functional

    if p < 0 or q < 0:
        raise ValueError(f"p is {p} and q is {q}; expected numbers of at least 0")
    log_counts = logits.new_tensor([math.log(n or 0.5) for n in class_counts])
    mitigation = p * (log_counts - log_counts[targets, None]).clamp_max(0)
    scores = logits.detach()
    compensation = q * (scores - scores.gather(1, targets[:, None])).clamp_min(0)
    # Both are 0 for the true class itself.
    return functional.cross_entropy(logits + mitigation + compensation, targets, reduction="none")


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss of these counts."""
    return partial(seesaw, class_counts=tuple(class_counts), p=params.p, q=params.q)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Leave the prior alone for p = q = 0; otherwise factors differ from image to image.

    S_ij depends on the true class, so that no single shift of the logits describes it. Of two classes with S_01 = s and
    S_10 = 1, let the second be true with probability eta. Mitigation alone then gives odds that are 1 / sqrt(s) times
    too large where eta = 1/2, and 1 / s times where eta goes to 0.
    """
    return None if params.p or params.q else (1.0,) * len(class_counts)
