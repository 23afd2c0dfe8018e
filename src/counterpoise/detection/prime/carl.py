"""Classification-aware regression loss: the boxes of positives with a high score matter most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section
from counterpoise.detection.prime import Positives, none

if TYPE_CHECKING:
    from torch import Tensor


class Params(Section):
    """Parameters of `detector.prime: carl`."""

    bias: float = Field(ge=0, le=1)
    """Weight, before the power, at a score of 0 against that at a score of 1, in [0, 1]; 1 is the plain loss."""
    power: float = Field(ge=0, le=10)
    """Exponent of the weights, in [0, 10]; 0 is the plain loss."""


def class_weights(positives: Positives, params: Params) -> Tensor:
    """Return ones, (n,)."""
    return none.class_weights(positives, none.Params())


def box_weights(positives: Positives, params: Params) -> Tensor:
    """Compute v = (bias + (1 - bias) p)^power times n / sum of v.

    The gradient of the box losses passes through p: the score of a box that lies badly falls, and that of one that lies
    well rises.

    Args:
        positives: Of a batch; `probs` are used.
        params: `bias` and `power`.

    Returns:
        (n,) factors, whose mean is 1.

    Source: Cao et al. (2020), Prime Sample Attention in Object Detection, section 4.2; their bias is 0.2 and their
        power 1.

    Example:
        >>> import torch
        >>> zeros = torch.zeros(3)
        >>> positives = Positives(zeros.long(), zeros.long(), zeros, torch.tensor([0.9, 0.5, 0.1]), zeros)
        >>> weights = box_weights(positives, Params(bias=0.2, power=1.0))
        >>> (weights * torch.tensor([0.1, 0.4, 0.8])).mean()
        tensor(0.3089)
    """
    probs = positives.probs.clamp_min(1e-6)  # the slope of x^power at 0 is infinite for a power below 1
    values = (params.bias + (1 - params.bias) * probs) ** params.power
    return values * (len(values) / values.sum())
