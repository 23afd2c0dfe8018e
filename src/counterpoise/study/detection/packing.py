"""Stored maps in the place of pictures, so that a detector trains without its backbone and is otherwise the same.

A detector takes pictures (n, 3, h, w), of which it asks the height and the width, and its backbone turns them into
maps. Here the maps of a picture are packed into a tensor of the same height and width, and what takes the place of
the backbone takes them out again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from counterpoise import seeds
from counterpoise.detection import detectors
from counterpoise.detection.detectors import Plan

if TYPE_CHECKING:
    from torch import Tensor, nn


def size(channels: Sequence[int], strides: Sequence[int], side: tuple[int, int]) -> int:
    """Count the numbers of all maps of a picture.

    Args:
        channels: Of each map, finest first.
        strides: In pixels.
        side: Height and width of the picture in pixels, multiples of the strides.

    Example:
        >>> size([4, 8], [4, 8], (16, 8))  # 4 x 4 x 2 + 8 x 2 x 1
        48
    """
    return sum(count * (side[0] // step) * (side[1] // step) for count, step in zip(channels, strides, strict=True))


def pack(values: Tensor, side: tuple[int, int]) -> Tensor:
    """Give the maps of n pictures the form of pictures.

    Args:
        values: (n, size) the maps of each, one after the other.
        side: Height and width of the pictures in pixels.

    Returns:
        (n, k, h, w), the least k into which they fit; the rest is 0.
    """
    from torch.nn import functional

    area = side[0] * side[1]
    layers = math.ceil(values.shape[1] / area)
    return functional.pad(values, (0, layers * area - values.shape[1])).view(-1, layers, *side)


@cache
def _module() -> Any:  # noqa: ANN401 - a class that needs torch
    import torch
    from torch import nn

    class Unpacked(nn.Module):
        """What `pack` gives to a map for each level, by the name of its place, as a backbone names them."""

        def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
            super().__init__()
            self.channels, self.strides = tuple(channels), tuple(strides)

        def forward(self, packed: Tensor) -> dict[str, Tensor]:
            side, flat, start = (packed.shape[2], packed.shape[3]), packed.flatten(1), 0
            maps: dict[str, Tensor] = {}
            for number, (count, step) in enumerate(zip(self.channels, self.strides, strict=True)):
                shape = (count, side[0] // step, side[1] // step)
                end = start + math.prod(shape)
                level = flat[:, start:end].reshape(-1, *shape)
                maps[str(number)] = level.contiguous(memory_format=torch.channels_last)
                start = end
            return maps

    return Unpacked


def build(plan: Plan, channels: Sequence[int], strides: Sequence[int], seed: int) -> nn.Module:
    """Build a detector of which `pack` gives the pictures; its other layers have random weights.

    Args:
        plan: All that it is made of.
        channels: Of the stored maps, finest first.
        strides: In pixels.
        seed: Of the random weights, which are those that `detection.building.build` draws.
    """
    import torch

    with torch.random.fork_rng([]):
        torch.manual_seed(seeds.derive(seed, "detector") % 2**63)
        maps = _module()(channels, strides)
        detector = detectors.find(plan.detector.name).build(maps, list(channels), list(strides), plan)
    return detector.to(memory_format=torch.channels_last)
