"""Backbones of timm: pooled features of pictures, and how pictures are normalised for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterpoise.config import PATH, InputError, suggest
from counterpoise.networks import pretrained

POOLS = {"avg": ("avg",), "avg_max": ("catavgmax",), "as_made": ()}
"""How maps become vectors, by the names of `model.pool` and of timm; without one, timm leaves what the makers chose."""


def build_backbone(name: str, weights: str, seed: int, pool: str = "avg") -> nn.Module:
    """Build a backbone that turns images into pooled features.

    Args:
        name: A timm model.
        weights: `bundled`, `imagenet`, `none`, or the name of a file in `models/pretrained/`.
        seed: Decides random weights; without effect on others.
        pool: `avg`: the mean of each map; `avg_max`: the means, then the maxima; `as_made`: as its makers do, which for
            transformers is often one token.

    Returns:
        A module from (n, 3, s, s), normalised as `normalise` does, to (n, d); `width` measures d.

    Raises:
        InputError: timm has no such model, it cannot pool in this way, or its weights cannot be had.
    """
    import timm

    if not timm.is_model(name):
        raise InputError(f"{PATH}: model.backbone is {name!r}, which timm does not have; {_nearest_model(name)}")
    if refusal := pretrained.refuses(name, weights, has_imagenet=pretrained.has_imagenet(name)):
        raise InputError(refusal)
    if weights == "imagenet":
        backbone = pretrained.download(name)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            backbone = timm.create_model(name, pretrained=False)
        if weights != "none":
            pretrained.load(backbone, name, weights)
    try:
        backbone.reset_classifier(0, *POOLS[pool])  # type: ignore[operator]
    except (AssertionError, TypeError) as error:  # by which timm refuses what a model cannot do
        raise InputError(
            f"{PATH}: model.pool is {pool!r}, but timm's {name!r} cannot pool in this way ({error}); set model.pool to "
            "'as_made', or take another backbone"
        ) from error
    return backbone


def width(backbone: nn.Module, input_px: int) -> int:
    """Count the features that a backbone makes of a picture, by showing it one.

    Raises:
        InputError: It does not take pictures of this size.
    """
    training = backbone.training
    try:
        with torch.inference_mode():
            features: Tensor = backbone.eval()(torch.zeros(1, 3, input_px, input_px))
    except (AssertionError, RuntimeError) as error:
        raise InputError(
            f"{PATH}: model.backbone does not take pictures of model.input_px {input_px}: {error}; set the size that "
            "its makers trained it with, or take another backbone"
        ) from error
    backbone.train(training)
    return features.shape[1]


def _nearest_model(name: str) -> str:
    import timm

    nearest = suggest(name, timm.list_models()).partition("; ")[2]
    return nearest or "`timm.list_models()` names those that it has"


def normalisation(backbone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, in [0, 1], by which the backbone's makers normalise each channel."""
    import timm

    settings: Any = timm.get_pretrained_cfg(backbone)
    return (tuple(settings.mean), tuple(settings.std)) if settings else ((0.5,) * 3, (0.5,) * 3)


def normalise(batch: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Turn uint8 (n, 3, s, s) into float (n, 3, s, s), (x / 255 - mean) / std for each channel, channels last."""
    scale = torch.tensor([1 / (255 * value) for value in std], device=batch.device)[:, None, None]
    shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=batch.device)[:, None, None]
    return (batch.float() * scale - shift).contiguous(memory_format=torch.channels_last)
