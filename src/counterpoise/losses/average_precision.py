"""One minus average precision, with a sigmoid in place of each step of a rank."""

from __future__ import annotations

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
CHUNK = 2**22
"""So many pairs are held at once: 16 MB in float32 for each of some ten tensors that live together."""


class Params(Section):
    """Block `losses.average_precision`."""

    tau: float = Field(gt=0, le=100)
    """Temperature of the sigmoid in logits, in (0, 100]: two scores that differ by more than a few tau count as
    ordered."""


def average_precision(logits: Tensor, targets: Tensor, *, tau: float) -> Tensor:
    """Compute one minus a smooth average precision, the mean over the classes of the batch.

    For each class that some examples have and some do not, with scores s, positives P, negatives N and
    G_ij = sigmoid((s_j - s_i) / tau), about 1 where j ranks before i, the precision at the place of positive i is

        (1 + sum_{j in P, j != i} G_ij) / (1 + sum_{j in P, j != i} G_ij + sum_{j in N} G_ij)

    and the loss of the class is one minus the mean of these over P. The loss of the batch is the mean over these
    classes. The whole value of a positive is its share; negatives have none.

    The score is the log-odds: for multilabel the logit; of classes that exclude each other z_k - log sum_{j != k} exp
    z_j, which orders examples as the probability of class k does. Two classes are two problems: the average precision
    of one is not that of the other.

    It takes O(|P| n) time for each class, O(n^2) for all of them, in training and in validation. `CHUNK` pairs are held
    at once, and computed once more for the gradient: memory is O(CHUNK + n c), and at least one row of n.

    Args:
        logits: (n, c) float.
        targets: (n,) int64 in 0..c-1; or, for multilabel, (n, c) in {0, 1}.
        tau: Above 0, in logits. As it goes to 0, distinct scores give one minus average precision itself, whose slope
            is 0.

    Returns:
        (n,) shares whose mean is the loss of the batch, in [0, 1], or (n, c) for multilabel, in the logits' type; zeros
        where no class has both positives and negatives.

    Raises:
        ValueError: tau is out of range.

    Source: Brown, Xie, Kalogeiton, Zisserman (2020), Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval.
        Departures: each class asks once for its own examples, where they let each image ask for the images of its
        class; log-odds in place of cosine similarities, so that their tau of 0.01 has no meaning here.
        Faults elsewhere: their code repeats all pairs for each of the n images that ask, n^3 numbers, wants as many
        examples of each class, sorted, and clamps the exponent at 50, so that what is further off has slope 0 exactly.

    Example:
        >>> import torch
        >>> z = torch.zeros(2, 1)  # a tie of one positive and one negative: 1 / (1 + 1/2) = 2/3
        >>> average_precision(z, torch.tensor([[1], [0]]), tau=1.0).mean()
        tensor(0.3333)
    """
    import torch

    if not tau > 0:
        raise ValueError(f"tau is {tau}; expected a number above 0")
    wide = logits if logits.element_size() >= 4 else logits.float()
    scores, positives = _one_against_rest(wide, targets)
    usable: list[bool] = (positives.any(dim=0) & ~positives.all(dim=0)).tolist()
    columns: list[Tensor] = [
        _class_shares(column.contiguous(), positive, tau) if use else 0 * column  # which keeps the graph
        for column, positive, use in zip(scores.unbind(1), positives.unbind(1), usable, strict=True)
    ]
    shares = torch.stack(columns, dim=1) / max(1, sum(usable))
    return (shares.sum(dim=1) if targets.ndim == 1 else shares * len(columns)).to(logits.dtype)


def _class_shares(scores: Tensor, positives: Tensor, tau: float) -> Tensor:
    """Compute the shares (n,) of one class, whose mean is one minus its average precision."""
    import torch

    rows = positives.nonzero()[:, 0]
    lost: Tensor = _lost().apply(scores, rows, (~positives).to(scores.dtype), tau)
    return torch.zeros_like(scores).index_put((rows,), lost * (len(scores) / len(rows)))


@cache
def _lost() -> type[torch.autograd.Function]:
    """Make the function with its gradient, once: importing this file must not import torch."""
    import torch
    from torch.autograd.function import once_differentiable

    class Lost(torch.autograd.Function):
        """One minus the precision at the place of each positive; pairs are computed again for the gradient."""

        @staticmethod
        def forward(ctx: Any, scores: Tensor, rows: Tensor, negatives: Tensor, tau: float) -> Tensor:  # noqa: ANN401
            lost = torch.empty_like(scores[rows])
            for part in _chunks(rows, scores):
                before = ((scores - scores[rows[part], None]) / tau).sigmoid()
                # An example ranks half before itself, where it should count 1.
                lost[part] = (before @ negatives) / (before.sum(dim=1) + 0.5)
            ctx.save_for_backward(scores, rows, negatives, lost)
            ctx.tau = tau
            return lost

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
            scores, rows, negatives, lost = ctx.saved_tensors
            slope, ones = torch.zeros_like(scores), torch.ones_like(scores)
            for part in _chunks(rows, scores):
                before = ((scores - scores[rows[part], None]) / ctx.tau).sigmoid()
                # d lost_i / d s_j = G_ij (1 - G_ij) ([j is negative] - lost_i) / (tau rank_i), and minus their sum for
                # s_i.
                weight = grad[part] / (ctx.tau * (before.sum(dim=1) + 0.5))
                steep = before * (1 - before)
                to_negatives, to_all = torch.stack([weight, weight * lost[part]]) @ steep
                slope += negatives * to_negatives - to_all
                from_negatives, from_all = (steep @ torch.stack([negatives, ones], dim=1)).unbind(1)
                slope[rows[part]] += weight * (lost[part] * from_all - from_negatives)
            return slope, None, None, None

    return Lost


def _chunks(rows: Tensor, scores: Tensor) -> list[slice]:
    size = max(1, CHUNK // len(scores))
    return [slice(start, start + size) for start in range(0, len(rows), size)]


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
    return partial(average_precision, tau=params.tau)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Say unknown: a ranking keeps no prior, only an order."""
    return None
