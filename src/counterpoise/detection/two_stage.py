"""Two-stage detectors: proposals of a first stage are classified and refined by one or more heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from counterpoise.config import validate
from counterpoise.detection import (
    adversaries,
    assignment,
    box_coding,
    box_losses,
    prime,
    proposals,
    pyramid,
    region_proposals,
    samplers,
)
from counterpoise.detection.assignment import Assigned
from counterpoise.detection.detectors import Plan
from counterpoise.detection.prime import Positives
from counterpoise.detection.samplers import Candidates
from counterpoise.detection.teaching import Found, Lesson, Truth

if TYPE_CHECKING:
    from torch import Tensor, nn

CODER: box_coding.Weights = (10.0, 10.0, 5.0, 5.0)
"""Weights of the offsets of the first head; a later head has finer ones."""
POOLED = 7
"""Cells of a side of a pooled region."""
CANONICAL_PX = 112
"""Side of a region that is pooled from the third level; torchvision's 224 sends all below 112 px to the finest one."""
LEAST_SCORE, OVERLAP, MOST = 0.01, 0.5, 300
"""Lowest score of a box that is found, the IoU at which the better box of a class removes another, and how many boxes a
picture has at most."""


@dataclass(frozen=True)
class Stage:
    """One head of the second stage.

    Attributes:
        iou: Overlap from which a region is an object, in (0, 1).
        weight: Factor of its losses.
        coder: Weights of its offsets.
    """

    iou: float
    weight: float
    coder: box_coding.Weights


@dataclass(frozen=True)
class _Regions:
    """The regions of a batch that teach one head.

    Attributes:
        boxes: For each picture (k, 4).
        labels: (n,) of all pictures: 0 background, 1.. the class.
        targets: (n, 4) true boxes; of background anything.
        objects: (n,) number of the true box, unique in the batch.
    """

    boxes: list[Tensor]
    labels: Tensor
    targets: Tensor
    objects: Tensor


