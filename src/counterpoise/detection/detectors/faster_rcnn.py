"""Faster R-CNN: a network proposes regions, a second stage decides their class and box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from counterpoise.detection import regions, two_stage
from counterpoise.detection.detectors import Plan
from counterpoise.detection.settings import Detector

if TYPE_CHECKING:
    from torch import nn

STAGES: Literal[1, 2] = 2
LINK: Literal["multiclass", "multilabel"] = "multiclass"
HAS_ANCHORS = True
IOU = 0.5
"""From which a proposal is an object."""


def conflicts(section: Detector, box_loss: str) -> Iterator[str]:
    """Yield a line for each parameter that does not work with it."""
    yield from two_stage.conflicts(section)


def build(maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan) -> nn.Module:
    """Return the detector.

    Its losses are `rpn_class` and `rpn_box` of the first stage, `roi_class` and `roi_box` of the second, and
    `guided_class` and `guided_box` of guided anchors.

    Source: Ren et al. (2015), Faster R-CNN, with the pyramid of Lin et al. (2017), Feature Pyramid Networks for Object
        Detection, section 4. There each class has a box of its own; here all classes share one.
    """
    return two_stage.build(maps, channels, strides, plan, [regions.Rule(IOU, 1.0, regions.CODER_WEIGHTS)])
