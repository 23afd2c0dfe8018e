"""FCOS: no anchors; every cell in the middle of an object predicts how far away its four sides are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from counterpoise.config import PATH
from counterpoise.detection import anchor_grid, answers, assignment, box_losses, dense, dense_heads, dense_losses
from counterpoise.detection import pyramid as pyramids

if TYPE_CHECKING:
    from torch import Tensor, nn

    from counterpoise.detection.dense_losses import Rules
    from counterpoise.detection.detectors import Plan
    from counterpoise.detection.settings import Detector
    from counterpoise.detection.teaching import Found, Lesson, Truth

STAGES: Literal[1, 2] = 1
LINK: Literal["multiclass", "multilabel"] = "multilabel"
HAS_ANCHORS = False
GROUPS = 32
"""Groups of channels that the heads normalise."""
LARGEST_LOG = 8.0
"""Largest logarithm of a distance in strides, so that none is infinite."""


def conflicts(section: Detector, box_loss: str) -> Iterator[str]:
    """Refuse what needs a second stage or anchors, and channels that the heads cannot normalise."""
    yield from dense.conflicts(section)
    name = f"{PATH}: detector.name is 'fcos'"
    if box_losses.find(box_loss).ON == "deltas":
        yield (
            f"{name}, which predicts distances to the sides of a box and no offsets from an anchor, which box_loss "
            f"{box_loss!r} compares; set box_loss to 'giou'"
        )
    if section.channels % GROUPS:
        yield (
            f"{name}, whose heads normalise {GROUPS} groups of channels, and detector.channels is {section.channels}; "
            f"set it to a multiple of {GROUPS}, such as {max(round(section.channels / GROUPS), 1) * GROUPS}"
        )
    if section.after_regression:
        yield f"{name}, which has no anchor that is moved onto an object; set detector.after_regression to false"
    if section.sampler == "iou_balanced":
        yield (
            f"{name}, which has no anchors, so background has no IoU that detector.sampler 'iou_balanced' could use; "
            "set detector.sampler to 'every'"
        )


@cache
def _module() -> Any:  # noqa: ANN401 - a class that needs torch
    import torch
    from torch import nn
    from torch.nn import functional
    from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSRegressionHead

    class Fcos(nn.Module):
        """Maps and heads; see `DetectorModule.build` for its two calls."""

        KEYS = ("head_class", "head_box", "head_centreness")

        def __init__(
            self, pyramid: nn.Module, channels: int, classes: int, strides: Sequence[int], rules: Rules
        ) -> None:
            super().__init__()
            self.pyramid, self.strides, self.classes, self.rules = pyramid, tuple(strides), classes, rules
            self.class_head = FCOSClassificationHead(channels, 1, classes, prior_probability=dense_heads.PRIOR)
            self.box_head = FCOSRegressionHead(channels, 1)
            self.scales = nn.Parameter(torch.ones(len(strides)))

        def forward(
            self, images: Tensor, truth: Sequence[Truth] | None = None, lesson: Lesson | None = None
        ) -> dict[str, Tensor] | list[Found]:
            maps = self.pyramid(images)
            anchors = anchor_grid.on_maps([[(stride, stride)] for stride in self.strides], self.strides, maps)
            logits = [self.class_head([level]) for level in maps]
            pairs = [self._distances(level, scale) for level, scale in zip(maps, self.scales, strict=True)]
            distances, centreness = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            if truth is None or lesson is None:
                both = zip(logits, centreness, strict=True)
                scores = [(of.float().sigmoid() * own.float().sigmoid()).sqrt() for of, own in both]
                size = (images.shape[-2], images.shape[-1])
                return answers.found(scores, distances, anchors, size, self.rules.coder.decode)
            assignment.check(truth, self.classes)
            assigned = [assignment.by_centre(anchors, self.strides, of) for of in truth]
            places = torch.cat(anchors)
            numbers = torch.cat(distances, dim=1)
            losses = dense_losses.learn(
                torch.cat(logits, dim=1), numbers, places, truth, assigned, assigned, lesson, self.rules
            )
            own, boxes = dense_losses.positives_of(assigned, truth)
            target = centreness_of(boxes, places[own % len(places)])
            predicted = torch.cat(centreness, dim=1).flatten().float()[own]
            with torch.autocast(images.device.type, enabled=False):
                value = functional.binary_cross_entropy_with_logits(predicted, target, reduction="sum")
            return losses | {"head_centreness": value / max(len(own), 1)}

        def _distances(self, level: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
            """Return distances in strides, (n, h * w, 4) float32, and centreness, (n, h * w, 1)."""
            features = self.box_head.conv(level)
            logs = dense_heads.flat(self.box_head.bbox_reg(features), 4)
            with torch.autocast(level.device.type, enabled=False):
                distances = (logs.float() * scale.float()).clamp_max(LARGEST_LOG).exp()
            return distances, dense_heads.flat(self.box_head.bbox_ctrness(features), 1)

    return Fcos


def centreness_of(boxes: Tensor, cells: Tensor) -> Tensor:
    """Compute how near the centre of its box each cell lies: 1 in the centre, 0 on a side.

    The value is sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) of the distances to the four sides.

    Args:
        boxes: (n, 4) float32, x0, y0, x1, y1 in pixels.
        cells: (n, 4) float32, the same of the cells, whose centres lie inside.

    Returns:
        (n,) in [0, 1].

    Source: Tian et al. (2019), FCOS: Fully Convolutional One-Stage Object Detection, equation 3.

    Example:
        >>> import torch
        >>> centreness_of(torch.tensor([[0.0, 0, 8, 4]]), torch.tensor([[1.0, 1, 3, 3]]))  # sqrt(2 / 6)
        tensor([0.5774])
    """
    import torch

    middle = (cells[:, :2] + cells[:, 2:]) / 2
    first, last = middle - boxes[:, :2], boxes[:, 2:] - middle
    ratios = torch.minimum(first, last) / torch.maximum(first, last)
    return ratios.prod(dim=1).clamp_min(0).sqrt()


def build(maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan) -> nn.Module:
    """Return FCOS; its losses are `head_class`, `head_box` and `head_centreness`.

    Source: Tian et al. (2019), FCOS: Fully Convolutional One-Stage Object Detection, with its later changes:
        centreness beside the boxes, sampling of centres, distances in strides. Distances are exponentials, as in the
        paper, since the rectifier of its later code and of torchvision has no gradient for half of the cells at first.
    """
    from torchvision.models.detection._utils import BoxLinearCoder

    section, linear = plan.detector, BoxLinearCoder(normalize_by_size=True)
    coder = dense_losses.Coder(lambda truth, cells: linear.encode(cells, truth), linear.decode)
    rules = dense_losses.rules(plan, dense_losses.SIGMOID, coder)
    pyramid = pyramids.build(maps, channels, section)
    of_levels = pyramids.strides(strides, section.extra_levels)
    detector: nn.Module = _module()(pyramid, section.channels, plan.classes, of_levels, rules)
    return detector
