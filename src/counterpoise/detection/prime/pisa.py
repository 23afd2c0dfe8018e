"""Prime sample attention: both of `isr` and `carl`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.config import Section
from counterpoise.detection.prime import Positives, carl, isr

if TYPE_CHECKING:
    from torch import Tensor


class Params(Section):
    """Parameters of `detector.prime: pisa`."""

    isr: isr.Params
    """For the classes, as for `isr`."""
    carl: carl.Params
    """For the boxes, as for `carl`."""


def class_weights(positives: Positives, params: Params) -> Tensor:
    """Weigh the losses of classes as `isr` does, (n,).

    Source: Cao et al. (2020), Prime Sample Attention in Object Detection, sections 4.1 and 4.2.
    """
    return isr.class_weights(positives, params.isr)


def box_weights(positives: Positives, params: Params) -> Tensor:
    """Weigh the losses of boxes as `carl` does, (n,)."""
    return carl.box_weights(positives, params.carl)
