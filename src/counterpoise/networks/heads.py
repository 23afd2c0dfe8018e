"""Classification heads: from pooled features to raw logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

ROUNDING = 1e-6
"""A feature whose standard deviation is a smaller share of its mean is constant but for rounding in float32."""
ROWS = 4096
"""Examples of which the moments of features are computed at a time, in float64."""


LOW_FLOOR = 1e-3
"""A smaller floor does not limit how far out a few examples of a nearly constant feature lie."""


class Moments(NamedTuple):
    """Mean, variance and fourth central moment of d features, float64 (d,) each."""

    mean: Tensor
    var: Tensor
    fourth: Tensor


def moments(features: Tensor) -> Moments:
    """Compute the moments of each of d features (n, d), which are on the CPU."""
    parts = torch.split(features, ROWS)
    mean = torch.stack([part.double().sum(dim=0) for part in parts]).sum(dim=0) / len(features)
    squares, fourths = [], []
    for part in parts:
        squared = (part.double() - mean).square()
        squares.append(squared.sum(dim=0))
        fourths.append(squared.square().sum(dim=0))
    var, fourth = (torch.stack(sums).sum(dim=0) / len(features) for sums in (squares, fourths))
    return Moments(mean, var, fourth)


class Head(nn.Sequential):
    """Layers from pooled features to logits. They always run in float32, even if the backbone does not.

    bfloat16 has 8 significant bits, so logits between 16 and 32 would be rounded to multiples of 0.125, and different
    images would get equal scores. Float32 costs almost nothing here.
    """

    _fixed = False

    def standardise(self, features: Moments, floor: float = 1.0) -> None:
        """Fix the mean and scale of the first batch norm to those of stored features, before training.

        The scale is sqrt(var + floor * mean of all var). Features of a frozen backbone have very uneven scales, and
        some are nearly constant; a scale of sqrt(var) alone would blow up their noise.

        With a floor below `LOW_FLOOR`, the larger one of var and sqrt(fourth / 3), which are equal for a Gaussian,
        takes the place of var. Of n examples, one that differs from all others then lies (3n)^(1/4) scales away
        instead of sqrt(n).

        Args:
            features: Moments of d features.
            floor: Share of the mean variance that is added, at least 0.
        """
        mean, var = self.statistics()[:2]
        spread = torch.maximum(features.var, (features.fourth / 3).sqrt()) if floor < LOW_FLOOR else features.var
        squared = spread + floor * features.var.mean() + (ROUNDING * features.mean).square()
        mean.copy_(features.mean.float())
        var.copy_(squared.where(squared > 0, torch.ones_like(squared)).float())
        self._fixed = True

    def statistics(self) -> tuple[Tensor, Tensor, float]:
        """Return mean (d,), variance (d,) and eps of the first batch norm, which divides by sqrt(variance + eps)."""
        norm = self[0]
        assert isinstance(norm, nn.BatchNorm1d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        return norm.running_mean, norm.running_var, norm.eps

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, except for a batch norm with fixed statistics."""
        super().train(mode)
        if self._fixed:
            self[0].eval()
        return self

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, d) of any precision to float32 (n, c)."""
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = super().forward(features.float())  # type: ignore[no-untyped-call]
        return logits


Builder = Callable[[int, int, float, int, "Tensor | None"], Head]
"""Arguments: number of features, number of classes, dropout, hidden units, and bias of the last layer."""


def _last(features: int, classes: int, bias: Tensor | None) -> nn.Linear:
    """Build the layer that computes the logits. Its weights start at zero, so every image starts with the bias."""
    last = nn.Linear(features, classes)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    if bias is not None:
        last.bias.data.copy_(bias)
    return last


def _hidden(features: int, units: int) -> nn.Linear:
    """Build a layer before a ReLU, initialised so that the variance of the activations is preserved.

    Source: He et al. (2015), Delving Deep into Rectifiers, equation 10.
    """
    layer = nn.Linear(features, units)
    nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def _linear(features: int, classes: int, dropout: float, hidden: int, bias: Tensor | None) -> Head:
    """Batch norm without scale, dropout, linear. On frozen features this is logistic regression."""
    return Head(nn.BatchNorm1d(features, affine=False), nn.Dropout(dropout), _last(features, classes, bias))


def _concat_pool(features: int, classes: int, dropout: float, hidden: int, bias: Tensor | None) -> Head:
    """Batch norm, half the dropout, hidden layer, ReLU, batch norm, dropout, linear.

    Source: fastai's `create_head`. Departures: layers have biases; the last layer starts with weights of zero and the
    prior as bias.
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
"""Factor from cosines to logits: s in the code of Cao et al. (2019), Learning Imbalanced Datasets with
Label-Distribution-Aware Margin Loss. Without it, the odds between two classes could not exceed exp 2."""


class Cosine(nn.Module):
    """Logits of 30 cos(angle between the features and the weights of each class), without bias.

    The lengths of the vectors have no effect. Weights start in random directions with a length of about 1, since a zero
    vector has no direction.
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

    Pooled features are rarely negative, so seen from the origin all images lie in a similar direction. Batch norm moves
    the origin to the mean of the features, where angles differ more.
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
        name: A key of `HEADS`.
        features: Number of features d.
        classes: Number of classes c.
        dropout: Dropout probability before the last layer.
        seed: Seed of random weights.
        bias: (c,) initial bias of the last layer, in nats; `None` for zeros. `cosine` has no bias.
        hidden: Units of the hidden layer, if the head has one.

    Returns:
        A head. The last layer starts with weights of zero, so an untrained model returns `bias` for every image. The
        weights of `cosine` start in random directions.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HEADS[name](features, classes, dropout, hidden, bias)


def last_layer(network: nn.Module) -> nn.Linear:
    """Return the linear layer that computes the logits, which is the last module.

    Raises:
        ValueError: The last module is not linear, as with `cosine`.
    """
    last = list(network.modules())[-1]
    if not isinstance(last, nn.Linear):
        raise ValueError(f"the last layer of the network is {type(last).__name__}; expected a linear layer")
    return last
