"""Online hard example mining: cross-entropy of the hardest examples of a batch alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

TASKS = ("multiclass", "multilabel")
NEEDS_ADAMW = "it keeps the hardest values of a batch alone"


class Params(Section):
    """Block `losses.ohem`."""

    fraction: float = Field(gt=0, le=1)
    """Share of the values of a batch that is kept, the largest ones, in (0, 1]; 1 is cross-entropy."""


def ohem(logits: Tensor, targets: Tensor, *, fraction: float) -> Tensor:
    """Compute cross-entropy, and keep the largest values of the batch alone.

    Of n values the k = max(1, ceil(fraction n)) largest are kept, times n / k, and the others are 0, so that the mean
    over all n is the mean over those kept. Which these are depends on the unweighted value: class weights multiply
    afterwards, and decide nothing. Where several values tie at the cut, they share equally what is left of k, so that
    the order of a batch does not matter.

    Args:
        logits: (n, c) float.
        targets: (n,) int64 in 0..c-1; or, for multilabel, (n, c) in {0, 1}, in which case n c values compete.
        fraction: In (0, 1].

    Returns:
        (n,) values in nats, or (n, c) for multilabel, in the logits' type.

    Raises:
        ValueError: fraction is out of range.

    Source: Shrivastava, Gupta, Girshick (2016), Training Region-based Object Detectors with Online Hard Example Mining,
        section 4, where the values are those of boxes, 128 out of some 2,000 for each of two images. Departures: no
        suppression of boxes that overlap; a share of the batch in place of a number; ties are shared. What is minimised
        is the average of the k largest (Fan et al., 2017, Learning with Average Top-k Loss), which is convex in the
        logits.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.0, 0.0], [9.0, 0.0]])  # the first costs log 2, and counts twice
        >>> ohem(z, torch.tensor([0, 0]), fraction=0.5)
        tensor([1.3863, 0.0000])
    """
    from torch.nn import functional

    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}; expected a number in (0, 1]")
    wide = logits if logits.element_size() >= 4 else logits.float()
    if targets.ndim == 2:
        values = functional.binary_cross_entropy_with_logits(wide, targets.to(wide.dtype), reduction="none")
    else:
        values = functional.cross_entropy(wide, targets, reduction="none")
    hardness = values.detach()
    count = max(1, math.ceil(round(fraction * values.numel(), 6)))  # 0.07 * 100 is 7.000000000000001
    cut = hardness.flatten().topk(count).values[-1]
    above, tied = hardness > cut, hardness == cut
    weights = above + tied * ((count - above.sum()) / tied.sum())
    return (values * weights * (values.numel() / count)).to(logits.dtype)


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss; counts play no part."""
    return partial(ohem, fraction=params.fraction)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Leave the prior alone if all are kept; otherwise what counts depends on the model."""
    return (1.0,) * len(class_counts) if params.fraction == 1 else None
