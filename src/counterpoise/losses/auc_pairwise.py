"""A hinge over all pairs of a positive and a negative, in place of the area under the ROC curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TASKS = ("multiclass", "multilabel")
RANKS = True
NEEDS_ADAMW = "it compares the examples of a batch"


class Params(Section):
    """Block `losses.auc_pairwise`."""

    margin: float = Field(gt=0, le=100)
    """By how much a positive should score above a negative, in logits, in (0, 100]."""
    power: int = Field(ge=1, le=3)
    """Power of the hinge: 1, 2 (its square) or 3 (its cube)."""


def auc_pairwise(logits: Tensor, targets: Tensor, *, margin: float, power: int) -> Tensor:
    """Compute by how much positives fail to score above negatives, over all pairs of the batch.

    For each class that some examples have and some do not, with scores s, the loss is the mean over pairs of a positive
    i and a negative j of max(0, margin - (s_i - s_j))^power; the loss of the batch is the mean over these classes. Half
    of a pair's value goes to the share of either example.

    The score is the log-odds: for multilabel the logit; of classes that exclude each other z_k - log sum_{j != k} exp
    z_j, which orders examples as the probability of class k does, and which with two classes is z_1 - z_0 (both
    classes then have the same pairs).

    It takes O(n log n) time and O(n) memory for each class: scores are sorted, and sums of powers of distances are
    carried from each to the next, so that only terms of one sign are added (in float64).

    Args:
        logits: (n, c) float.
        targets: (n,) int64 in 0..c-1; or, for multilabel, (n, c) in {0, 1}.
        margin: Above 0, in logits.
        power: 1, 2 or 3. A pair exactly at the margin has slope 0, for power 1 too.

    Returns:
        (n,) shares whose mean is the loss of the batch, or (n, c) for multilabel, in the logits' type; zeros where no
        class has a pair. The unit is logits^power.

    Raises:
        ValueError: margin or power is out of range.

    Source: Yan, Dodier, Mozer, Wolniewicz (2003), Optimizing Classifier Performance via an Approximation to the
        Wilcoxon-Mann-Whitney Statistic, their R_1 with margin gamma and power p. Departures: the mean over pairs in
        place of the sum; logits in place of outputs in [0, 1], so that the margin is in logits; power 1 besides theirs,
        which exceed 1; classes against the rest, averaged. Sorting and cumulative sums: Rust and Hocking (2023), A
        Log-linear Gradient Descent Algorithm for Unbalanced Binary Classification using the All Pairs Squared Hinge
        Loss; they expand the square about 0, where large sums cancel, and we do not.
        Faults elsewhere: `PairwiseAUCLoss` of LibAUC has subtracted a row of negatives from a row of positives, so that
        with equal numbers only the i-th meets the i-th, and otherwise it stops. `roc_star_loss` divides by the number
        of pairs that are *wrong*, so that correcting one may raise it, thins negatives by the number of positives, and
        turns a NaN into a loss of 0. The loop in Rust and Hocking's repository reads the score of the last positive
        where it means that of the negative.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.0], [0.5], [2.0]])  # pairs (0.5, 0) and (0.5, 2): (1 - 0.5)^2 and (1 + 1.5)^2
        >>> auc_pairwise(z, torch.tensor([[0], [1], [0]]), margin=1.0, power=2).mean()
        tensor(3.2500)
    """
    if not margin > 0:
        raise ValueError(f"margin is {margin}; expected a number above 0")
    if power not in (1, 2, 3):
        raise ValueError(f"power is {power}; expected 1, 2 or 3")
    wide = logits.float() if logits.device.type == "mps" else logits.double()  # MPS has no float64
    scores, positives = _one_against_rest(wide, targets)
    classes = (positives.any(dim=0) & ~positives.all(dim=0)).sum().clamp_min(1)
    shares: Tensor = _pairs().apply(scores, positives, margin, power)
    if targets.ndim == 1:
        return (shares.sum(dim=1) / classes).to(logits.dtype)
    return (shares * (shares.shape[1] / classes)).to(logits.dtype)


def _one_against_rest(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Score each class by its log-odds, and say who has it; two classes are one problem."""
    import torch
    from torch.nn import functional

    if targets.ndim == 2:
        return logits, targets == 1
    if logits.shape[1] == 2:
        return logits[:, 1:] - logits[:, :1], targets[:, None] == 1
    log_p = logits.log_softmax(dim=1)
    top = log_p.argmax(dim=1, keepdim=True)
    # log(1 - p): near p = 1, which only the largest can be, from the others. All but the largest are at most 1 / 2, so
    # that the clamp, which has no slope where it holds, holds for the largest alone, even in a tie.
    log_rest = log_p.scatter(1, top, -torch.inf).logsumexp(dim=1, keepdim=True)
    log_not = torch.log1p(-log_p.exp().clamp(max=0.75)).scatter(1, top, log_rest)
    return log_p - log_not, functional.one_hot(targets, logits.shape[1]) == 1


