"""Guided anchors: the network predicts where anchors are, and their shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section
from counterpoise.detection import guided_locations
from counterpoise.detection.box_losses import bounded_iou

if TYPE_CHECKING:
    from torch import Tensor, nn

LARGEST_LOG = math.log(1000 / 16)
"""Of a side against that of the plain anchor, so that exp does not overflow; torchvision's box coder has the same."""
SHAPE_LOSS = bounded_iou.Params(beta=0.2)


class Params(Section):
    """Parameters of `detector.anchors.kind: guided`."""

    scale: float = Field(gt=0, le=64)
    """Side of an anchor of neutral shape, in strides of its level, in (0, 64]."""
    centre_frac: float = Field(gt=0, le=1)
    """Share of the sides of a box that counts as its middle, in (0, 1]."""
    ignore_frac: float = Field(gt=0, le=1)
    """Share of the sides of a box that is not background, in (0, 1]."""
    least_score: float = Field(ge=0, lt=1)
    """Smallest probability of a location that has an anchor, in [0, 1)."""


@dataclass(frozen=True)
class Guided:
    """What the module predicts, a tensor for each level.

    Attributes:
        locations: (n, 1, h, w) logits of an object's middle.
        shapes: (n, 2, h, w) logarithms of width and height against the plain anchor.
        features: (n, c, h, w), adapted to the shapes.
    """

    locations: list[Tensor]
    shapes: list[Tensor]
    features: list[Tensor]


@dataclass(frozen=True)
class Anchors:
    """Anchors of one level, one for each cell.

    Attributes:
        boxes: (n, h, w, 4) float32, x0, y0, x1, y1 in pixels, without gradients.
        kept: (n, h, w) bool, where an object is likely enough.
    """

    boxes: Tensor
    kept: Tensor


@cache
def _module() -> type[nn.Module]:
    from torch import nn
    from torchvision.ops import DeformConv2d

    class GuidedAnchors(nn.Module):
        """Predicts location and shape of anchors, and adapts features to them; the same weights for all levels."""

        def __init__(self, channels: int) -> None:
            super().__init__()
            self.location = nn.Conv2d(channels, 1, 1)
            self.shape = nn.Conv2d(channels, 2, 1)
            self.offset = nn.Conv2d(2, 18, 1, bias=False)
            self.adapt = DeformConv2d(channels, channels, 3, padding=1)
            for conv, deviation in ((self.location, 0.01), (self.shape, 0.01), (self.offset, 0.1), (self.adapt, 0.01)):
                nn.init.normal_(conv.weight, std=deviation)
                if conv.bias is not None:
                    nn.init.zeros_(conv.bias)
            assert self.location.bias is not None
            nn.init.constant_(self.location.bias, -math.log(99))

        def forward(self, maps: Sequence[Tensor]) -> Guided:
            locations, shapes = [self.location(level) for level in maps], [self.shape(level) for level in maps]
            features = []
            for level, shape in zip(maps, shapes, strict=True):
                # in single precision, and never NaN, which would end the process
                offset = self.offset(shape.detach()).float().nan_to_num()
                features.append(nn.functional.relu(self.adapt(level.float(), offset)).to(level.dtype))
            return Guided(locations, shapes, features)

    return GuidedAnchors


def build(channels: int) -> nn.Module:
    """Return the module, from maps (n, channels, h, w) of each level to `Guided`.

    A location is a 1 x 1 convolution whose bias starts at a probability of 0.01; a shape is one, too. Offsets of a
    deformable convolution follow from the shape (without a gradient), so that features see as much as the anchor.

    Source: Wang et al. (2019), Region Proposal by Guided Anchoring, section 3.
    """
    return _module()(channels)


def sides_px(shapes: Tensor, *, stride: int, scale: float) -> Tensor:
    """Turn logarithms into width and height, scale * stride * exp(shape), in float32.

    Example:
        >>> import torch
        >>> sides_px(torch.tensor([0.0, -math.log(2)]), stride=8, scale=8.0)
        tensor([64., 32.])
    """
    return scale * stride * shapes.float().clamp(-LARGEST_LOG, LARGEST_LOG).exp()


def anchors(guided: Guided, strides: Sequence[int], params: Params) -> list[Anchors]:
    """Place an anchor at every cell of every level, and say which are likely enough.

    Where no location of an image and level reaches `least_score`, its likeliest one is kept.
    """
    import torch

    found = []
    for location, shape, stride in zip(guided.locations, guided.shapes, strides, strict=True):
        x, y = guided_locations.centres((shape.shape[2], shape.shape[3]), stride, shape)
        middle = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], dim=-1)
        half = sides_px(shape.detach(), stride=stride, scale=params.scale).permute(0, 2, 3, 1) / 2
        scores = location.detach().float().sigmoid()[:, 0]
        kept = scores >= scores.amax(dim=(1, 2), keepdim=True).clamp_max(params.least_score)
        found.append(Anchors(torch.cat([middle - half, middle + half], dim=-1), kept))
    return found


def losses(
    guided: Guided, truth: Sequence[Tensor], ignored: Sequence[Tensor], strides: Sequence[int], params: Params
) -> dict[str, Tensor]:
    """Compute the losses of locations and shapes.

    Args:
        guided: Of n images.
        truth: (k_i, 4) true boxes of each image, in pixels.
        ignored: (m_i, 4) places of each image that teach nothing.
        strides: Pixels between the cells of each level.
        params: `scale`, `centre_frac` and `ignore_frac`.

    Returns:
        `guided_class`, the focal loss of locations (alpha 0.25, gamma 2), and `guided_box`, the bounded IoU loss of
        anchors moved onto the centre of their object; both summed, and divided by the number of cells in the middle of
        an object, at least 1. The paper weighs shapes by 0.1 and locations by 1.

    Source: Wang et al. (2019), Region Proposal by Guided Anchoring, section 3.5, equation 5. There a cell takes the
        object that nine sampled shapes overlap most; here it is the object in whose middle the cell is.
    """
    import torch
    from torchvision.ops import sigmoid_focal_loss

    shapes = [(level.shape[2], level.shape[3]) for level in guided.locations]
    rules = {"scale": params.scale, "centre_frac": params.centre_frac, "ignore_frac": params.ignore_frac}
    wanted = [
        guided_locations.targets(boxes.float(), left_out.float(), shapes, strides, **rules)
        for boxes, left_out in zip(truth, ignored, strict=True)
    ]
    locations, boxes, predicted, count = [], [], [], 0
    for level, stride in enumerate(strides):
        sides = sides_px(guided.shapes[level], stride=stride, scale=params.scale)
        for image, of_levels in enumerate(wanted):
            target = of_levels[level]
            seen, here = target.location >= 0, target.location == 1
            logits = guided.locations[level][image, 0].float()[seen]
            locations.append(sigmoid_focal_loss(logits, target.location[seen].float(), reduction="sum"))
            own = truth[image].float()[target.objects[here]]
            boxes.append(own[:, 2:] - own[:, :2])
            predicted.append(sides[image, :, here].T)
            count += int(here.sum())
    shape_losses = bounded_iou.loss(_centred(torch.cat(predicted)), _centred(torch.cat(boxes)), SHAPE_LOSS)
    return {
        "guided_class": torch.stack(locations).sum() / max(count, 1),
        "guided_box": shape_losses.sum() / max(count, 1),
    }


def _centred(sides: Tensor) -> Tensor:
    """Return boxes (k, 4) about the origin with these widths and heights (k, 2)."""
    import torch

    return torch.cat([-sides / 2, sides / 2], dim=1)
