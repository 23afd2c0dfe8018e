"""Adversarial dropout: hides the part of a region without which its loss is largest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section
from counterpoise.detection.adversaries import LossesOf

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Params(Section):
    """Parameters of `detector.adversary: dropout`."""

    side_frac: float = Field(gt=0, le=1)
    """Side of the hidden window as a share of the region's side, in (0, 1]; 1 hides all."""
    step: int = Field(ge=1, le=32)
    """Cells between the windows that are tried, from 1 to 32; each window costs one pass through the head."""


def attack(features: Tensor, losses_of: LossesOf, params: Params, generator: Generator) -> Tensor:
    """Set the window to 0 that gives the largest loss, in all channels; of equal ones the first.

    Args:
        features: (n, c, h, w) float.
        losses_of: Gives the loss of each region, (n,).
        params: `side_frac` and `step`.
        generator: Not used.

    Returns:
        (n, c, h, w) in the type of the features.

    Source: Wang et al. (2017), A-Fast-RCNN: Hard Positive Generation via Adversary for Object Detection, section 4.1.
        There a network learns to predict the window that this search, with a side of a third, finds; here the search
        itself is used, so that nothing else must be trained.

    Example:
        >>> import torch
        >>> features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> attack(features, lambda x: -x.sum(dim=(1, 2, 3)), Params(side_frac=0.5, step=1), torch.Generator())
        tensor([[[[1., 2.],
                  [3., 0.]]]])
    """
    import torch

    count, (height, width) = len(features), features.shape[-2:]
    if count == 0:
        return features
    tall, wide = (max(1, round(side * params.side_frac)) for side in (height, width))
    corners = [
        (y, x) for y in range(0, height - tall + 1, params.step) for x in range(0, width - wide + 1, params.step)
    ]
    masks = features.new_ones(len(corners), 1, height, width)
    for mask, (y, x) in zip(masks, corners, strict=True):
        mask[:, y : y + tall, x : x + wide] = 0
    with torch.no_grad():
        losses = torch.stack([losses_of(features * mask) for mask in masks])
    return features * masks[losses.argmax(dim=0)]
