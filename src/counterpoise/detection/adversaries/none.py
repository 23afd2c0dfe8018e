"""No adversary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.config import Section
from counterpoise.detection.adversaries import LossesOf

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Params(Section):
    """Parameters of `detector.adversary: none`."""


def attack(features: Tensor, losses_of: LossesOf, params: Params, generator: Generator) -> Tensor:
    """Return the features, (n, c, h, w)."""
    return features
