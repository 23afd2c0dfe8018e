"""timm backbones: from images to pooled features, and the normalisation of their inputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterpoise.config import PATH, InputError, suggest
from counterpoise.networks import pretrained

POOLS = {"avg": ("avg",), "avg_max": ("catavgmax",), "as_made": ()}
"""Values of `model.pool` -> timm's name of the pooling. Without a name, timm keeps the model's own pooling."""


def build_backbone(name: str, weights: str, seed: int, pool: str = "avg") -> nn.Module:
    """Build a backbone that turns images into pooled features.

    Args:
        name: A timm model.
        weights: `bundled`, `imagenet`, `none`, or the name of a file in `models/pretrained/`.
        seed: Seed of random weights. Has no effect on pretrained weights.
        pool: How feature maps become a vector. `avg`: the mean of each map. `avg_max`: the means, then the maxima.
            `as_made`: the model's own pooling, which for transformers is often one token.

    Returns:
        A module from (n, 3, s, s), normalised by `normalise`, to (n, d). `width` measures d.

    Raises:
        InputError: timm does not have this model, the model does not support this pooling, or its weights are not
            available.
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
    except (AssertionError, TypeError) as error:  # timm raises these if a model does not support the pooling
        raise InputError(
            f"{PATH}: model.pool is {pool!r}, but timm's {name!r} does not support this pooling ({error}); set "
            "model.pool to 'as_made', or choose another model.backbone"
        ) from error
    return backbone


def width(backbone: nn.Module, input_px: int) -> int:
    """Count the features that a backbone computes per image, with one forward pass.

    Raises:
        InputError: The backbone does not accept images of this size.
    """
    training = backbone.training
    try:
        with torch.inference_mode():
            features: Tensor = backbone.eval()(torch.zeros(1, 3, input_px, input_px))
    except (AssertionError, RuntimeError) as error:
        raise InputError(
            f"{PATH}: model.backbone does not accept images of model.input_px {input_px}: {error}; set model.input_px "
            "to the size that the backbone was pretrained with, or choose another model.backbone"
        ) from error
    backbone.train(training)
    return features.shape[1]


def _nearest_model(name: str) -> str:
    import timm

    nearest = suggest(name, timm.list_models()).partition("; ")[2]
    return nearest or "`timm.list_models()` lists the models that it has"


def normalisation(backbone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, in [0, 1], that the backbone was pretrained with."""
    import timm

    settings: Any = timm.get_pretrained_cfg(backbone)
    return (tuple(settings.mean), tuple(settings.std)) if settings else ((0.5,) * 3, (0.5,) * 3)


def normalise(batch: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Normalise uint8 (n, 3, s, s) to float (n, 3, s, s), channels last: (x / 255 - mean) / std for each channel."""
    count, channels, height, width = batch.shape
    # A row of pixels with all channels at a time, in place: a loop over three channels takes many times longer.
    scale = torch.tensor([1 / (255 * value) for value in std], device=batch.device).repeat(width)
    shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=batch.device).repeat(width)
    rows = batch.permute(0, 2, 3, 1).reshape(count, height, width * channels)
    rows = rows.to(torch.float32, copy=True).mul_(scale).sub_(shift)
    return rows.reshape(count, height, width, channels).permute(0, 3, 1, 2)
