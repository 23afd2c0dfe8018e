"""Focal loss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from counterpoise.config import Section

TASKS = ("multiclass", "multilabel")


class Params(Section):
    """Block `losses.focal`."""

    gamma: float = Field(ge=0, le=10)
    """Focus on hard examples, in [0, 10]; 0 is cross-entropy."""


def focal(logits: Tensor, targets: Tensor, *, gamma: float) -> Tensor:
    """Compute cross-entropy times (1 - p_t)^gamma, so that examples which are right already count little.

    The value is -(1 - p_t)^gamma log p_t, with p_t the softmax probability of the true class; of many labels, for each
    of them, the sigmoid probability of what is true. Class weights are not part of it: they multiply the value, and p_t
    stays a probability.

    Args:
        logits: (n, c) float, raw (not probabilities).
        targets: (n,) int64 in 0..c-1; or, of many labels, (n, c) in {0, 1}.
        gamma: At least 0.

    Returns:
        (n,) values in nats, or (n, c) of many labels, in the logits' type.

    Raises:
        ValueError: gamma is negative.

    Source: Lin et al. (2017), Focal Loss for Dense Object Detection, equation 4; for one class per example with
        softmax in place of sigmoid. Their alpha is a class weight: `weighting.scheme`.

    Example:
        >>> import torch
        >>> focal(torch.zeros(1, 2), torch.tensor([0]), gamma=2.0)  # 0.5^2 log 2
        tensor([0.1733])
    """
    if gamma < 0:
        raise ValueError(f"gamma is {gamma}; expected a number of at least 0")
    if targets.ndim == 2:
        log_p_t = functional.logsigmoid(logits * (2 * targets.to(logits.dtype) - 1))
    else:
        log_p_t = functional.log_softmax(logits, dim=1).gather(1, targets[:, None])[:, 0]
    if gamma == 0:
        return -log_p_t
    # 1 - p_t through expm1, which keeps its digits near p_t = 1; clamped, since the slope of x^gamma at 0 is
    # infinite for gamma < 1.
    one_minus_p_t = (-log_p_t.expm1()).clamp_min(1e-8 if logits.element_size() >= 4 else 1e-4)
    return -(one_minus_p_t**gamma) * log_p_t


def build(*, task: str, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss; counts play no part."""
    return partial(focal, gamma=params.gamma)


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Leave the prior alone for gamma = 0; otherwise probabilities are bent in a way that no prior undoes."""
    return None if params.gamma else (1.0,) * len(class_counts)