@cache
def _modules() -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn import functional
    from torchvision.ops import MultiScaleRoIAlign, batched_nms

    class Head(nn.Module):
        """Pooled regions (n, c, 7, 7) to logits (n, 1 + classes), background first, and offsets (n, outputs)."""

        def __init__(self, channels: int, hidden: int, classes: int, outputs: int) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(channels * POOLED**2, hidden), nn.Linear(hidden, hidden)
            self.score, self.offsets = nn.Linear(hidden, 1 + classes), nn.Linear(hidden, outputs)
            nn.init.normal_(self.score.weight, std=0.01)
            nn.init.normal_(self.offsets.weight, std=0.001)
            nn.init.zeros_(self.score.bias)
            nn.init.zeros_(self.offsets.bias)

        def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
            hidden = functional.relu(self.second(functional.relu(self.first(pooled.flatten(1)))))
            return self.score(hidden).float(), self.offsets(hidden).float()

    class TwoStage(nn.Module):
        """Pictures to losses or to boxes; see `detectors.DetectorModule.build`."""

        def __init__(
            self, maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan, stages: Sequence[Stage]
        ) -> None:
            super().__init__()
            section = plan.detector
            self.plan, self.stages, self.pooled_levels = plan, tuple(stages), len(channels)
            self.pyramid, all_strides = pyramid.build(maps, channels, strides, section)
            guided = section.anchors.guided if section.anchors.kind == "guided" else None
            self.first_stage = region_proposals.build(
                section.channels, all_strides, plan.anchors, section.proposal_count, guided
            )
            names = [str(number) for number in range(self.pooled_levels)]
            self.pool = MultiScaleRoIAlign(names, POOLED, 2, canonical_scale=CANONICAL_PX)
            outputs = box_losses.find(plan.box_loss).OUTPUTS
            self.heads = nn.ModuleList(
                Head(section.channels, section.hidden, plan.classes, outputs) for _ in self.stages
            )
            of_guide = ("guided_class", "guided_box") if guided else ()
            of_heads = [f"{_name(number)}_{kind}" for number in range(len(self.stages)) for kind in ("class", "box")]
            self.KEYS = (*of_guide, "rpn_class", "rpn_box", *of_heads)
            self.prime, self.prime_params = _option(prime, "prime", section)
            self.proposals, self.proposals_params = _option(proposals, "proposals", section)
            self.adversary, self.adversary_params = _option(adversaries, "adversary", section)

        def forward(
            self, images: Tensor, truth: Sequence[Truth] | None = None, lesson: Lesson | None = None
        ) -> dict[str, Tensor] | list[Found]:
            if truth is not None:
                for own in truth:
                    assignment.check(own, self.plan.classes)
            size = (int(images.shape[-2]), int(images.shape[-1]))
            levels = self.pyramid(images)
            losses: dict[str, Tensor]
            found, losses = self.first_stage(levels, size, truth, lesson)
            if truth is None or lesson is None:
                return self._found(levels, found, size)
            for number, stage in enumerate(self.stages):
                weight = stage.weight
                class_loss, box_loss, found = self._taught(levels, found, size, truth, lesson, number)
                losses[f"{_name(number)}_class"] = weight * class_loss
                losses[f"{_name(number)}_box"] = weight * self.plan.detector.box_weight * box_loss
            return losses

        def _pooled(self, levels: list[Tensor], boxes: list[Tensor], size: tuple[int, int]) -> Tensor:
            maps = {str(number): levels[number] for number in range(self.pooled_levels)}
            same = [own.to(levels[0].dtype) for own in boxes]
            pooled: Tensor = self.pool(maps, same, [size] * len(boxes))
            return pooled

        def _taught(
            self,
            levels: list[Tensor],
            found: list[Tensor],
            size: tuple[int, int],
            truth: Sequence[Truth],
            lesson: Lesson,
            number: int,
        ) -> tuple[Tensor, Tensor, list[Tensor]]:
            """Return both losses of a head, and its boxes, which the next head refines."""
            head, stage = self.heads[number], self.stages[number]
            regions = self._sample(levels, found, size, truth, lesson, number)
            pooled = self._pooled(levels, regions.boxes, size)
            positive = (regions.labels > 0).nonzero()[:, 0]
            pooled = self._attacked(pooled, positive, regions.labels, head, lesson)
            logits, offsets = head(pooled)
            values = lesson.class_loss(logits, regions.labels)
            boxes = torch.cat(regions.boxes)
            decoded = box_coding.decode(offsets.detach(), boxes, stage.coder)
            weights = torch.ones_like(values)
            box_values = box_coding.losses(
                offsets[positive],
                boxes[positive],
                regions.targets[positive],
                name=self.plan.box_loss,
                params=self.plan.box_params,
                weights=stage.coder,
            )
            if len(positive):
                own = self._positives(logits, values, decoded, regions, positive)
                weights = weights.index_put((positive,), self.prime.class_weights(own, self.prime_params).to(values))
                box_values = box_values * self.prime.box_weights(own, self.prime_params)
            extra_values = self._extra(levels, size, truth, lesson, number)
            rows = max(len(values) + len(extra_values), 1)
            class_loss = (values * weights).sum() / max(len(values), 1)
            box_loss = (box_values.sum() + extra_values.sum()) / rows + offsets.sum() * 0
            clipped = [
                box_coding.inside(part, *size) for part in torch.split(decoded, [len(own) for own in regions.boxes])
            ]
            return class_loss, box_loss, [part[there] for part, there in clipped]

        def _sample(
            self,
            levels: list[Tensor],
            found: list[Tensor],
            size: tuple[int, int],
            truth: Sequence[Truth],
            lesson: Lesson,
            number: int,
        ) -> _Regions:
            """Choose the regions that teach a head: proposals, and the true boxes themselves."""
            section, iou = self.plan.detector, self.stages[number].iou
            sampler = samplers.find(section.sampler)
            boxes = [torch.cat([own, true.boxes]) for own, true in zip(found, truth, strict=True)]
            assigned = [
                assignment.assign(own, true, positive=iou, negative=iou, low_quality=False)
                for own, true in zip(boxes, truth, strict=True)
            ]
            losses: list[Tensor | None] = [None] * len(boxes)
            if sampler.NEEDS_LOSSES:
                losses = list(self._losses_of_all(levels, boxes, assigned, size, lesson, number))
            kept, labels, targets, objects, before = [], [], [], [], 0
            for own, true, of_own, value in zip(boxes, truth, assigned, losses, strict=True):
                sample = sampler.choose(
                    Candidates(of_own.labels, of_own.ious, own, value),
                    count=section.samples,
                    positive_frac=section.positive_frac,
                    generator=lesson.generator,
                )
                rows = torch.cat([sample.positives, sample.negatives])
                kept.append(own[rows])
                labels.append(of_own.labels[rows])
                object_of = of_own.objects[rows]
                targets.append(true.boxes[object_of] if len(true.boxes) else own[rows])
                objects.append(object_of + before)
                before += max(len(true.boxes), 1)
            return _Regions(kept, torch.cat(labels), torch.cat(targets), torch.cat(objects))

        def _losses_of_all(
            self,
            levels: list[Tensor],
            boxes: list[Tensor],
            assigned: list[Assigned],
            size: tuple[int, int],
            lesson: Lesson,
            number: int,
        ) -> Sequence[Tensor]:
            """Return the classification loss of every region of each picture, without gradients."""
            with torch.no_grad():
                logits, _ = self.heads[number](self._pooled(levels, boxes, size))
                labels = torch.cat([own.labels for own in assigned])
                values = lesson.class_loss(logits, labels.clamp_min(0))
            return torch.split(values, [len(own) for own in boxes])

        def _attacked(
            self, pooled: Tensor, positive: Tensor, labels: Tensor, head: nn.Module, lesson: Lesson
        ) -> Tensor:
            """Make the regions with objects harder, if `detector.adversary` asks for it."""
            if self.plan.detector.adversary == "none" or not len(positive):
                return pooled
            own = labels[positive]
            harder = self.adversary.attack(
                pooled[positive],
                lambda features: lesson.class_loss(head(features)[0], own),
                self.adversary_params,
                lesson.generator,
            )
            return pooled.index_put((positive,), harder)

        def _positives(
            self, logits: Tensor, values: Tensor, decoded: Tensor, regions: _Regions, positive: Tensor
        ) -> Positives:
            labels = regions.labels[positive]
            probs = logits[positive].softmax(dim=1).gather(1, labels[:, None])[:, 0]
            ious = _ious(decoded[positive], regions.targets[positive])
            return Positives(labels, regions.objects[positive], ious, probs, values[positive])

        def _extra(
            self,
            levels: list[Tensor],
            size: tuple[int, int],
            truth: Sequence[Truth],
            lesson: Lesson,
            number: int,
        ) -> Tensor:
            """Return the box losses of boxes that teach the regression alone, (m,)."""
            extra = [self.proposals.extra(own.boxes, self.proposals_params, lesson.generator) for own in truth]
            boxes = [levels[0].new_zeros(0, 4) if own is None else own.boxes for own in extra]
            if not sum(map(len, boxes)):
                return levels[0].new_zeros(0, dtype=torch.float32)
            targets = torch.cat(
                [true.boxes[own.objects] for own, true in zip(extra, truth, strict=True) if own is not None]
            )
            _, offsets = self.heads[number](self._pooled(levels, boxes, size))
            return box_coding.losses(
                offsets,
                torch.cat(boxes),
                targets,
                name=self.plan.box_loss,
                params=self.plan.box_params,
                weights=self.stages[number].coder,
            )

        def _found(self, levels: list[Tensor], found: list[Tensor], size: tuple[int, int]) -> list[Found]:
            """Classify and refine proposals; scores are the mean over the heads."""
            scores: Tensor | None = None
            for head, stage in zip(self.heads, self.stages, strict=True):
                logits, offsets = head(self._pooled(levels, found, size))
                probs = logits.softmax(dim=1)[:, 1:]
                scores = probs if scores is None else scores + probs
                sizes = [len(own) for own in found]
                decoded = box_coding.decode(offsets, torch.cat(found), stage.coder)
                found = [box_coding.inside(own, *size)[0] for own in torch.split(decoded, sizes)]
            assert scores is not None
            each = torch.split(scores / len(self.stages), [len(own) for own in found])
            return [_best(own, probs) for own, probs in zip(found, each, strict=True)]

    def _best(boxes: Tensor, probs: Tensor) -> Found:
        """Keep the best boxes of each class."""
        rows, labels = (probs > LEAST_SCORE).nonzero(as_tuple=True)
        there = (boxes[rows, 2:] > boxes[rows, :2]).all(dim=1)
        rows, labels = rows[there], labels[there]
        scores = probs[rows, labels]
        kept = batched_nms(boxes[rows], scores, labels, OVERLAP)[:MOST]
        return Found(boxes[rows][kept], scores[kept], labels[kept])

    def _ious(first: Tensor, second: Tensor) -> Tensor:
        """Compute the IoU of boxes of equal rows."""
        low, high = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
        shared = (high - low).clamp_min(0).prod(dim=1)
        areas = [(boxes[:, 2:] - boxes[:, :2]).clamp_min(0).prod(dim=1) for boxes in (first, second)]
        return shared / (areas[0] + areas[1] - shared).clamp_min(1e-6)

    return TwoStage, Head


def _name(number: int) -> str:
    """Name the losses of a head: `roi`, `roi2`, `roi3`."""
    return f"roi{number + 1}" if number else "roi"


def _option(members: Any, switch: str, section: Any) -> tuple[Any, Any]:  # noqa: ANN401 - of any open set
    """Find the value of a switch, and its parameters."""
    name = getattr(section, switch)
    member, blocks = members.find(name), getattr(section.options, switch)
    return member, validate(member.Params, blocks.get(name, {}), f"detector.options.{switch}.{name}")


def build(
    maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan, stages: Sequence[Stage]
) -> nn.Module:
    """Build a detector with one or more heads; other arguments as for `detectors.DetectorModule.build`.

    A box has offsets of its own, not of its class, so that heads can follow each other.
    """
    built: nn.Module = _modules()[0](maps, channels, strides, plan, stages)
    return built
