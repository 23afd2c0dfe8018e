"""Heads, from pooled features to raw logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


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
