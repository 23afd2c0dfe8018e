"""Adversarial rotation: turns the features of a region as makes its loss largest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section
from counterpoise.detection.adversaries import LossesOf

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Params(Section):
    """Parameters of `detector.adversary: rotation`."""

    degrees: float = Field(ge=0, le=180)
    """Largest angle in either direction, in [0, 180]; 0 turns nothing."""
    blocks: int = Field(ge=1, le=64)
    """Parts of the channels that turn by angles of their own, from 1 to 64."""
    candidates: int = Field(ge=1, le=100)
    """Random sets of angles of which the worst is taken, from 1 to 100; each costs one pass through the head."""


def turned(features: Tensor, degrees: Tensor) -> Tensor:
    """Turn blocks of channels about the centre of the region; what comes from outside repeats the border.

    Args:
        features: (n, c, h, w) float.
        degrees: (n, blocks) angles, anticlockwise on the picture.

    Returns:
        (n, c, h, w) in the type of the features.
    """
    import torch
    from torch.nn import functional

    parts = []
    for part, angles in zip(features.tensor_split(degrees.shape[1], dim=1), degrees.deg2rad().T, strict=True):
        cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
        ratio = features.shape[-2] / features.shape[-1]  # angles are those of cells, not of the unit square
        matrix = torch.stack([torch.stack([cos, -sin * ratio, zero], 1), torch.stack([sin / ratio, cos, zero], 1)], 1)
        grid = functional.affine_grid(matrix.float(), list(part.shape), align_corners=False)
        moved = functional.grid_sample(part.float(), grid, padding_mode="border", align_corners=False)
        parts.append(moved.to(features.dtype))
    return torch.cat(parts, dim=1)


def attack(features: Tensor, losses_of: LossesOf, params: Params, generator: Generator) -> Tensor:
    """Turn each region by the random angles, of `candidates` sets, that give the largest loss; of equal ones the first.

    Args:
        features: (n, c, h, w) float.
        losses_of: Gives the loss of each region, (n,).
        params: `degrees`, `blocks` (at most c) and `candidates`.
        generator: Of the angles, uniform in [-degrees, degrees].

    Returns:
        (n, c, h, w) in the type of the features.

    Source: Wang et al. (2017), A-Fast-RCNN: Hard Positive Generation via Adversary for Object Detection, section 4.2,
        with 10 degrees and 4 blocks. There a network learns the angles; here they are tried, so that nothing else must
        be trained.
    """
    import torch

    count, blocks = len(features), min(params.blocks, features.shape[1])
    if count == 0 or params.degrees == 0:
        return features
    draws = torch.rand(params.candidates, count, blocks, generator=generator).to(features.device)
    angles = (2 * draws - 1) * params.degrees
    with torch.no_grad():
        losses = torch.stack([losses_of(turned(features, degrees)) for degrees in angles])
    return turned(features, angles[losses.argmax(dim=0), torch.arange(count, device=features.device)])
