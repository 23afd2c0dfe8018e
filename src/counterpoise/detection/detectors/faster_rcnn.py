"""Faster R-CNN: regions that a first stage proposes are classified and refined by a second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from counterpoise.config import PATH
from counterpoise.detection.detectors import Plan
from counterpoise.detection.settings import Detector

if TYPE_CHECKING:
    from torch import nn

STAGES: Literal[1, 2] = 2
LINK: Literal["multiclass", "multilabel"] = "multiclass"
HAS_ANCHORS = True
IOU = 0.5
"""Overlap from which a region is an object."""


def conflicts(section: Detector, box_loss: str) -> Iterator[str]:
    """Refuse what is for dense heads."""
    if section.after_regression:
        yield (
            f"{PATH}: detector.after_regression is true, but the second stage of {section.name!r} classifies refined "
            "boxes anyway; set it to false"
        )


def build(maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan) -> nn.Module:
    """Build the detector.

    Source: Ren et al. (2015), Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks; offsets
        are those of an object, not of each class, as in Cascade R-CNN.
    """
    from counterpoise.detection import two_stage

    return two_stage.build(maps, channels, strides, plan, [two_stage.Stage(IOU, 1.0, two_stage.CODER)])
