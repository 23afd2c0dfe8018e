"""Backbones, heads, and what of them is frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from counterpoise.config import PATH, InputError, suggest
from counterpoise.networks import freezing, pretrained, subclasses

if TYPE_CHECKING:
    from counterpoise.artifacts.model import Card


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
    refusal = pretrained.refuses(name, weights)
    if refusal:
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


@dataclass(frozen=True)
class Outline:
    """What is known of a backbone before it has weights.

    Attributes:
        width: Features of a picture.
        blocks: How many blocks it is divided into; 0 where timm does not say.
        has_batchnorm: Whether it has batch norms to train.
    """

    width: int
    blocks: int
    has_batchnorm: bool


@cache
def outline(name: str, pool: str, input_px: int) -> Outline:
    """Look at a backbone without weights.

    Raises:
        InputError: As `build_backbone` and `width`.
    """
    backbone = build_backbone(name, "none", 0, pool)
    count = len(freezing.blocks(backbone)) if hasattr(backbone, "group_matcher") else 0
    return Outline(width(backbone, input_px), count, freezing.has_batchnorm(backbone))


def _nearest_model(name: str) -> str:
    import timm

    nearest = suggest(name, timm.list_models()).partition("; ")[2]
    return nearest or "`timm.list_models()` names those that it has"


class Head(nn.Sequential):
    """Layers from pooled features to logits, in float32 whatever is computed in front of them.

    They cost next to nothing, and bfloat16 knows 8 bits: logits between 16 and 32 would lie 0.125 apart, and images
    that the network tells apart would tie.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, d) of any precision to float32 (n, c)."""
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = super().forward(features.float())  # type: ignore[no-untyped-call]
        return logits


Builder = Callable[[int, int, float, int, "Tensor | None"], Head]
"""From features, classes, dropout, hidden units, and the bias of the last layer."""


def _last(features: int, classes: int, bias: Tensor | None) -> nn.Linear:
    """Build the layer that gives the logits: zero, so that all images begin with the same, which is the bias."""
    last = nn.Linear(features, classes)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    if bias is not None:
        last.bias.data.copy_(bias)
    return last


def _hidden(features: int, units: int) -> nn.Linear:
    """Build a layer in front of a ReLU, with the initialisation that keeps the size of what passes through.

    Source: He et al. (2015), Delving Deep into Rectifiers, equation 10.
    """
    layer = nn.Linear(features, units)
    nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def _linear(features: int, classes: int, dropout: float, hidden: int, bias: Tensor | None) -> Head:
    """Batch norm without scale, dropout, linear: on frozen features this is logistic regression."""
    return Head(nn.BatchNorm1d(features, affine=False), nn.Dropout(dropout), _last(features, classes, bias))


def _concat_pool(features: int, classes: int, dropout: float, hidden: int, bias: Tensor | None) -> Head:
    """Batch norm, dropout by half, hidden layer, ReLU, batch norm, dropout, linear.

    Source: `create_head` of fastai. Departures: layers have biases, and the last begins at zero and the prior.
    """
    return Head(
        nn.BatchNorm1d(features),
        nn.Dropout(dropout / 2),
        _hidden(features, hidden),
        nn.ReLU(),
        nn.BatchNorm1d(hidden),
        nn.Dropout(dropout),
        _last(hidden, classes, bias),
    )


def _dense(features: int, classes: int, dropout: float, hidden: int, bias: Tensor | None) -> Head:
    """Batch norm, hidden layer, ReLU, dropout, linear."""
    return Head(
        nn.BatchNorm1d(features),
        _hidden(features, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        _last(hidden, classes, bias),
    )


COSINE_SCALE = 30.0
"""By which cosines become logits: s in the code of Cao et al. (2019), Learning Imbalanced Datasets with
Label-Distribution-Aware Margin Loss. Cosines alone would allow odds of at most exp 2 between two classes."""


class Cosine(nn.Module):
    """30 cos(angle between the features and the weights of each class), without a bias.

    Lengths play no part. Weights begin in random directions, with a length of about 1: a vector of zeros has none.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, features) / features**0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, d) to logits (n, c) in [-30, 30]."""
        directions = functional.normalize(features, dim=1)
        return COSINE_SCALE * functional.linear(directions, functional.normalize(self.weight, dim=1))


def _cosine(features: int, classes: int, dropout: float, hidden: int, bias: Tensor | None) -> Head:
    """Batch norm without scale, dropout, cosines; no bias.

    Pooled features are seldom negative, so that from their origin all images lie in much the same direction; batch norm
    moves it to their mean, from which angles tell them apart.
    """
    return Head(nn.BatchNorm1d(features, affine=False), nn.Dropout(dropout), Cosine(features, classes))


HEADS: dict[str, Builder] = {"linear": _linear, "cosine": _cosine, "concat_pool": _concat_pool, "dense": _dense}
POOL_OF_HEAD = {"concat_pool": "avg_max"}
"""Heads that make sense with one way of pooling alone."""


def build_head(
    name: str,
    features: int,
    classes: int,
    dropout: float,
    seed: int,
    bias: Tensor | None = None,
    *,
    hidden: int = 512,
) -> nn.Module:
    """Build a head from pooled features (n, d) to raw logits (n, c).

    Args:
        name: A name of `HEADS`.
        features: d.
        classes: c.
        dropout: Share of what reaches the last layer that is dropped while training.
        seed: Decides random weights.
        bias: (c,) of the last layer, in nats; `None` begins at zero. `cosine` has none.
        hidden: Units of the hidden layer, where the head has one.

    Returns:
        A head. The last layer begins with weights of zero, so that an untrained model gives every image `bias`; that of
        `cosine` in random directions.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HEADS[name](features, classes, dropout, hidden, bias)


