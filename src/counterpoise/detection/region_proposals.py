"""First stage of a two-stage detector: where there may be an object of any class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from counterpoise.detection import anchor_grid, assignment, guided_anchors
from counterpoise.detection.samplers import Candidates
from counterpoise.detection.samplers import random as random_sampler
from counterpoise.detection.teaching import Truth

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

POSITIVE_IOU, BACKGROUND_IOU = 0.7, 0.3
SAMPLES, POSITIVE_FRAC = 256, 0.5
BETA = 1 / 9
"""Of the smooth L1 loss of boxes."""
OVERLAP = 0.7
"""IoU above which non-maximum suppression drops the proposal with the lower score."""
LEAST_OF_LEVEL = 1000
"""Proposals of each level before non-maximum suppression, at least as many as are wanted after it."""
GUIDED_WEIGHTS = {"guided_class": 1.0, "guided_box": 0.1}
"""Wang et al. (2019), Region Proposal by Guided Anchoring, section 3.5."""


@dataclass(frozen=True)
class Proposed:
    """What the first stage gives.

    Attributes:
        boxes: For each image (k, 4) float32 proposals in pixels, inside the picture, of positive area, likeliest first;
            without gradients.
        losses: Of the first stage, scalars; none without truth.
    """

    boxes: list[Tensor]
    losses: dict[str, Tensor]


@dataclass(frozen=True)
class Places:
    """Anchors of one image.

    Attributes:
        boxes: (a, 4) float32 of all levels, finest first.
        kept: (a,) bool, which of them are used.
    """

    boxes: Tensor
    kept: Tensor


def keys(*, guided: bool) -> tuple[str, ...]:
    """Name the losses of the first stage."""
    return ("rpn_class", "rpn_box", *(GUIDED_WEIGHTS if guided else ()))


@cache
def _module() -> type[nn.Module]:
    import torch
    from torch import nn
    from torchvision.models.detection import rpn
    from torchvision.models.detection._utils import BoxCoder

    class RegionProposals(nn.Module):
        """Maps (n, c, h, w) of each level, finest first, to proposals."""

        def __init__(
            self,
            channels: int,
            strides: Sequence[int],
            anchors: Sequence[Sequence[tuple[float, float]]],
            count: int,
            guided: guided_anchors.Params | None,
        ) -> None:
            super().__init__()
            self.strides, self.anchors, self.guided = tuple(strides), tuple(anchors), guided
            self.guide = None if guided is None else guided_anchors.build(channels)
            self.head = rpn.RPNHead(channels, 1 if guided else len(anchors[0]))
            before, after = max(LEAST_OF_LEVEL, count), {"training": count, "testing": count}
            self.choice = rpn.RegionProposalNetwork(
                *(None, None, POSITIVE_IOU, BACKGROUND_IOU, SAMPLES, POSITIVE_FRAC),
                *({"training": before, "testing": before}, after, OVERLAP),
                score_thresh=torch.finfo(torch.float32).tiny,  # drops the anchors that are not used
            )
            self.coder = BoxCoder((1.0, 1.0, 1.0, 1.0))

        def forward(
            self,
            levels: Sequence[Tensor],
            size: tuple[int, int],
            truth: Sequence[Truth] | None = None,
            generator: Generator | None = None,
        ) -> Proposed:
            guide = None if self.guide is None else self.guide(levels)
            logits, codes = self.head(list(levels) if guide is None else guide.features)
            counts = [level[0].numel() for level in logits]
            logits, codes = rpn.concat_box_prediction_layers(logits, codes)
            images = len(levels[0])
            logits, codes = logits.float().view(images, -1), codes.float().view(images, -1, 4)
            if guide is None:
                boxes = torch.cat(anchor_grid.on_maps(self.anchors, self.strides, levels))
                places = [Places(boxes, torch.ones_like(boxes[:, 0], dtype=torch.bool))] * images
            else:
                places = _guided_places(guide, self.strides, self.guided)
            decoded = [self.coder.decode_single(*pair) for pair in zip(codes, (p.boxes for p in places), strict=True)]
            scores = logits.detach().masked_fill(~torch.stack([place.kept for place in places]), -torch.inf)
            found, _ = self.choice.filter_proposals(torch.stack(decoded).detach(), scores, [size] * images, counts)
            if truth is None:
                return Proposed(found, {})
            assert generator is not None, "anchors are chosen at random"
            losses = _losses(logits, codes, places, truth, generator)
            if guide is not None:
                losses |= _guided_losses(guide, truth, self.strides, self.guided)
            return Proposed(found, losses)

    return RegionProposals


def build(
    channels: int,
    strides: Sequence[int],
    anchors: Sequence[Sequence[tuple[float, float]]],
    count: int,
    guided: guided_anchors.Params | None,
) -> nn.Module:
    """Return the first stage: a 3 x 3 convolution for all levels, then a score and four offsets for each anchor.

    Args:
        channels: Of the maps.
        strides: Pixels between their cells, finest first.
        anchors: For each level width and height of its anchors, as many on each; empty for guided ones.
        count: Proposals of an image after non-maximum suppression.
        guided: Parameters of guided anchors, `None` for others.

    Returns:
        A module: `(levels, size)` gives `Proposed`; `(levels, size, truth, generator)` also their losses, `size` being
        height and width of the pictures.

    Raises:
        ValueError: There is not one list of anchors for each level, or lists differ in length.

    Source: Ren et al. (2015), Faster R-CNN, section 3.1, with torchvision's head and choice of proposals.
    """
    if guided is None and (len(anchors) != len(strides) or len({len(level) for level in anchors}) != 1):
        raise ValueError(
            f"anchors of {len(anchors)} levels, {[len(level) for level in anchors]}; "
            f"expected the same number, at least 1, on each of {len(strides)} levels"
        )
    return _module()(channels, strides, anchors, count, guided)


def _guided_places(
    guide: guided_anchors.Guided, strides: Sequence[int], params: guided_anchors.Params | None
) -> list[Places]:
    import torch

    assert params is not None
    levels = guided_anchors.anchors(guide, strides, params)
    boxes = torch.cat([level.boxes.flatten(1, 2) for level in levels], dim=1)
    kept = torch.cat([level.kept.flatten(1) for level in levels], dim=1)
    return [Places(*pair) for pair in zip(boxes, kept, strict=True)]


def _guided_losses(
    guide: guided_anchors.Guided,
    truth: Sequence[Truth],
    strides: Sequence[int],
    params: guided_anchors.Params | None,
) -> dict[str, Tensor]:
    assert params is not None
    boxes, ignored = [own.boxes for own in truth], [own.ignored for own in truth]
    found = guided_anchors.losses(guide, boxes, ignored, strides, params)
    return {name: weight * found[name] for name, weight in GUIDED_WEIGHTS.items()}


def _losses(
    logits: Tensor, codes: Tensor, places: Sequence[Places], truth: Sequence[Truth], generator: Generator
) -> dict[str, Tensor]:
    """Compute the losses over the anchors that teach, at random 256 of each image.

    Args:
        logits: (n, a) float32.
        codes: (n, a, 4) float32 offsets.
        places: Anchors of each image.
        truth: Of each image.
        generator: Of the choice.
    """
    import torch
    from torch.nn import functional
    from torchvision.models.detection._utils import BoxCoder

    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    every, of_objects, wanted, targets = [], [], [], []
    for image, (place, own) in enumerate(zip(places, truth, strict=True)):
        used = place.kept.nonzero()[:, 0]
        boxes = place.boxes[used]
        assigned = assignment.assign(
            boxes, own, positive_iou=POSITIVE_IOU, background_iou=BACKGROUND_IOU, low_quality=True
        )
        labels = assigned.labels.clamp_max(1)
        candidates = Candidates(labels, assigned.ious, boxes)
        sample = random_sampler.choose(candidates, count=SAMPLES, positive_frac=POSITIVE_FRAC, generator=generator)
        chosen, first = torch.cat([sample.positives, sample.negatives]), image * logits.shape[1]
        every.append(first + used[chosen])
        of_objects.append(first + used[sample.positives])
        wanted.append(labels[chosen].float())
        if len(own.boxes):
            objects = own.boxes.float()[assigned.objects[sample.positives]]
            targets.append(coder.encode_single(objects, boxes[sample.positives]))
    scores, offsets = logits.flatten()[torch.cat(every)], codes.flatten(0, 1)[torch.cat(of_objects)]
    target = torch.cat([*targets, offsets.new_zeros(0, 4)])
    classes = functional.binary_cross_entropy_with_logits(scores, torch.cat(wanted), reduction="sum")
    sizes = functional.smooth_l1_loss(offsets, target, beta=BETA, reduction="sum")
    seen = max(len(scores), 1)
    return {"rpn_class": classes / seen, "rpn_box": sizes / seen}
