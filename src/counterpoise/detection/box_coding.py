"""Offsets from anchors or proposals to boxes, and box losses of either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterpoise.config import validate
from counterpoise.detection import box_losses

if TYPE_CHECKING:
    from torch import Tensor

Weights = tuple[float, float, float, float]


def encode(boxes: Tensor, anchors: Tensor, weights: Weights) -> Tensor:
    """Write boxes (n, 4) as offsets from anchors (n, 4), times weights; see torchvision's `BoxCoder`."""
    from torchvision.models.detection._utils import BoxCoder

    encoded: Tensor = BoxCoder(weights).encode_single(boxes.float(), anchors.float())
    return encoded


def decode(deltas: Tensor, anchors: Tensor, weights: Weights) -> Tensor:
    """Return the boxes (n, 4) of offsets (n, 4 or more; others are left out), in float32 or float64.

    Offsets of sides are at most log(1000 / 16), so that exp does not overflow.
    """
    from torchvision.models.detection._utils import BoxCoder

    exact = deltas[:, :4] if deltas.element_size() == 8 else deltas[:, :4].float()
    decoded: Tensor = BoxCoder(weights).decode_single(exact, anchors.to(exact.dtype))
    return decoded


def losses(
    predicted: Tensor, anchors: Tensor, targets: Tensor, *, name: str, params: Mapping[str, Any], weights: Weights
) -> Tensor:
    """Compute the box loss of each positive.

    Args:
        predicted: (n, OUTPUTS) offsets that the network gives.
        anchors: (n, 4) what they are relative to.
        targets: (n, 4) true boxes.
        name: Name of the box loss.
        params: Its parameters.
        weights: Of the offsets.

    Returns:
        (n,) summed over the four sides.
    """
    module = box_losses.find(name)
    own = validate(module.Params, params, f"box_losses.{name}")
    if module.ON == "deltas":
        return module.loss(predicted, encode(targets, anchors, weights), own)
    return module.loss(decode(predicted, anchors, weights), targets.float(), own)


def inside(boxes: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Clip boxes (n, 4) to a picture, and say which have an area there, (n,)."""
    from torchvision.ops import clip_boxes_to_image

    clipped = clip_boxes_to_image(boxes, (height, width))
    return clipped, (clipped[:, 2:] > clipped[:, :2]).all(dim=1)