def last_layer(network: nn.Module) -> nn.Linear:
    """Find the linear layer that gives the logits, which is the last module.

    Raises:
        ValueError: The head ends in something else, such as cosines.
    """
    last = list(network.modules())[-1]
    if not isinstance(last, nn.Linear):
        raise ValueError(f"the network ends in {type(last).__name__}, not in a linear layer")
    return last


class Network(nn.Module):
    """A backbone and its head, from images to raw logits."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 3, s, s) to logits (n, c)."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def train(self, mode: bool = True) -> Self:
        """Switch to training, but for what is frozen, whose batch norms keep their statistics."""
        super().train(mode)
        if mode:
            freezing.hold(self.backbone)
        return self


def rate_fracs(network: nn.Module, first_frac: float) -> dict[str, float]:
    """Say which share of the head's rate each parameter of the backbone has, by its name in the network.

    Args:
        network: A head alone has no backbone, and no entries.
        first_frac: Share of the backbone's first block, in (0, 1].
    """
    if not isinstance(network, Network):
        return {}
    return {f"backbone.{name}": frac for name, frac in freezing.rate_fracs(network.backbone, first_frac).items()}


def sum_back(network: nn.Module, of: Sequence[int]) -> None:
    """Let a network, or a head alone, sum the types of each class when predicting; nothing where none is split.

    Args:
        network: With as many outputs as `of` has entries.
        of: As `subclasses.parents` returns it.
    """
    if len(of) > of[-1] + 1:
        head = network.head if isinstance(network, Network) else network
        assert isinstance(head, Head)
        head.append(subclasses.Sums(of))


def rebuild(card: Card, weights: dict[str, Tensor]) -> nn.Module:
    """Build a trained network again: a head alone where the backbone is frozen, else the whole."""
    of = subclasses.parents(card.classes, card.subclasses)
    head = build_head(card.head, card.width, len(of), card.dropout, seed=0, hidden=card.hidden)
    network = head if card.frozen else Network(build_backbone(card.backbone, "none", 0, card.pool), head)
    sum_back(network, of)
    network.load_state_dict(weights)
    return network


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


def pick_device(name: str) -> torch.device:
    """Choose where to compute; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        InputError: The device was asked for by name and is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if not available[name]:
        raise InputError(f"{PATH}: model.device is {name!r}, which this machine or this build of PyTorch does not have")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Choose the arithmetic inside the network; `auto` is bfloat16 or float16 on CUDA, float32 elsewhere."""
    if name == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """Compute in `precision` where that is safe; nothing changes for float32."""
    return nullcontext() if precision == torch.float32 else torch.autocast(device.type, dtype=precision)
