"""From a picture to the maps that dense heads see: backbone, neck, and coarser maps after it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from counterpoise.detection import necks

if TYPE_CHECKING:
    from torch import Tensor, nn

    from counterpoise.detection.settings import Detector


@cache
def _module() -> type[nn.Module]:
    from torch import nn
    from torch.nn import functional

    class Pyramid(nn.Module):
        """Images (n, 3, h, w) to a list of maps (n, channels, h_i, w_i), finest first."""

        def __init__(self, maps: nn.Module, neck: nn.Module, channels: int, extra: int) -> None:
            super().__init__()
            self.maps, self.neck = maps, neck
            convs = [nn.Conv2d(channels, channels, 3, stride=2, padding=1) for _ in range(extra)]
            for conv in convs:
                assert conv.bias is not None
                nn.init.kaiming_uniform_(conv.weight, a=1)
                nn.init.zeros_(conv.bias)
            self.extra = nn.ModuleList(convs)

        def forward(self, images: Tensor) -> list[Tensor]:
            found = list(self.neck(self.maps(images)).values())
            for number, conv in enumerate(self.extra):
                found.append(conv(functional.relu(found[-1]) if number else found[-1]))
            return found

    return Pyramid


def build(maps: nn.Module, in_channels: Sequence[int], section: Detector) -> nn.Module:
    """Join a backbone and a neck, and add `extra_levels` coarser maps by convolutions with a stride of 2.

    Args:
        maps: The backbone, from images to an ordered mapping of names to maps, finest first.
        in_channels: Channels of its maps.
        section: `neck`, `channels` and `extra_levels`.

    Returns:
        A module from images to a list of maps, each with `channels`.

    Source: Lin et al. (2017), Focal Loss for Dense Object Detection, section 4, P6 and P7, computed from the coarsest
        map of the neck.
    """
    neck = necks.find(section.neck).build(in_channels, section.channels)
    return _module()(maps, neck, section.channels, section.extra_levels)


def strides(of_maps: Sequence[int], extra: int) -> tuple[int, ...]:
    """List the strides in pixels of all levels, those of the coarser maps too.

    Example:
        >>> strides([8, 16], 2)
        (8, 16, 32, 64)
    """
    return (*of_maps, *(of_maps[-1] * 2 ** (number + 1) for number in range(extra)))
