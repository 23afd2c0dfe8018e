"""Feature pyramid network: coarse maps tell fine ones what they saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def build(in_channels: Sequence[int], channels: int) -> nn.Module:
    """Return torchvision's pyramid: P_i = conv(lateral(C_i) + upsampled sum of the coarser levels).

    Source: Lin et al. (2017), Feature Pyramid Networks for Object Detection, section 3.
    """
    from torchvision.ops import FeaturePyramidNetwork

    neck: nn.Module = FeaturePyramidNetwork(list(in_channels), channels)
    return neck
