"""RetinaNet: anchors at every cell of every level, heads that all levels share, a sigmoid for each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from counterpoise.config import PATH, InputError
from counterpoise.detection import box_losses, dense, dense_heads, dense_losses
from counterpoise.detection import pyramid as pyramids

if TYPE_CHECKING:
    from torch import nn

    from counterpoise.detection.detectors import Plan
    from counterpoise.detection.settings import Detector

STAGES: Literal[1, 2] = 1
LINK: Literal["multiclass", "multilabel"] = "multilabel"
HAS_ANCHORS = True
OBJECT_IOU, BACKGROUND_IOU = 0.5, 0.4
"""From the first an anchor is an object, below the second background; between them it teaches nothing."""
DEPTH = 4
"""Convolutions of each head before its last."""


def conflicts(section: Detector, box_loss: str) -> Iterator[str]:
    """Refuse what needs a second stage."""
    yield from dense.conflicts(section)


def build(maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan) -> nn.Module:
    """Return RetinaNet; its losses are `head_class` and `head_box`.

    The best anchor of each box is an object whatever its IoU.

    Source: Lin et al. (2017), Focal Loss for Dense Object Detection, section 4. Losses are divided by the positives of
        the batch, where torchvision divides by those of each picture. Any loss of the classes and of the boxes can be
        used; the original has focal loss, smooth L1 and nine anchors.

    Raises:
        InputError: Levels have different numbers of anchors, which shared heads cannot have.
    """
    from torchvision.models.detection._utils import Matcher

    section = plan.detector
    own = [len(of_level) for of_level in plan.anchors]
    if len(set(own)) > 1:
        raise InputError(
            f"{PATH}: detector.name is 'retinanet', whose levels share their heads, but they have {own} anchors, since "
            "the boxes of train have too few distinct sides; set detector.anchors.kind to 'stated', or "
            f"detector.anchors.count to a number below {section.anchors.count}"
        )
    outputs = box_losses.find(plan.box_loss).OUTPUTS
    pyramid = pyramids.build(maps, channels, section)
    class_head, box_head = (
        dense_heads.build(section.channels, [count * numbers for count in own], depth=DEPTH, shared=True)
        for numbers in (plan.classes, outputs)
    )
    dense_heads.start_at(class_head, [dense_heads.PRIOR / (1 - dense_heads.PRIOR)] * plan.classes)
    return dense.build(
        pyramid,
        class_head,
        box_head,
        dense.Layout(
            shapes=plan.anchors,
            strides=pyramids.strides(strides, section.extra_levels),
            columns=plan.classes,
            classes=plan.classes,
            after_regression=section.after_regression,
        ),
        Matcher(OBJECT_IOU, BACKGROUND_IOU, allow_low_quality_matches=True),
        dense_losses.rules(plan, dense_losses.SIGMOID, dense.coder((1.0, 1.0, 1.0, 1.0))),
    )
