"""Path aggregation: a feature pyramid, and a second path from its fine maps to its coarse ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from counterpoise.detection.necks import fpn

if TYPE_CHECKING:
    from torch import Tensor, nn


@cache
def _module() -> type[nn.Module]:
    from torch import nn
    from torch.nn import functional

    class PathAggregation(nn.Module):
        """N_1 = P_1, and N_i = conv(P_i + down(N_(i - 1)))."""

        def __init__(self, in_channels: Sequence[int], channels: int) -> None:
            super().__init__()
            steps = len(in_channels) - 1
            self.fpn = fpn.build(in_channels, channels)
            self.down = nn.ModuleList(nn.Conv2d(channels, channels, 3, stride=2, padding=1) for _ in range(steps))
            self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(steps))
            for conv in [*self.down, *self.convs]:
                nn.init.kaiming_uniform_(conv.weight, a=1)
                nn.init.zeros_(conv.bias)

        def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
            pyramid: dict[str, Tensor] = dict(self.fpn(maps))
            first, *coarser = pyramid
            joined = {first: pyramid[first]}
            before = pyramid[first]
            for name, down, conv in zip(coarser, self.down, self.convs, strict=True):
                below = down(before)
                if below.shape[-2:] != pyramid[name].shape[-2:]:  # maps of odd sizes
                    below = functional.interpolate(below, size=pyramid[name].shape[-2:], mode="nearest")
                joined[name] = before = conv(pyramid[name] + below)
            return joined

    return PathAggregation


def build(in_channels: Sequence[int], channels: int) -> nn.Module:
    """Return a pyramid with a second path: N_1 = P_1, N_i = conv(P_i + down(N_(i - 1))), down with a stride of 2.

    Source: Liu et al. (2018), Path Aggregation Network for Instance Segmentation, section 3.1, without the activations,
        as most implementations since.
    """
    return _module()(in_channels, channels)


def pool(maps: Sequence[Tensor], boxes: Sequence[Tensor], *, strides: Sequence[float], side: int) -> Tensor:
    """Pool each box from all levels, and take the maximum over them (adaptive feature pooling).

    Args:
        maps: (n, c, h_i, w_i) float for each level.
        boxes: (k_j, 4) for each of n images, x0, y0, x1, y1 in pixels.
        strides: Pixels between the cells of each level.
        side: Cells of a pooled region in either direction.

    Returns:
        (sum of k_j, c, side, side).

    Source: Liu et al. (2018), Path Aggregation Network for Instance Segmentation, section 3.2, with the maximum in
        front of the head instead of behind its first layer.
    """
    import torch
    from torchvision.ops import roi_align

    pooled = [
        roi_align(level, list(boxes), side, spatial_scale=1 / stride, sampling_ratio=2, aligned=True)
        for level, stride in zip(maps, strides, strict=True)
    ]
    return torch.stack(pooled).amax(dim=0)
