"""Build a detector from parameters, or rebuild a trained one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from counterpoise import seeds
from counterpoise.config import PATH, InputError, validate
from counterpoise.detection import anchors, backbone, box_losses, detectors
from counterpoise.detection.detectors import Plan
from counterpoise.detection.settings import Detector

if TYPE_CHECKING:
    from torch import Tensor, nn

    from counterpoise.artifacts.model import DetectorCard

FROZEN = {"none": 0, "first_n": None}
"""Values of `model.freeze` that suit detectors."""


def shapes(section: Detector, sides: NDArray[np.float64], seed: int) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Choose the anchors of each level, finest first.

    Args:
        section: Section `detector`.
        sides: (n, 2) width and height of the boxes of train in pixels of the network's input.
        seed: Decides where k-means begins.

    Raises:
        InputError: `detector.anchors.sizes_px` has another number of levels, or train has too few boxes to fit.
    """
    if not detectors.find(section.name).HAS_ANCHORS or section.anchors.kind == "guided":
        return ()
    count = len(section.levels) + section.extra_levels
    if section.anchors.kind == "stated":
        sizes = section.anchors.sizes_px
        if len(sizes) != count:
            raise InputError(
                f"{PATH}: detector.anchors.sizes_px has {len(sizes)} sizes, but there are {count} levels "
                f"(detector.levels and detector.extra_levels); write one size for each"
            )
        return tuple(
            tuple((size / ratio**0.5, size * ratio**0.5) for ratio in section.anchors.ratios) for size in sizes
        )
    wanted = count * section.anchors.count
    found = anchors.fit(sides, wanted, seeds.generator(seed, "anchors"))
    if len(found) < count:
        raise InputError(
            f"{PATH}: detector.anchors.kind is 'fitted', but the boxes of train have only {len(found)} distinct sizes "
            f"for {count} levels; set it to 'stated'"
        )
    return tuple(tuple((float(w), float(h)) for w, h in part) for part in np.array_split(found, count))


def build(plan: Plan, weights: str, seed: int, freeze_first: int = 0) -> nn.Module:
    """Build a detector whose new layers have random weights.

    Args:
        plan: All that it is made of.
        weights: Of the backbone, as in `networks.backbones.build_backbone`.
        seed: Of the random weights.
        freeze_first: Blocks of the backbone that are not trained.

    Raises:
        InputError: The backbone has no such maps, or the input is no multiple of its coarsest stride.
    """
    import torch

    section = plan.detector
    maps = backbone.build(
        plan.backbone, weights, seed, section.levels, freeze_first=freeze_first, freeze_norms=section.freeze_norms
    )
    channels, strides = backbone.outline(maps, plan.backbone, section.levels)
    with torch.random.fork_rng([]):
        torch.manual_seed(seeds.derive(seed, "detector") % 2**63)
        return detectors.find(section.name).build(maps, channels, strides, plan)


def coarsest_px(name: str, section: Detector) -> int:
    """Return the stride of the coarsest level: heights and widths of inputs are multiples of it.

    Args:
        name: timm name of the backbone.
        section: Section `detector`.
    """
    maps = backbone.build(name, "none", 0, section.levels, freeze_first=0, freeze_norms=True)
    return int(backbone.outline(maps, name, section.levels)[1][-1] * 2**section.extra_levels)


def plan_of(
    backbone_name: str,
    classes: int,
    input_px: int,
    section: Detector,
    box_loss: str,
    box_params: Mapping[str, Any],
    anchors_of: tuple[tuple[tuple[float, float], ...], ...],
) -> Plan:
    """Check the parameters of the box loss, and gather all that rebuilds a detector."""
    validate(box_losses.find(box_loss).Params, box_params, f"box_losses.{box_loss}")
    return Plan(backbone_name, classes, input_px, section, box_loss, dict(box_params), anchors_of)


def rebuild(card: DetectorCard, weights: Mapping[str, Tensor]) -> nn.Module:
    """Rebuild a trained detector."""
    plan = of_card(card)
    detector = build(plan, "none", 0)
    detector.load_state_dict(dict(weights))
    return detector


def of_card(card: DetectorCard) -> Plan:
    """Read the plan of a trained detector."""
    section = validate(Detector, card.detector, "detector")
    return plan_of(
        card.backbone, len(card.classes), card.input_px, section, card.box_loss, card.box_params, card.anchors
    )
