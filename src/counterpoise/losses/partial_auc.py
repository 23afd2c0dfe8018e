"""A squared hinge over pairs of a positive and the hardest negatives, in place of the left part of the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

TASKS = ("multiclass", "multilabel")
RANKS = True
NEEDS_ADAMW = "it compares the examples of a batch"


class Params(Section):
    """Block `losses.partial_auc`."""

    margin: float = Field(gt=0, le=100)
    """By how much a positive should score above a negative, in logits, in (0, 100]."""
    max_fpr: float = Field(gt=0, le=1)
    """Largest false positive rate that counts, in (0, 1]: only this share of the negatives, those with the highest
    scores, is compared with the positives. With 1 all are, as in `auc_pairwise` with power 2."""


def partial_auc(logits: Tensor, targets: Tensor, *, margin: float, max_fpr: float) -> Tensor:
    """Compute by how much positives fail to score above the hardest negatives of the batch.

    For each class that some examples have and some do not, with scores s, P positives and N negatives, the loss is

        1 / (P b N) sum over positives i and negatives j of w_j max(0, margin - (s_i - s_j))^2,   b = max_fpr

    where w_j is 1 for the b N negatives with the highest scores and 0 for the others; if b N is not whole, the last one
    counts in part. The loss of the batch is the mean over these classes. The whole value of a positive is its share;
    negatives have none.

    The score is the log-odds: for multilabel the logit; of classes that exclude each other z_k - log sum_{j != k} exp
    z_j, which orders examples as the probability of class k does. Two classes are two problems: the hardest negatives
    of one are not those of the other.

    It takes O(n log n) time and O(n) memory for each class, in float64: squares are expanded about the mean of the
    hardest negatives, and their sums are carried along the sorted scores.

    Args:
        logits: (n, c) float.
        targets: (n,) int64 in 0..c-1; or, for multilabel, (n, c) in {0, 1}.
        margin: Above 0, in logits.
        max_fpr: In (0, 1].

    Returns:
        (n,) shares whose mean is the loss of the batch, or (n, c) for multilabel, in the logits' type; zeros where no
        class has a pair. The unit is logits^2.

    Raises:
        ValueError: margin or max_fpr is out of range.

    Source: Zhu, Li, Wang, Wu, Yang (2022), When AUC meets DRO: Optimizing Partial AUC for Deep Learning with Non-Convex
        Convergence Guarantee, their objective with the conditional value at risk (`pAUC_CVaR_Loss` of LibAUC), with its
        dual variables at their optimum. Departures: they keep a dual variable for each positive from batch to batch and
        move it by a step size; here the hardest negatives are those of the batch, which are the same for all positives,
        since the hinge grows with the score of the negative. Logits in place of outputs in [0, 1]; classes against the
        rest, averaged.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.0], [0.5], [2.0]])  # of the negatives 0 and 2 the harder: (1 - (0.5 - 2))^2
        >>> partial_auc(z, torch.tensor([[0], [1], [0]]), margin=1.0, max_fpr=0.5).mean()
        tensor(6.2500)
    """
    import torch

    if not margin > 0:
        raise ValueError(f"margin is {margin}; expected a number above 0")
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr is {max_fpr}; expected a number in (0, 1]")
    wide = logits.float() if logits.device.type == "mps" else logits.double()  # MPS has no float64
    scores, positives = _one_against_rest(wide, targets)
    usable: list[bool] = (positives.any(dim=0) & ~positives.all(dim=0)).tolist()
    columns: list[Tensor] = [
        _class_shares(column, positive, margin, max_fpr) if use else 0 * column  # which keeps the graph
        for column, positive, use in zip(scores.unbind(1), positives.unbind(1), usable, strict=True)
    ]
    shares = torch.stack(columns, dim=1) / max(1, sum(usable))
    return (shares.sum(dim=1) if targets.ndim == 1 else shares * len(columns)).to(logits.dtype)


def _class_shares(scores: Tensor, positives: Tensor, margin: float, max_fpr: float) -> Tensor:
    """Compute the shares (n,) of one class."""
    import torch
    from torch.nn import functional

    rows = positives.nonzero()[:, 0]
    negatives = scores[~positives].sort(descending=True).values
    count = max_fpr * len(negatives)
    weights = (count - torch.arange(len(negatives), device=scores.device, dtype=scores.dtype)).clamp(0, 1)
    hardest, weights = negatives[weights > 0], weights[weights > 0]
    # (q + x)^2 with q = margin - (s_i - centre) and x = s_j - centre, summed over the negatives above s_i - margin,
    # which come first.
    centre = hardest.mean().detach()
    own, x = scores[rows], hardest - centre
    above = torch.searchsorted(-hardest.detach(), (margin - own).detach())
    zeroth, first, second = (functional.pad((weights * x**power).cumsum(0), (1, 0))[above] for power in range(3))
    q = margin - (own - centre)
    lost = (q**2 * zeroth + 2 * q * first + second).clamp_min(0) / count
    return torch.zeros_like(scores).index_put((rows,), lost * (len(scores) / len(rows)))


def _one_against_rest(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Score each class by its log-odds, and say who has it."""
    import torch
    from torch.nn import functional

    if targets.ndim == 2:
        return logits, targets == 1
    log_p = logits.log_softmax(dim=1)
    top = log_p.argmax(dim=1, keepdim=True)
    # log(1 - p): near p = 1, which only the largest can be, from the others. All but the largest are at most 1 / 2, so
    # that the clamp, which has no slope where it holds, holds for the largest alone, even in a tie.
    log_rest = log_p.scatter(1, top, -torch.inf).logsumexp(dim=1, keepdim=True)
    log_not = torch.log1p(-log_p.exp().clamp(max=0.75)).scatter(1, top, log_rest)
    return log_p - log_not, functional.one_hot(targets, logits.shape[1]) == 1


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss; counts play no part."""
    return partial(partial_auc, margin=params.margin, max_fpr=params.max_fpr)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Say unknown: a ranking keeps no prior, only an order."""
    return None
