"""Heads that predict something at every cell of every level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

PRIOR = 0.01
"""Probability of each class at the start, so that background does not rule the first steps."""


def flat(found: Tensor, numbers: int) -> Tensor:
    """Turn maps (n, anchors * numbers, h, w) into rows (n, h * w * anchors, numbers), in the order of the anchors."""
    n, _, h, w = found.shape
    return found.reshape(n, -1, numbers, h, w).permute(0, 3, 4, 1, 2).flatten(1, 3)


@cache
def _module() -> Any:  # noqa: ANN401 - a class that needs torch
    from torch import nn

    class Head(nn.Module):
        """A tower of convolutions and a last one, shared by all levels or of each level."""

        def __init__(self, channels: int, outputs: Sequence[int], *, depth: int, shared: bool) -> None:
            super().__init__()
            own = outputs[:1] if shared else outputs
            self.towers = nn.ModuleList(nn.Sequential(*self._layers(channels, depth)) for _ in own)
            self.lasts = nn.ModuleList(self._last(channels, count) for count in own)

        @staticmethod
        def _layers(channels: int, depth: int) -> list[nn.Module]:
            convs = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth)]
            for conv in convs:
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                assert conv.bias is not None
                nn.init.zeros_(conv.bias)
            return [layer for conv in convs for layer in (conv, nn.ReLU())]

        @staticmethod
        def _last(channels: int, count: int) -> nn.Module:
            conv = nn.Conv2d(channels, count, 3, padding=1)
            assert conv.bias is not None
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)
            return conv

        def parts(self, level: int) -> tuple[nn.Module, nn.Conv2d]:
            """Return tower and last convolution of a level."""
            number = min(level, len(self.lasts) - 1)
            last: nn.Conv2d = self.lasts[number]  # type: ignore[assignment]
            return self.towers[number], last

        def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
            parts = [self.parts(level) for level in range(len(maps))]
            return [last(tower(level)) for level, (tower, last) in zip(maps, parts, strict=True)]

    return Head


def build(channels: int, outputs: Sequence[int], *, depth: int, shared: bool) -> Any:  # noqa: ANN401
    """Return a head, from maps (n, channels, h, w) of each level to (n, outputs, h, w).

    The last convolution starts near 0, with a bias of 0.

    Args:
        channels: Of the maps.
        outputs: Channels that leave the head at each level; the same for all where they share it.
        depth: Convolutions with a ReLU before the last.
        shared: Whether all levels have the same weights.

    Source: Lin et al. (2017), Focal Loss for Dense Object Detection, section 4. There the convolutions of the tower
        start with a deviation of 0.01, which leaves little of 256 channels and nothing of 64; here they start by He et
        al. (2015), so that what a level saw reaches its last convolution.
    """
    return _module()(channels, outputs, depth=depth, shared=shared)


def start_at(head: nn.Module, odds: Sequence[float]) -> None:
    """Let the logits of a head start at the logarithms of these odds, which repeat for every anchor."""
    import torch

    for last in head.lasts:  # type: ignore[union-attr]
        values = torch.tensor([math.log(value) for value in odds])
        last.bias.data.copy_(values.repeat(len(last.bias) // len(odds)))
