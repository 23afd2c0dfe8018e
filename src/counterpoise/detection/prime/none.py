"""No prime samples: all positives count the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.config import Section
from counterpoise.detection.prime import Positives

if TYPE_CHECKING:
    from torch import Tensor


class Params(Section):
    """Parameters of `detector.prime: none`."""


def class_weights(positives: Positives, params: Params) -> Tensor:
    """Return ones, (n,)."""
    import torch

    return torch.ones_like(positives.losses).detach()


def box_weights(positives: Positives, params: Params) -> Tensor:
    """Return ones, (n,)."""
    import torch

    return torch.ones_like(positives.probs).detach()
