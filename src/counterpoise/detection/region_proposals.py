"""The first stage of a two-stage detector: where objects may be, of whatever class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from counterpoise.detection import anchor_grid, assignment, box_coding, guided_anchors
from counterpoise.detection.samplers import Candidates, random
from counterpoise.detection.teaching import Lesson, Truth

if TYPE_CHECKING:
    from torch import Tensor, nn

POSITIVE, NEGATIVE = 0.7, 0.3
"""IoU from which an anchor is an object, and below which it is background."""
SAMPLES, POSITIVE_FRAC = 256, 0.5
"""Anchors of an image that teach, and the largest share of objects among them."""
BEFORE, OVERLAP = 1000, 0.7
"""Anchors of each level that enter non-maximum suppression, and the IoU at which it removes one."""
CODER: box_coding.Weights = (1.0, 1.0, 1.0, 1.0)
BOX_LOSS, BOX_PARAMS = "smooth_l1", {"beta": 1 / 9}
GUIDED_WEIGHTS = {"guided_class": 1.0, "guided_box": 0.1}


@cache
def _module() -> Any:  # noqa: ANN401 - a class that needs torch
    import torch
    from torch import nn
    from torch.nn import functional
    from torchvision.ops import batched_nms

    class RegionProposals(nn.Module):
        """Maps of all levels to proposals of each picture, and the losses of this stage."""

        def __init__(
            self,
            channels: int,
            strides: Sequence[int],
            anchors: Sequence[Sequence[tuple[float, float]]],
            count: int,
            guide: nn.Module | None,
            guide_params: Any,  # noqa: ANN401 - of guided anchors, `None` without
        ) -> None:
            super().__init__()
            self.strides, self.anchors, self.count = tuple(strides), anchors, count
            self.guide, self.guide_params = guide, guide_params
            each = 1 if guide is not None else len(anchors[0])
            self.conv = nn.Conv2d(channels, channels, 3, padding=1)
            self.score, self.offsets = nn.Conv2d(channels, each, 1), nn.Conv2d(channels, 4 * each, 1)
            for layer in (self.conv, self.score, self.offsets):
                nn.init.normal_(layer.weight, std=0.01)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

        def forward(
            self, levels: list[Tensor], size: tuple[int, int], truth: Sequence[Truth] | None, lesson: Lesson | None
        ) -> tuple[list[Tensor], dict[str, Tensor]]:
            count, losses = len(levels[0]), {}
            if self.guide is None:
                placed = [level.expand(count, -1, -1) for level in anchor_grid.grid(self.anchors, levels, self.strides)]
                kept = [torch.ones(level.shape[:2], dtype=torch.bool, device=level.device) for level in placed]
            else:
                guided = self.guide(levels)
                found = guided_anchors.anchors(guided, self.strides, self.guide_params)
                placed, kept = [own.boxes.flatten(1, 2) for own in found], [own.kept.flatten(1) for own in found]
                if truth is not None:
                    boxes, ignored = [own.boxes for own in truth], [own.ignored for own in truth]
                    of_guide = guided_anchors.losses(guided, boxes, ignored, self.strides, self.guide_params)
                    losses = {key: loss * GUIDED_WEIGHTS[key] for key, loss in of_guide.items()}
                levels = guided.features
            scores, offsets = self._heads(levels)
            if truth is not None and lesson is not None:
                losses |= self._losses(
                    torch.cat(scores, 1), torch.cat(offsets, 1), torch.cat(placed, 1), torch.cat(kept, 1), truth, lesson
                )
            return self._proposals(scores, offsets, placed, kept, size), losses

        def _heads(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
            """Return logits (n, h * w * a) and offsets (n, h * w * a, 4) of each level, in the order of the anchors."""
            scores, offsets = [], []
            for level in levels:
                hidden = functional.relu(self.conv(level))
                scores.append(self.score(hidden).permute(0, 2, 3, 1).flatten(1).float())
                offsets.append(self.offsets(hidden).permute(0, 2, 3, 1).reshape(len(level), -1, 4).float())
            return scores, offsets

        def _losses(
            self,
            scores: Tensor,
            offsets: Tensor,
            placed: Tensor,
            kept: Tensor,
            truth: Sequence[Truth],
            lesson: Lesson,
        ) -> dict[str, Tensor]:
            logits, targets, boxes, sampled = [], [], [], 0
            for number, own in enumerate(truth):
                found = assignment.assign(placed[number], own, positive=POSITIVE, negative=NEGATIVE, low_quality=True)
                labels = torch.where(kept[number], found.labels.clamp_max(1), -1)
                sample = random.choose(
                    Candidates(labels, found.ious, placed[number]),
                    count=SAMPLES,
                    positive_frac=POSITIVE_FRAC,
                    generator=lesson.generator,
                )
                rows = torch.cat([sample.positives, sample.negatives])
                logits.append(scores[number, rows])
                targets.append((labels[rows] > 0).float())
                sampled += len(rows)
                if len(sample.positives):
                    boxes.append(
                        box_coding.losses(
                            offsets[number, sample.positives],
                            placed[number, sample.positives],
                            own.boxes[found.objects[sample.positives]],
                            name=BOX_LOSS,
                            params=BOX_PARAMS,
                            weights=CODER,
                        ).sum()
                    )
            class_loss = functional.binary_cross_entropy_with_logits(
                torch.cat(logits), torch.cat(targets), reduction="sum"
            )
            nothing = offsets.sum() * 0
            return {
                "rpn_class": class_loss / max(sampled, 1),
                "rpn_box": sum(boxes, nothing) / max(sampled, 1),
            }

        def _proposals(
            self,
            scores: list[Tensor],
            offsets: list[Tensor],
            placed: list[Tensor],
            kept: list[Tensor],
            size: tuple[int, int],
        ) -> list[Tensor]:
            """Return the best boxes of each picture, (k, 4) without gradients, by descending score."""
            found = []
            for number in range(len(scores[0])):
                boxes, values, level_of = [], [], []
                for level in range(len(scores)):
                    own = torch.where(kept[level][number], scores[level][number].detach(), -torch.inf)
                    best, rows = own.topk(min(BEFORE, len(own)))
                    rows = rows[torch.isfinite(best)]
                    decoded = box_coding.decode(
                        offsets[level][number, rows].detach(), placed[level][number, rows], CODER
                    )
                    boxes.append(decoded)
                    values.append(own[rows])
                    level_of.append(torch.full_like(rows, level))
                clipped, there = box_coding.inside(torch.cat(boxes), *size)
                order = batched_nms(clipped[there], torch.cat(values)[there], torch.cat(level_of)[there], OVERLAP)
                found.append(clipped[there][order[: self.count]])
            return found

    return RegionProposals


def build(
    channels: int,
    strides: Sequence[int],
    anchors: Sequence[Sequence[tuple[float, float]]],
    count: int,
    guided: guided_anchors.Params | None = None,
) -> nn.Module:
    """Build the first stage.

    Args:
        channels: Of the maps.
        strides: Of the levels, finest first.
        anchors: Width and height of the anchors of each level, as many for each; not used with `guided`.
        count: Proposals of a picture.
        guided: Parameters of guided anchors; `None` for anchors of stated or fitted shapes.

    Returns:
        A module that takes maps (n, c, h, w) of each level, height and width of the pictures, and in training a `Truth`
        of each picture and a `Lesson`; it gives the proposals (k, 4) of each picture and the losses `rpn_class` and
        `rpn_box`, and with guided anchors `guided_class` and `guided_box`.

    Source: Ren et al. (2015), Faster R-CNN, section 3.1.
    """
    guide = None if guided is None else guided_anchors.guide(channels, strides, guided)
    built: nn.Module = _module()(channels, strides, anchors, count, guide, guided)
    return built
