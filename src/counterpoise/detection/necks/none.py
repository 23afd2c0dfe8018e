"""No neck: each map by itself, brought to the same number of channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


@cache
def _module() -> type[nn.Module]:
    from torch import nn

    class Lateral(nn.Module):
        """A 1 x 1 convolution for each map."""

        def __init__(self, in_channels: Sequence[int], channels: int) -> None:
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(count, channels, 1) for count in in_channels)

        def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: conv(maps[name]) for name, conv in zip(maps, self.convs, strict=True)}

    return Lateral


def build(in_channels: Sequence[int], channels: int) -> nn.Module:
    """Return a 1 x 1 convolution for each map: heads that all maps share need the same number of channels."""
    return _module()(in_channels, channels)
