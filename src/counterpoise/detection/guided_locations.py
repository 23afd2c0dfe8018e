"""Where guided anchors should be: targets of their location and shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """Targets of the cells of one level of one image.

    Attributes:
        location: (h, w) int64: 1 near the centre of an object, 0 background, -1 ignored.
        objects: (h, w) int64, the row of the true box where `location` is 1, otherwise -1.
    """

    location: Tensor
    objects: Tensor


def levels(truth: Tensor, *, finest_px: float, count: int) -> Tensor:
    """Give each box (k, 4) the level whose anchors have about its size: `finest_px` at level 0, twice that at 1, ..."""
    sides = (truth[:, 2:] - truth[:, :2]).float().prod(dim=1).sqrt()
    return (sides / finest_px).log2().round().long().clamp(0, count - 1)


def centres(shape: tuple[int, int], stride: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return x (w,) and y (h,) of the centres of cells, in pixels."""
    import torch

    x, y = (torch.arange(n, device=like.device, dtype=torch.float32) for n in (shape[1], shape[0]))
    return (x + 0.5) * stride, (y + 0.5) * stride


def _inside(boxes: Tensor, x: Tensor, y: Tensor, *, share: float, least: float) -> Tensor:
    """Say which cells lie in the middle `share` of each box, or within `least` pixels of its centre, (k, h, w)."""
    middle, reach = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * share / 2
    reach = reach.clamp_min(least)
    across = (x - middle[:, :1]).abs() <= reach[:, :1]
    down = (y - middle[:, 1:]).abs() <= reach[:, 1:]
    return down[:, :, None] & across[:, None]


def targets(
    truth: Tensor,
    ignored: Tensor,
    shapes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    *,
    scale: float,
    centre_frac: float,
    ignore_frac: float,
) -> list[Targets]:
    """Mark the cells of every level that should have an anchor.

    A box belongs to the level of its size. There its middle is 1 (at least the cell of its centre), and a ring around
    is ignored, as is the same area on the two levels beside. Where objects overlap, the smaller one has the cell.

    Args:
        truth: (k, 4) float, true boxes in pixels.
        ignored: (m, 4) float, places that teach nothing.
        shapes: Height and width in cells of each level, finest first.
        strides: Pixels between the cells of each level.
        scale: Side of a plain anchor, in strides.
        centre_frac: Share of a box's sides that is its middle.
        ignore_frac: Share that is ignored, except the middle.

    Source: Wang et al. (2019), Region Proposal by Guided Anchoring, section 3.2 (anchor location).
    """
    import torch

    of_level = levels(truth, finest_px=scale * strides[0], count=len(strides))
    areas = (truth[:, 2:] - truth[:, :2]).prod(dim=1)
    found = []
    for level, (shape, stride) in enumerate(zip(shapes, strides, strict=True)):
        x, y = centres(shape, stride, truth)
        middle = _inside(truth, x, y, share=centre_frac, least=stride / 2) & (of_level == level)[:, None, None]
        ring = _inside(truth, x, y, share=ignore_frac, least=0) & ((of_level - level).abs() <= 1)[:, None, None]
        nothing = ring.any(dim=0) | _inside(ignored, x, y, share=1, least=0).any(dim=0)
        here = middle.any(dim=0)
        location = torch.where(here, 1, torch.where(nothing, -1, 0))
        objects = torch.full_like(location, -1)
        if len(truth):
            smallest = torch.where(middle, areas[:, None, None], torch.inf).argmin(dim=0)
            objects = torch.where(here, smallest, objects)
        found.append(Targets(location, objects))
    return found
