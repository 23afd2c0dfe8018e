"""Focal loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import PATH, Section

if TYPE_CHECKING:
    from torch import Tensor

TASKS = ("multiclass", "multilabel")


class Params(Section):
    """Block `losses.focal`."""

    gamma: float = Field(ge=0, le=10)
    """Focus on hard examples, in [0, 10]; 0 is cross-entropy."""
    alpha: float | None = Field(gt=0, lt=1)
    """Multilabel only: weight of the entries whose label is present, in (0, 1); the others have 1 - alpha. null gives
    both the weight 1."""


def focal(logits: Tensor, targets: Tensor, *, gamma: float, alpha: float | None = None) -> Tensor:
    """Compute cross-entropy times (1 - p_t)^gamma, so that examples which are right already count little.

    The value is -(1 - p_t)^gamma log p_t, with p_t the softmax probability of the true class; for multilabel, for each
    of them, the sigmoid probability of what is true; with an alpha, times alpha where the label is present and
    1 - alpha where it is not. Class weights are not part of it: they multiply the value, and p_t stays a probability.

    Args:
        logits: (n, c) float, raw (not probabilities).
        targets: (n,) int64 in 0..c-1; or, for multilabel, (n, c) in {0, 1}.
        gamma: At least 0.
        alpha: In (0, 1), for multilabel alone; `None` for no such weights.

    Returns:
        (n,) values in nats, or (n, c) for multilabel, in the logits' type.

    Raises:
        ValueError: gamma is negative, alpha is out of range, or there is one class per example and an alpha.

    Source: Lin et al. (2017), Focal Loss for Dense Object Detection, equation 4; for one class per example with
        softmax in place of sigmoid; with alpha equation 5. It has no default here: their 0.25, which torchvision's
        `sigmoid_focal_loss` takes by default, gives an entry whose label is present a third of the weight of
        one whose label is not. Of one class per example alpha is a class weight: `weighting.scheme`.

    Example:
        >>> import torch
        >>> focal(torch.zeros(1, 2), torch.tensor([0]), gamma=2.0)  # 0.5^2 log 2
        tensor([0.1733])
    """
    import torch
    from torch.nn import functional

    if gamma < 0:
        raise ValueError(f"gamma is {gamma}; expected a number of at least 0")
    if alpha is not None and (not 0 < alpha < 1 or targets.ndim == 1):
        raise ValueError(f"alpha is {alpha}; expected a number in (0, 1), and multilabel targets")
    if targets.ndim == 2:
        log_p_t = functional.logsigmoid(logits * (2 * targets.to(logits.dtype) - 1))
    else:
        log_p_t = functional.log_softmax(logits, dim=1).gather(1, targets[:, None])[:, 0]
    # 1 - p_t through expm1, which keeps the digits that log p_t has near p_t = 1; clamped, since the slope of x^gamma
    # at 0 is infinite for gamma < 1.
    one_minus_p_t = (-log_p_t.expm1()).clamp_min(1e-8 if logits.element_size() >= 4 else 1e-4)
    values = -(one_minus_p_t**gamma) * log_p_t if gamma else -log_p_t
    return values if alpha is None else torch.where(targets == 1, alpha * values, (1 - alpha) * values)


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss; counts play no part."""
    return partial(focal, gamma=params.gamma, alpha=params.alpha)


def conflicts(params: Params, *, target_ndim: int, weighting_scheme: str) -> Iterator[str]:
    """Refuse an alpha of one class per example, and one beside class weights."""
    if params.alpha is None:
        return
    if target_ndim == 1:
        yield (
            f"{PATH}: losses.focal.alpha is {params.alpha}, which weights present labels against absent ones (for one "
            "class per image, weighting.scheme gives each class a weight); set losses.focal.alpha to null"
        )
    elif weighting_scheme != "none":
        yield (
            f"{PATH}: losses.focal.alpha is {params.alpha} and weighting.scheme is {weighting_scheme!r}, which both "
            "weight the present labels; set losses.focal.alpha to null, or weighting.scheme to 'none'"
        )


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Multiply the odds of each label by alpha / (1 - alpha) for gamma = 0; otherwise no prior undoes the bend."""
    odds = 1.0 if params.alpha is None else params.alpha / (1 - params.alpha)
    return None if params.gamma else (odds,) * len(class_counts)
