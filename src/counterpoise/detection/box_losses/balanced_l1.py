"""Balanced L1: more gradient from boxes that are nearly right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

ON: Literal["deltas", "boxes"] = "deltas"
OUTPUTS = 4


class Params(Section):
    """Block `box_losses.balanced_l1`."""

    alpha: float = Field(ge=0.1, le=10)
    """Weight of boxes that are nearly right, in [0.1, 10]; a smaller one gives them more gradient."""
    gamma: float = Field(gt=0, le=5)
    """Gradient of boxes that are far off, in (0, 5]."""


def loss(predicted: Tensor, target: Tensor, params: Params) -> Tensor:
    """Compute a loss with gradient alpha log(b |d| + 1) where |d| < 1, and gamma elsewhere.

    b is such that the gradient is continuous: alpha log(b + 1) = gamma. Then the loss is alpha / b (b |d| + 1)
    log(b |d| + 1) - alpha |d| where |d| < 1, and gamma |d| + gamma / b - alpha elsewhere.

    Args:
        predicted: (n, 4) float, offsets that a box coder encodes.
        target: (n, 4) float, the same of the true boxes.
        params: `alpha` and `gamma`.

    Returns:
        (n,) summed over the four coordinates.

    Source: Pang et al. (2019), Libra R-CNN: Towards Balanced Learning for Object Detection, equations 6 to 8.

    Example:
        >>> import torch
        >>> loss(torch.tensor([[0.5, 0.0, 0.0, 2.0]]), torch.zeros(1, 4), Params(alpha=0.5, gamma=1.5))
        tensor([2.9792])
    """
    import torch

    from counterpoise.detection.box_losses._sides import in_single

    sizes = (in_single(predicted) - target).abs()
    b = math.exp(params.gamma / params.alpha) - 1
    near = params.alpha / b * (b * sizes + 1) * torch.log(b * sizes + 1) - params.alpha * sizes
    far = params.gamma * sizes + params.gamma / b - params.alpha
    return torch.where(sizes < 1, near, far).sum(dim=1)
