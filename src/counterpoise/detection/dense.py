"""Dense detectors with anchors: `retinanet` and `ssd` differ in their heads, their links and their coders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from counterpoise.config import PATH
from counterpoise.detection import after_regression, anchor_grid, answers, assignment, dense_losses
from counterpoise.detection.dense_heads import flat

if TYPE_CHECKING:
    from torch import Tensor, nn

    from counterpoise.detection.dense_losses import Coder, Rules
    from counterpoise.detection.settings import Detector
    from counterpoise.detection.teaching import Found, Lesson, Truth

WARM_UP = 0.2
"""Share of the training after which `after_regression` labels predicted boxes, which are worse than anchors before."""
FAR_PX = 1e5
"""Predicted boxes end here, so that none is infinite."""


@dataclass(frozen=True)
class Layout:
    """Where the anchors of a detector are, and what they are.

    Attributes:
        shapes: Width and height in pixels of the anchors of each level, finest first.
        strides: Pixels between the cells of each level.
        columns: Logits of an anchor.
        classes: Number of classes, without background.
        after_regression: Whether classes are decided from features where the box was predicted.
    """

    shapes: Sequence[Sequence[tuple[float, float]]]
    strides: Sequence[int]
    columns: int
    classes: int
    after_regression: bool


def conflicts(section: Detector) -> Iterator[str]:
    """Yield a line for each switch that needs a second stage."""
    name = f"{PATH}: detector.name is {section.name!r}, which has no second stage"
    if section.adversary != "none":
        yield (
            f"{name}, but detector.adversary {section.adversary!r} changes the regions that a second stage sees; set "
            "detector.adversary to 'none', or detector.name to 'faster_rcnn'"
        )
    if section.proposals != "rpn":
        yield (
            f"{name}, but detector.proposals {section.proposals!r} teaches one; set detector.proposals to 'rpn', or "
            "detector.name to 'faster_rcnn'"
        )
    if section.anchors.kind == "guided":
        yield (
            f"{name}, but guided anchors take the place of proposals; set detector.anchors.kind to 'fitted', or "
            "detector.name to 'faster_rcnn'"
        )


def coder(weights: tuple[float, float, float, float]) -> Coder:
    """Return torchvision's box coder with these weights of centre and sides."""
    from torchvision.models.detection._utils import BoxCoder

    of = BoxCoder(weights)
    return dense_losses.Coder(of.encode_single, of.decode_single)


def decoded(numbers: Tensor, anchors: Tensor, coder: Coder) -> Tensor:
    """Return predicted boxes, finite and without a gradient.

    Args:
        numbers: (n, m, 4 or more) of m anchors of n pictures.
        anchors: (m, 4) float32.
        coder: Of the boxes.

    Returns:
        (n, m, 4) float32.
    """
    rows = numbers.detach().float()[..., :4].flatten(0, 1)
    boxes = coder.decode(rows, anchors.repeat(len(numbers), 1))
    return boxes.nan_to_num().clamp(-FAR_PX, FAR_PX).view(len(numbers), -1, 4)


def _logits_there(
    head: Any,  # noqa: ANN401 - a class that needs torch
    maps: Sequence[Tensor],
    boxes: Sequence[Tensor],
    anchors: Sequence[Tensor],
    layout: Layout,
) -> list[Tensor]:
    """Compute logits (n, m_i, k) of each level from features where the box of each anchor was predicted."""
    import torch

    found = []
    for level, features in enumerate(maps):
        tower, last = head.parts(level)
        cells = (*features.shape[-2:], len(layout.shapes[level]), 4)
        of_anchors = zip(last.weight.split(layout.columns), last.bias.split(layout.columns), strict=True)
        with torch.autocast(features.device.type, enabled=False):  # offsets of samples overflow in half precision
            seen = tower(features.float())
            parts = [
                after_regression.convolve(
                    seen,
                    boxes[level].view(len(features), *cells)[..., number, :],
                    anchors[level].view(cells)[..., number, :],
                    stride=layout.strides[level],
                    weight=weight,
                    bias=bias,
                )
                for number, (weight, bias) in enumerate(of_anchors)
            ]
        found.append(flat(torch.cat(parts, dim=1), layout.columns))
    return found


@cache
def _module() -> Any:  # noqa: ANN401 - a class that needs torch
    import torch
    from torch import nn

    class Dense(nn.Module):
        """Maps, heads and anchors; see `DetectorModule.build` for its two calls."""

        KEYS = ("head_class", "head_box")

        def __init__(
            self,
            pyramid: nn.Module,
            class_head: nn.Module,
            box_head: nn.Module,
            layout: Layout,
            matcher: Callable[[Tensor], Tensor],
            rules: Rules,
        ) -> None:
            super().__init__()
            self.pyramid, self.class_head, self.box_head = pyramid, class_head, box_head
            self.layout, self.matcher, self.rules = layout, matcher, rules

        def forward(
            self, images: Tensor, truth: Sequence[Truth] | None = None, lesson: Lesson | None = None
        ) -> dict[str, Tensor] | list[Found]:
            maps = self.pyramid(images)
            anchors = anchor_grid.on_maps(self.layout.shapes, self.layout.strides, maps)
            coded = self.box_head(maps)
            numbers = [flat(of, of.shape[1] // len(own)) for of, own in zip(coded, self.layout.shapes, strict=True)]
            if self.layout.after_regression:
                boxes = [decoded(of, own, self.rules.coder) for of, own in zip(numbers, anchors, strict=True)]
                logits = _logits_there(self.class_head, maps, boxes, anchors, self.layout)
            else:
                boxes, logits = [], [flat(of, self.layout.columns) for of in self.class_head(maps)]
            if truth is None or lesson is None:
                scores = [self.rules.link.probs(of.float()) for of in logits]
                size = (images.shape[-2], images.shape[-1])
                return answers.found(scores, numbers, anchors, size, self.rules.coder.decode)
            assignment.check(truth, self.layout.classes)
            places = torch.cat(anchors)
            of_anchors = [assignment.by_overlap(places, of, self.matcher) for of in truth]
            for_class = of_anchors
            if boxes and lesson.progress >= WARM_UP:
                pairs = zip(torch.cat(boxes, dim=1), truth, strict=True)
                for_class = [assignment.by_overlap(own, of, self.matcher) for own, of in pairs]
            return dense_losses.learn(
                torch.cat(logits, dim=1),
                torch.cat(numbers, dim=1),
                places,
                truth,
                for_class,
                of_anchors,
                lesson,
                self.rules,
            )

    return Dense


def build(
    pyramid: nn.Module,
    class_head: nn.Module,
    box_head: nn.Module,
    layout: Layout,
    matcher: Callable[[Tensor], Tensor],
    rules: Rules,
) -> nn.Module:
    """Join the parts of a dense detector with anchors.

    Args:
        pyramid: From images to maps.
        class_head: From maps to logits, as `dense_heads.build` gives it.
        box_head: The same for the boxes.
        layout: Of the anchors.
        matcher: As `assignment.by_overlap` takes it.
        rules: How it learns.
    """
    detector: nn.Module = _module()(pyramid, class_head, box_head, layout, matcher, rules)
    return detector
