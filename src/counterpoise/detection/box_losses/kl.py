"""KL loss: the network also predicts how sure it is of each side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

ON: Literal["deltas", "boxes"] = "deltas"
OUTPUTS = 8
BELOW_ZERO = True
LARGEST_LOG = 30.0
"""Of the variance, in either direction, so that its exponential and its product with an error stay finite."""


class Params(Section):
    """Block `box_losses.kl`."""


def loss(predicted: Tensor, target: Tensor, params: Params) -> Tensor:
    """Compute exp(-a) d^2 / 2 + a / 2 where |d| <= 1, and exp(-a) (|d| - 1/2) + a / 2 elsewhere.

    a is the predicted logarithm of the variance, in [-30, 30]. The loss falls below 0 where the network is sure and
    right.

    Args:
        predicted: (n, 8) float: four offsets that a box coder encodes, then a of each.
        target: (n, 4) float, the offsets of the true boxes.
        params: None.

    Returns:
        (n,) summed over the four coordinates.

    Source: He et al. (2019), Bounding Box Regression with Uncertainty for Accurate Object Detection, equations 9, 10.

    Example:
        >>> import torch
        >>> loss(torch.tensor([[0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]), torch.zeros(1, 4), Params())
        tensor([0.1250])
    """
    import torch

    from counterpoise.detection.box_losses._sides import in_single

    predicted = in_single(predicted)
    sizes, log_variances = (predicted[:, :4] - target).abs(), predicted[:, 4:].clamp(-LARGEST_LOG, LARGEST_LOG)
    errors = torch.where(sizes <= 1, sizes**2 / 2, sizes - 0.5)
    return (torch.exp(-log_variances) * errors + log_variances / 2).sum(dim=1)
