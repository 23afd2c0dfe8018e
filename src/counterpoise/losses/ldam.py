"""Cross-entropy with a margin for each class, the larger the rarer it is (LDAM)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

TASKS = ("multiclass",)
ONLY = "its margin is between the true class and the others of one softmax, which exclude each other"
HEAD = "cosine"
NEEDS_ADAMW = "it works with head 'cosine' alone, and lbfgs fits a linear one"
HEAD_REASON = (
    "the margins of loss 'ldam' need features and weights of fixed length, since otherwise longer weights make the "
    "margins irrelevant"
)


class Params(Section):
    """Block `losses.ldam`."""

    max_margin: float = Field(ge=0, le=60)
    """Margin of the rarest class, in logits, in [0, 60]; 0 is cross-entropy. The published margin is 15: 0.5 in cosine,
    times 30, the scale of the head."""


def ldam(logits: Tensor, targets: Tensor, *, class_counts: Sequence[int], max_margin: float) -> Tensor:
    """Compute cross-entropy after taking a margin off the logit of the true class.

    The value is -log(exp(z_t - m_t) / (exp(z_t - m_t) + sum_{k != t} exp z_k)), with m_k = m_max (n_min / n_k)^(1/4)
    and n_min the least number of draws that is not 0. A class that is never drawn has the margin m_max.

    Args:
        logits: (n, c) float, from a head of cosines: where lengths are free, a network outgrows any margin.
        targets: (n,) int64 in 0..c-1.
        class_counts: (c,) draws of each class, not all 0.
        max_margin: m_max, at least 0, in logits.

    Returns:
        (n,) values in nats, in the logits' type.

    Raises:
        ValueError: max_margin is negative.

    Source: Cao et al. (2019), Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, section 3.2, with
        cross-entropy. Departures: the scale s = 30 of their code is part of the head, so that the margin is in logits
        and 30 times theirs; counts are those of the draws. Weights that set in late (DRW) are not part of it.

    Example:
        >>> import torch
        >>> z, y = torch.zeros(2, 2), torch.tensor([0, 1])  # margins (1/2, 1): log(1 + exp 0.5), log(1 + exp 1)
        >>> ldam(z, y, class_counts=[16, 1], max_margin=1.0)
        tensor([0.9741, 1.3133])
    """
    from torch.nn import functional

    if max_margin < 0:
        raise ValueError(f"max_margin is {max_margin}; expected a number of at least 0")
    least = min(n for n in class_counts if n)
    margins = logits.new_tensor([max_margin * (least / max(n, least)) ** 0.25 for n in class_counts])
    own = targets[:, None]
    return functional.cross_entropy(logits.scatter_add(1, own, -margins[own]), targets, reduction="none")


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss of these counts."""
    return partial(ldam, class_counts=tuple(class_counts), max_margin=params.max_margin)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Leave the prior alone for max_margin = 0; margins bend the probabilities in a way that no prior undoes."""
    return None if params.max_margin else (1.0,) * len(class_counts)