@cache
def _pairs() -> type[torch.autograd.Function]:
    """Make the function with its gradient, once: importing this file must not import torch."""
    import torch
    from torch.autograd.function import once_differentiable

    class Pairs(torch.autograd.Function):
        """Shares (n, k) of the pairs of each column; columns without pairs get zeros."""

        @staticmethod
        def forward(ctx: Any, scores: Tensor, positives: Tensor, margin: float, power: int) -> Tensor:  # noqa: ANN401
            mask = positives.T.contiguous()
            points = scores.T.contiguous() + margin * ~mask
            # A positive misses its margin by the distance to every negative's point above it. Equal points are no pair:
            # of these, negatives come first.
            first = mask.byte().argsort(dim=1, stable=True)
            order = first.gather(1, points.gather(1, first).argsort(dim=1, stable=True))
            points, mask = points.gather(1, order), mask.gather(1, order)
            positive_counts = mask.sum(dim=1, keepdim=True).to(points.dtype)
            pairs = positive_counts * (len(scores) - positive_counts)
            scale = torch.where(pairs > 0, len(scores) / (2 * pairs.clamp_min(1)), 0)
            above, below = _to_the_other(points, mask, torch.ones_like(points), power)
            ctx.save_for_backward(points, mask, order, scale)
            ctx.power = power
            sums = scale * torch.where(mask, above, below)
            return torch.empty_like(sums).scatter(1, order, sums).T

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
            points, mask, order, scale = ctx.saved_tensors
            own = grad.T.gather(1, order)
            above, below = _to_the_other(points, mask, torch.ones_like(points), ctx.power - 1)
            weighted_above, weighted_below = _to_the_other(points, mask, own, ctx.power - 1)
            slope = torch.where(mask, -(own * above + weighted_above), own * below + weighted_below)
            slope = ctx.power * scale * slope
            return torch.empty_like(slope).scatter(1, order, slope).T, None, None, None

    return Pairs


def _to_the_other(points: Tensor, mask: Tensor, weights: Tensor, power: int) -> tuple[Tensor, Tensor]:
    """Sum weights times distance^power from each point to negatives above it, and to positives below it."""
    import torch

    negatives = torch.where(mask, 0, weights)
    above = _to_all_before(-points.flip(1), negatives.flip(1), power).flip(1)
    return above, _to_all_before(points, torch.where(mask, weights, 0), power)


def _to_all_before(points: Tensor, weights: Tensor, power: int) -> Tensor:
    """Sum weights_r (x_t - x_r)^power over r < t for every t, with points x ascending along the last axis.

    With S_l(t) that sum for power l and d the step from t - 1 to t, (x_t - x_r)^k = (d + x_{t-1} - x_r)^k gives
    S_k(t) = S_k(t-1) + sum_{l < k} binomial(k, l) d^(k-l) S_l(t-1), where S_0(t-1) counts r = t - 1 as well.
    """
    from torch.nn import functional

    steps = points.diff(dim=1, prepend=points[:, :1])
    counts = weights.cumsum(dim=1) - weights
    if power == 0:
        return counts
    sums = [counts]
    for k in range(1, power + 1):
        grown = steps**k * counts
        for low in range(1, k):
            grown = grown + math.comb(k, low) * steps ** (k - low) * functional.pad(sums[low][:, :-1], (1, 0))
        sums.append(grown.cumsum(dim=1))
    return sums[power]


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss; counts play no part."""
    return partial(auc_pairwise, margin=params.margin, power=params.power)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Say unknown: a ranking keeps no prior, only an order."""
    return None
