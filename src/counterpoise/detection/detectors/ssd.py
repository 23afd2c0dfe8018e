"""SSD: anchors at every cell of every level, a head of each level, a softmax over background and classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from counterpoise.detection import box_losses, dense, dense_heads, dense_losses
from counterpoise.detection import pyramid as pyramids

if TYPE_CHECKING:
    from torch import nn

    from counterpoise.detection.detectors import Plan
    from counterpoise.detection.settings import Detector

STAGES: Literal[1, 2] = 1
LINK: Literal["multiclass", "multilabel"] = "multiclass"
HAS_ANCHORS = True
OBJECT_IOU = 0.5
"""From it an anchor is an object, below it background."""


def conflicts(section: Detector, box_loss: str) -> Iterator[str]:
    """Refuse what needs a second stage."""
    yield from dense.conflicts(section)


def build(maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan) -> nn.Module:
    """Return SSD; its losses are `head_class` and `head_box`.

    Each head is one convolution. The anchor that fits a box best is its object whatever its IoU.

    Source: Liu et al. (2016), SSD: Single Shot MultiBox Detector, section 2, with `neck: none` and
        `sampler: hard_negative`. Background teaches in batches without objects, too, where it teaches nothing there.
        Logits start at the share of background among what teaches: 3 of 4 where a sampler chooses, otherwise 99 of 100.
    """
    from torchvision.models.detection._utils import SSDMatcher

    section = plan.detector
    columns = 1 + plan.classes
    rules = dense_losses.rules(plan, dense_losses.SOFTMAX, dense.coder((10.0, 10.0, 5.0, 5.0)))
    class_head, box_head = (
        dense_heads.build(
            section.channels, [len(of_level) * numbers for of_level in plan.anchors], depth=0, shared=False
        )
        for numbers in (columns, box_losses.find(plan.box_loss).OUTPUTS)
    )
    share = dense_heads.PRIOR if rules.takes_all else dense_losses.SHARE
    dense_heads.start_at(class_head, [1.0] + [share / (1 - share) / plan.classes] * plan.classes)
    return dense.build(
        pyramids.build(maps, channels, section),
        class_head,
        box_head,
        dense.Layout(
            shapes=plan.anchors,
            strides=pyramids.strides(strides, section.extra_levels),
            columns=columns,
            classes=plan.classes,
            after_regression=section.after_regression,
        ),
        SSDMatcher(OBJECT_IOU),
        rules,
    )
