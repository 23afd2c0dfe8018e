"""Importance-based sample reweighting: the classes of positives whose boxes lie best matter most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section
from counterpoise.detection.prime import Positives, none

if TYPE_CHECKING:
    from torch import Tensor


class Params(Section):
    """Parameters of `detector.prime: isr`."""

    bias: float = Field(ge=0, le=1)
    """Lower end of the weights before the power, in [0, 1]; 1 is the plain loss."""
    power: float = Field(ge=0, le=10)
    """Exponent of the weights, in [0, 10]; 0 is the plain loss."""


def ranks(positives: Positives) -> Tensor:
    """Rank positives within their class, 0 first: the best box of every object, then the second best, and so on.

    Boxes of the same rank for their object are sorted by IoU; of equal IoUs the first row comes first.

    Returns:
        (n,) int64.
    """
    import torch

    best_first = positives.ious.detach().argsort(descending=True, stable=True)
    of_object = _places_within(positives.objects[best_first])
    by_rank = of_object.argsort(stable=True)  # of the same rank, the best IoU stays first
    order = best_first[by_rank]
    found = torch.empty_like(positives.labels)
    found[order] = _places_within(positives.labels[order])
    return found


def _places_within(groups: Tensor) -> Tensor:
    """Count the rows of the same group before each, (n,).

    Sorting takes n log n steps; to compare all pairs of 500 objects with ten anchors each would take gigabytes.

    Example:
        >>> import torch
        >>> _places_within(torch.tensor([5, 7, 5, 5, 7]))
        tensor([0, 0, 1, 2, 1])
    """
    import torch

    order = groups.argsort(stable=True)
    found = groups[order]
    places = torch.empty_like(groups)
    places[order] = torch.arange(len(groups), device=groups.device) - torch.searchsorted(found, found)
    return places


def class_weights(positives: Positives, params: Params) -> Tensor:
    """Compute w = (bias + (1 - bias) u)^power of u = (n_max - rank) / n_max, scaled so that the sum of losses stays.

    n_max is the number of positives of the class that has most, so that equal ranks of all classes weigh the same.

    Args:
        positives: Of a batch; `ious` are those of predicted boxes.
        params: `bias` and `power`.

    Returns:
        (n,) factors without a gradient.

    Source: Cao et al. (2020), Prime Sample Attention in Object Detection, sections 3.2 and 4.1; their bias is 0 and
        their power 2. Here background keeps its weights, as in their code's ISR for positives.

    Example:
        >>> import torch
        >>> one = torch.ones(4, dtype=torch.int64)
        >>> ious, losses = torch.tensor([0.55, 0.8, 0.65, 0.9]), torch.tensor([1.0, 0.2, 0.6, 0.1])
        >>> class_weights(Positives(one, one, ious, ious, losses), Params(bias=0.0, power=2.0))
        tensor([0.2794, 2.5147, 1.1176, 4.4706])
    """
    import torch

    losses = positives.losses.detach()
    if len(losses) == 0:
        return torch.ones_like(losses)
    most = torch.bincount(positives.labels).max()
    shares = (most - ranks(positives)).to(losses.dtype) / most
    weights = (params.bias + (1 - params.bias) * shares) ** params.power
    total = (weights * losses).sum()
    return torch.where(total > 0, weights * losses.sum() / torch.where(total > 0, total, 1), torch.ones_like(weights))


def box_weights(positives: Positives, params: Params) -> Tensor:
    """Return ones, (n,)."""
    return none.box_weights(positives, none.Params())
