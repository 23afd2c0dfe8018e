"""Cascade R-CNN: heads follow each other, each trained on the boxes of the one before at a higher overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from counterpoise.config import PATH
from counterpoise.detection.detectors import Plan, faster_rcnn
from counterpoise.detection.settings import Detector

if TYPE_CHECKING:
    from torch import nn

STAGES: Literal[1, 2] = 2
LINK: Literal["multiclass", "multilabel"] = "multiclass"
HAS_ANCHORS = True


def conflicts(section: Detector, box_loss: str) -> Iterator[str]:
    """Refuse what is for dense heads, and heads without a weight."""
    yield from faster_rcnn.conflicts(section, box_loss)
    ious, weights = section.cascade.ious, section.cascade.weights
    if len(ious) != len(weights):
        yield (
            f"{PATH}: detector.cascade has {len(ious)} ious and {len(weights)} weights; write one of each for every "
            "stage"
        )


def build(maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan) -> nn.Module:
    """Build the detector; with one stage at an IoU of 0.5 and a weight of 1 it is `faster_rcnn`.

    Source: Cai and Vasconcelos (2018), Cascade R-CNN: Delving into High Quality Object Detection.
    """
    from counterpoise.detection import two_stage

    cascade = plan.detector.cascade
    stages = [
        two_stage.Stage(iou, weight, (10.0 * number, 10.0 * number, 5.0 * number, 5.0 * number))
        for number, (iou, weight) in enumerate(zip(cascade.ious, cascade.weights, strict=True), start=1)
    ]
    return two_stage.build(maps, channels, strides, plan, stages)
