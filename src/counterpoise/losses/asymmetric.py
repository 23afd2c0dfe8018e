"""Asymmetric loss: absent labels are focused on the hard ones, and dropped where they are easy."""

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


class Params(Section):
    """Block `losses.asymmetric`."""

    gamma_pos: float = Field(ge=0, le=10)
    """Focus on hard examples where the label is present (for the true class), in [0, 10]; 0 is no focus."""
    gamma_neg: float = Field(ge=0, le=10)
    """Focus on hard examples where the label is absent (for the other classes), in [0, 10]; 0 is no focus."""
    clip: float = Field(ge=0, lt=1)
    """Multilabel only: an absent label costs nothing up to this probability, in [0, 1)."""
    label_smoothing: float = Field(ge=0, lt=1)
    """Multiclass only: share of the target that is spread evenly over all classes, in [0, 1); at 0 gamma_neg has no
    effect."""


def asymmetric(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma_pos: float,
    gamma_neg: float,
    clip: float = 0.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Compute cross-entropy times a power of the error, with another power, and a margin, for what is not true.

    Many labels, with p = sigmoid(z) and p_m = max(p - m, 0): -(1 - p)^gamma_pos log p where the label is present, and
    -p_m^gamma_neg log(1 - p_m) where it is not. One class per example, with p = softmax(z), t the true class and
    q = (1 - s) onehot(t) + s / c: -q_t (1 - p_t)^gamma_pos log p_t - sum over k != t of q_k p_k^gamma_neg log p_k.

    Args:
        logits: (n, c) float.
        targets: (n,) int64 in 0..c-1; or, for multilabel, (n, c) in {0, 1}.
        gamma_pos: At least 0.
        gamma_neg: At least 0.
        clip: m in [0, 1), for multilabel.
        label_smoothing: s in [0, 1), of one class per example.

    Returns:
        (n,) values in nats, or (n, c) for multilabel, in the logits' type.

    Raises:
        ValueError: A parameter is out of range.

    Source: Ridnik et al. (2021), Asymmetric Loss For Multi-Label Classification, section 2; for one class per
        example `ASLSingleLabel` of their repository (Alibaba-MIIL/ASL), in which gamma_neg reaches nothing but the
        smoothing: without it, this is focal loss with gamma_pos. Departures: values in place of their sum over labels
        (one class: mean over examples). Logarithms are taken from the logits, where their code takes log max(p, 1e-8)
        in place of log p: a label that is present then costs at most 18.4, and below z = -18.4 pulls no more. The
        gradient flows through the power, as in their section 2.5; their switch `disable_torch_grad_focal_loss` stops it
        (and leaves gradients switched on, whatever they were before).

    Example:
        >>> import torch
        >>> z, y = torch.zeros(1, 2), torch.tensor([[1, 0]])  # log 2, and 0.5^4 log 2
        >>> asymmetric(z, y, gamma_pos=0.0, gamma_neg=4.0)
        tensor([[0.6931, 0.0433]])
    """
    import torch
    from torch.nn import functional

    if min(gamma_pos, gamma_neg) < 0:
        raise ValueError(f"gamma_pos is {gamma_pos}, gamma_neg is {gamma_neg}; expected numbers of at least 0")
    if not 0 <= clip < 1 or not 0 <= label_smoothing < 1:
        raise ValueError(f"clip is {clip}, label_smoothing is {label_smoothing}; expected numbers in [0, 1)")
    wide = logits if logits.element_size() >= 4 else logits.float()
    if targets.ndim == 2:
        log_p, log_not = functional.logsigmoid(wide), functional.logsigmoid(-wide)
        if_present = -(gamma_pos * log_not).exp() * log_p
        # Clamped, since the slope of x^gamma at 0 is infinite for gamma < 1.
        p_m = (wide.sigmoid() - clip).clamp_min(1e-8)
        # log(1 - p + m), without the digits that 1 - p loses near p = 1; 0 up to p = m.
        log_rest = torch.logaddexp(log_not, log_not.new_tensor(math.log(clip))).clamp_max(0) if clip else log_not
        return torch.where(targets == 1, if_present, -(p_m**gamma_neg) * log_rest).to(logits.dtype)
    log_p = wide.log_softmax(dim=1)
    true = functional.one_hot(targets, wide.shape[1])
    power = torch.where(true == 1, (-log_p.expm1()).clamp_min(1e-8) ** gamma_pos, (gamma_neg * log_p).exp())
    smooth = (1 - label_smoothing) * true + label_smoothing / wide.shape[1]
    return -(smooth * power * log_p).sum(dim=1).to(logits.dtype)


def build(*, target_ndim: int, class_counts: Sequence[int], example_count: int, params: Params) -> partial[Tensor]:
    """Return the loss; counts play no part."""
    return partial(
        asymmetric,
        gamma_pos=params.gamma_pos,
        gamma_neg=params.gamma_neg,
        clip=params.clip,
        label_smoothing=params.label_smoothing,
    )


def prior_factors(params: Params, class_counts: Sequence[int]) -> tuple[float, ...] | None:
    """Leave the prior alone where every parameter is 0; otherwise probabilities are bent."""
    plain = not (params.gamma_pos or params.gamma_neg or params.clip or params.label_smoothing)
    return (1.0,) * len(class_counts) if plain else None
