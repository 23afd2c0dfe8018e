"""The maps that heads read: those of a backbone after its neck, and coarser ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from counterpoise.detection import necks
from counterpoise.detection.settings import Detector

if TYPE_CHECKING:
    from torch import Tensor, nn


@cache
def _module() -> Any:  # noqa: ANN401 - a class that needs torch
    from torch import nn
    from torch.nn import functional

    class Pyramid(nn.Module):
        """Images (n, 3, h, w) to the maps of all levels, finest first."""

        def __init__(self, maps: nn.Module, neck: nn.Module, extra: int) -> None:
            super().__init__()
            self.maps, self.neck, self.extra = maps, neck, extra

        def forward(self, images: Tensor) -> list[Tensor]:
            levels = list(self.neck(self.maps(images)).values())
            for _ in range(self.extra):
                levels.append(functional.max_pool2d(levels[-1], 1, 2))
            return levels

    return Pyramid


def build(
    maps: nn.Module, channels: Sequence[int], strides: Sequence[int], section: Detector
) -> tuple[nn.Module, list[int]]:
    """Build the module from images to maps, and return the stride of each level too.

    Args:
        maps: The backbone, as `backbone.build` gives it.
        channels: Channels of its maps, finest first.
        strides: Their strides in pixels.
        section: Section `detector`.

    Returns:
        A module from (n, 3, h, w) to a list of maps (n, `detector.channels`, h_i, w_i), and the strides of all levels.
        Extra levels take every second cell of the level before, as torchvision's `LastLevelMaxPool`.
    """
    neck = necks.find(section.neck).build(channels, section.channels)
    extra = [strides[-1] * 2 ** (number + 1) for number in range(section.extra_levels)]
    built: nn.Module = _module()(maps, neck, section.extra_levels)
    return built, [*strides, *extra]
