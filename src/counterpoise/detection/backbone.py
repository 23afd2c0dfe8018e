"""The maps of a timm backbone, from fine to coarse, with frozen first layers and frozen batch norms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from counterpoise.config import PATH, InputError

if TYPE_CHECKING:
    from torch import Tensor, nn


@cache
def _module() -> Any:  # noqa: ANN401 - a class that needs torch
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

    class Maps(nn.Module):
        """Images (n, 3, h, w) to a map for each level, by the name of its place."""

        def __init__(self, body: nn.Module, levels: Sequence[int], *, freeze_norms: bool) -> None:
            super().__init__()
            self.body, self.levels, self.freeze_norms = body, tuple(levels), freeze_norms

        def train(self, mode: bool = True) -> Maps:
            super().train(mode)
            if self.freeze_norms:
                for module in self.body.modules():
                    if isinstance(module, _BatchNorm):
                        module.eval()
            return self

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            maps = self.body.forward_intermediates(images, indices=list(self.levels), intermediates_only=True)  # type: ignore[operator]
            return {str(number): level for number, level in enumerate(maps)}

    return Maps


def build(
    name: str, weights: str, seed: int, levels: Sequence[int], *, freeze_first: int, freeze_norms: bool
) -> nn.Module:
    """Build the part of a detector that computes maps from images.

    Args:
        name: A timm model with maps.
        weights: As in `networks.backbones.build_backbone`.
        seed: Seed of random weights.
        levels: Places of the maps in timm's list, rising; 1..4 of tf_efficientnet_lite0 have strides 4, 8, 16, 32.
        freeze_first: Number of blocks without gradients; 0 for none. The first is the stem.
        freeze_norms: Whether the statistics of batch norms stay as pretrained, which small batches need.

    Returns:
        A module from (n, 3, h, w), normalised, to an ordered mapping of names to maps, finest first.

    Raises:
        InputError: The backbone has no maps, or as `build_backbone`.
    """
    from counterpoise.networks import backbones, freezing

    body = backbones.build_backbone(name, weights, seed, "as_made")
    if not hasattr(body, "forward_intermediates"):
        raise InputError(f"{PATH}: timm gives no maps of model.backbone {name!r}; choose another model.backbone")
    if freeze_first:
        freezing.freeze(body, "first_n", freeze_first)
    built: nn.Module = _module()(body, levels, freeze_norms=freeze_norms)
    return built


def is_maps(module: nn.Module) -> bool:
    """Say whether a module is one that `build` gives."""
    return isinstance(module, _module())


def outline(maps: nn.Module, name: str, levels: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the channels and the strides in pixels of the maps, finest first.

    Args:
        maps: From `build`.
        name: Its name in timm, for messages.
        levels: Places of the maps in timm's list.

    Raises:
        InputError: The backbone has fewer maps.
    """
    body: Any = maps.body
    info = list(body.feature_info)
    if max(levels) >= len(info):
        raise InputError(f"{PATH}: detector.levels is {list(levels)}, but {name!r} has maps 0 to {len(info) - 1} only")
    return [int(info[level]["num_chs"]) for level in levels], [int(info[level]["reduction"]) for level in levels]
