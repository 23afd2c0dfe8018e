"""Cascade R-CNN: stages refine the boxes of the ones before, and ask more of them each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from counterpoise.config import PATH
from counterpoise.detection import regions, two_stage
from counterpoise.detection.detectors import Plan
from counterpoise.detection.settings import Detector

if TYPE_CHECKING:
    from torch import nn

STAGES: Literal[1, 2] = 2
LINK: Literal["multiclass", "multilabel"] = "multiclass"
HAS_ANCHORS = True


def conflicts(section: Detector, box_loss: str) -> Iterator[str]:
    """Yield a line for each parameter that does not work with it."""
    yield from two_stage.conflicts(section)
    ious, weights = section.cascade.ious, section.cascade.weights
    if len(ious) != len(weights):
        yield (
            f"{PATH}: detector.cascade.ious has {len(ious)} stages and detector.cascade.weights {len(weights)}; "
            "give each stage one number in both"
        )
    if any(after < before for before, after in pairwise(ious)):
        yield (
            f"{PATH}: detector.cascade.ious is {ious}, and a later stage asks less of boxes that are better; "
            f"set detector.cascade.ious to {sorted(ious)}"
        )


def build(maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan) -> nn.Module:
    """Return the detector.

    Its losses are those of `faster_rcnn`, and `roi2_class`, `roi2_box`, ... of the further stages. The weights of the
    box coder grow with the stage, since offsets get smaller. One stage with an IoU of 0.5 and a weight of 1 is
    `faster_rcnn`.

    Source: Cai and Vasconcelos (2018), Cascade R-CNN, section 4: IoUs of 0.5, 0.6 and 0.7; weights of 1, 0.5 and 0.25
        and those of the coder as in mmdetection. At the end the classifiers of all stages are averaged on the regions
        of the last. A stage refines the regions that taught it; true boxes are added again for the next one.
    """
    cascade = plan.detector.cascade
    x, y, width, height = regions.CODER_WEIGHTS
    rules = [
        regions.Rule(iou, weight, (x * stage, y * stage, width * stage, height * stage))
        for stage, (iou, weight) in enumerate(zip(cascade.ious, cascade.weights, strict=True), start=1)
    ]
    return two_stage.build(maps, channels, strides, plan, rules)
