"""A detector of two stages: proposals, then one stage or several that refine them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from counterpoise.config import PATH
from counterpoise.detection import assignment, box_losses, necks, region_proposals, regions
from counterpoise.detection.detectors import Plan
from counterpoise.detection.settings import Detector
from counterpoise.detection.teaching import Found, Lesson, Truth

if TYPE_CHECKING:
    from torch import Tensor, nn

CANONICAL_PX = 112
"""Side of a region that is pooled from the map of stride 16; half of what the paper has, since objects are smaller."""
LEAST_SCORE = 0.01
"""Probability from which a class is found in a region."""
OVERLAP = 0.5
"""IoU above which non-maximum suppression drops, within a class, the box with the lower score."""
MOST_FOUND = 300
"""Objects of a picture, at most."""


@dataclass(frozen=True)
class Joined:
    """Parts of a detector behind its backbone."""

    neck: nn.Module
    first: nn.Module
    stages: list[nn.Module]


@cache
def _module() -> type[nn.Module]:
    from torch import nn
    from torch.nn import functional
    from torchvision.ops import MultiScaleRoIAlign

    class TwoStage(nn.Module):
        """Images (n, 3, h, w) to losses, with truth and lesson, or to what is found in each."""

        def __init__(self, maps: nn.Module, joined: Joined, rules: Sequence[regions.Rule], plan: Plan) -> None:
            super().__init__()
            self.maps, self.neck, self.first = maps, joined.neck, joined.first
            self.stages, self.rules = nn.ModuleList(joined.stages), tuple(rules)
            self.plan = plan  # names of the switches, not their modules: a copy of the detector has no copy of those
            of_stages = (f"{_name(number)}_{kind}" for number in range(len(rules)) for kind in ("class", "box"))
            self.KEYS = (*region_proposals.keys(guided=plan.detector.anchors.kind == "guided"), *of_stages)
            self.pool = MultiScaleRoIAlign(
                [str(level) for level in range(len(plan.detector.levels))],
                *(regions.CELLS, 2),
                canonical_scale=CANONICAL_PX,
            )

        def forward(
            self, images: Tensor, truth: Sequence[Truth] | None = None, lesson: Lesson | None = None
        ) -> dict[str, Tensor] | list[Found]:
            size = (images.shape[2], images.shape[3])
            maps: dict[str, Tensor] = self.neck(self.maps(images))
            levels = list(maps.values())
            for _ in range(self.plan.detector.extra_levels):
                levels.append(functional.max_pool2d(levels[-1], 1, 2))
            single = {name: level.float() for name, level in maps.items()}

            def pool(boxes: list[Tensor]) -> Tensor:
                pooled: Tensor = self.pool(single, boxes, [size] * len(images))
                return pooled

            if truth is None:
                return _find(list(self.stages), self.rules, pool, self.first(levels, size).boxes, size)
            assert lesson is not None, "what is to be learned comes with a lesson"
            assignment.check(truth, self.plan.classes)
            use = regions.switches(self.plan)
            found: region_proposals.Proposed = self.first(levels, size, truth, lesson.generator)
            losses, boxes = found.losses, found.boxes
            for number, (stage, rule) in enumerate(zip(self.stages, self.rules, strict=True)):
                taught = regions.teach(stage, pool, boxes, truth, size, lesson, rule, use)
                name = _name(number)
                losses[f"{name}_class"], losses[f"{name}_box"] = taught.class_loss, taught.box_loss
                boxes = taught.refined
            return losses

    return TwoStage


def _name(number: int) -> str:
    """Name the losses of a stage: `roi`, `roi2`, ..."""
    return f"roi{number + 1}" if number else "roi"


def build(
    maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan, rules: Sequence[regions.Rule]
) -> nn.Module:
    """Return a detector whose second stage refines proposals once for each rule.

    Args:
        maps: The backbone, as `backbone.build` gives it.
        channels: Channels of its maps, finest first.
        strides: Their strides in pixels.
        plan: All else.
        rules: Of each stage.

    Returns:
        As `detectors.DetectorModule.build` says. Losses and boxes are computed in float32 whatever the precision.

    Raises:
        ValueError: Strides do not double from map to map, anchors do not fit the levels, or parameters are wrong.
    """
    section = plan.detector
    regions.switches(plan)  # faults in their parameters show here
    if any(coarse != 2 * fine for fine, coarse in pairwise(strides)):
        raise ValueError(f"maps have strides of {list(strides)} pixels; expected each to be twice the one before")
    of_levels = [*strides, *(strides[-1] * 2 ** (number + 1) for number in range(section.extra_levels))]
    guided = section.anchors.guided if section.anchors.kind == "guided" else None
    outputs = box_losses.find(plan.box_loss).OUTPUTS
    joined = Joined(
        neck=necks.find(section.neck).build(channels, section.channels),
        first=region_proposals.build(section.channels, of_levels, plan.anchors, section.proposal_count, guided),
        stages=[regions.build(section.channels, section.hidden, plan.classes, outputs) for _ in rules],
    )
    return _module()(maps, joined, rules, plan)


def conflicts(section: Detector) -> Iterator[str]:
    """Yield what does not work with a detector of two stages."""
    if section.after_regression:
        yield (
            f"{PATH}: detector.after_regression is true, and detector.name is {section.name!r}, whose second stage "
            "decides the class after the box anyway; set detector.after_regression to false"
        )
    levels = section.levels
    if any(after != before + 1 for before, after in pairwise(levels)):
        yield (
            f"{PATH}: detector.levels is {levels}, and detector.name is {section.name!r}: regions are pooled from maps "
            f"whose strides double; set detector.levels to {list(range(levels[0], levels[0] + len(levels)))}"
        )


def _find(
    stages: Sequence[nn.Module],
    rules: Sequence[regions.Rule],
    pool: regions.Pool,
    boxes: list[Tensor],
    size: tuple[int, int],
) -> list[Found]:
    """Refine proposals stage by stage, and find the classes of what the last one looks at."""
    import torch

    for stage, rule in zip(stages[:-1], rules[:-1], strict=True):
        codes = torch.split(stage(pool(boxes)).codes, [len(own) for own in boxes])
        moved = [regions.inside(regions.decode(*pair, rule), size) for pair in zip(codes, boxes, strict=True)]
        boxes = [own[regions.usable(own)] for own in moved]
    probs, codes_of_all = regions.mean_probs(stages, pool(boxes))
    counts = [len(own) for own in boxes]
    parts = zip(torch.split(probs, counts), torch.split(codes_of_all, counts), boxes, strict=True)
    return [
        _of_image(own_probs[:, 1:], regions.inside(regions.decode(own_codes, own, rules[-1]), size))
        for own_probs, own_codes, own in parts
    ]


def _of_image(probs: Tensor, boxes: Tensor) -> Found:
    """Keep, of each class, the likeliest of boxes that overlap.

    Args:
        probs: (n, c) without background.
        boxes: (n, 4), clipped.
    """
    from torchvision.ops import batched_nms

    likely = (probs > LEAST_SCORE) & regions.usable(boxes)[:, None]
    rows, labels = likely.nonzero(as_tuple=True)
    scores = probs[rows, labels]
    kept = batched_nms(boxes[rows], scores, labels, OVERLAP)[:MOST_FOUND]
    return Found(boxes[rows[kept]], scores[kept], labels[kept])
