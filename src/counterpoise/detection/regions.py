"""Second stage of a two-stage detector: which class a proposal shows, and where its box really is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from counterpoise.detection import adversaries, assignment, box_losses, prime, proposals, samplers
from counterpoise.detection.detectors import Plan
from counterpoise.detection.teaching import Lesson, Truth

if TYPE_CHECKING:
    from torch import Tensor, nn

Pool: TypeAlias = "Callable[[list[Tensor]], Tensor]"
CELLS = 7
"""Cells of a pooled region in either direction."""
CODER_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Offsets are multiplied by them, so that they have a variance of about 1."""
LEAST_SIDE_PX = 1e-3


@dataclass(frozen=True)
class Predicted:
    """What a stage predicts of n regions.

    Attributes:
        logits: (n, 1 + c) float32, background first.
        codes: (n, k) float32: four offsets from the region, and what else the box loss needs.
    """

    logits: Tensor
    codes: Tensor


@dataclass(frozen=True)
class Switches:
    """What the second stage learns from, and how."""

    sampler: samplers.Sampler
    samples: int
    positive_frac: float
    box_loss: box_losses.BoxLoss
    box_params: Any
    box_weight: float
    prime: prime.Prime
    prime_params: Any
    proposals: proposals.Proposals
    proposals_params: Any
    adversary: adversaries.Adversary
    adversary_params: Any


@dataclass(frozen=True)
class Rule:
    """How one stage differs from the others.

    Attributes:
        iou: IoU from which a region is an object.
        weight: Factor of its losses.
        coder_weights: Factors of its offsets.
    """

    iou: float
    weight: float
    coder_weights: tuple[float, float, float, float]


@dataclass(frozen=True)
class Rows:
    """Regions of a batch that teach, image after image.

    Attributes:
        boxes: (n_i, 4) of each image.
        labels: (n,) int64, 0 for background.
        objects: (n,) int64, a number for the true box of each, unique in the batch; of background any.
        targets: (n, 4) that true box; of background any.
        extra: (n,) bool, which teach the regression alone.
        proposed: (n,) bool, which the stage before has found: neither true boxes nor extra ones.
    """

    boxes: list[Tensor]
    labels: Tensor
    objects: Tensor
    targets: Tensor
    extra: Tensor
    proposed: Tensor


@dataclass(frozen=True)
class Taught:
    """What a stage learned from.

    Attributes:
        class_loss: Scalar.
        box_loss: Scalar.
        refined: (k_i, 4) of each image, the regions where the stage says that objects are, for the next stage.
    """

    class_loss: Tensor
    box_loss: Tensor
    refined: list[Tensor]


@cache
def _module() -> type[nn.Module]:
    from torch import nn
    from torchvision.models.detection.faster_rcnn import TwoMLPHead

    class Regions(nn.Module):
        """Pooled regions (n, c, 7, 7) to `Predicted`."""

        def __init__(self, channels: int, hidden: int, classes: int, outputs: int) -> None:
            super().__init__()
            self.hidden = TwoMLPHead(channels * CELLS**2, hidden)
            self.classes, self.boxes = nn.Linear(hidden, 1 + classes), nn.Linear(hidden, outputs)
            for layer, deviation in ((self.classes, 0.01), (self.boxes, 0.001)):
                nn.init.normal_(layer.weight, std=deviation)
                nn.init.zeros_(layer.bias)

        def forward(self, pooled: Tensor) -> Predicted:
            hidden = self.hidden(pooled)
            return Predicted(self.classes(hidden).float(), self.boxes(hidden).float())

    return Regions


def build(channels: int, hidden: int, classes: int, outputs: int) -> nn.Module:
    """Return one stage: two hidden layers, then logits with background first, and one box for all classes.

    Rare classes have few boxes to learn from; a box that all classes share learns from those of all.

    Args:
        channels: Of the maps.
        hidden: Units of each hidden layer.
        classes: c, without background.
        outputs: Numbers of a box, as its loss needs.

    Source: Girshick (2015), Fast R-CNN, section 2.1, with the deviations of its weights; there each class has a box.
    """
    return _module()(channels, hidden, classes, outputs)


def switches(plan: Plan) -> Switches:
    """Find the switches of the second stage and read their parameters."""
    section, options = plan.detector, plan.detector.options
    box_loss, rule = box_losses.find(plan.box_loss), prime.find(section.prime)
    kind, adversary = proposals.find(section.proposals), adversaries.find(section.adversary)
    return Switches(
        sampler=samplers.find(section.sampler),
        samples=section.samples,
        positive_frac=section.positive_frac,
        box_loss=box_loss,
        box_params=box_loss.Params.model_validate(dict(plan.box_params)),
        box_weight=section.box_weight,
        prime=rule,
        prime_params=rule.Params.model_validate(options.prime.get(section.prime, {})),
        proposals=kind,
        proposals_params=kind.Params.model_validate(options.proposals.get(section.proposals, {})),
        adversary=adversary,
        adversary_params=adversary.Params.model_validate(options.adversary.get(section.adversary, {})),
    )


def decode(codes: Tensor, boxes: Tensor, rule: Rule) -> Tensor:
    """Move boxes (n, 4) by the first four codes of each, in float32."""
    from torchvision.models.detection._utils import BoxCoder

    moved: Tensor = BoxCoder(rule.coder_weights).decode_single(codes[:, :4].float(), boxes)
    return moved


def usable(boxes: Tensor) -> Tensor:
    """Say which boxes are finite and have an area, (n,): pooling any other may end the process."""
    import torch

    return torch.isfinite(boxes).all(dim=1) & (boxes[:, 2:] - boxes[:, :2] >= LEAST_SIDE_PX).all(dim=1)


def inside(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Clip boxes (n, 4) to a picture of this height and width."""
    from torchvision.ops import clip_boxes_to_image

    clipped: Tensor = clip_boxes_to_image(boxes, size)
    return clipped


def teach(
    stage: nn.Module,
    pool: Pool,
    proposed: Sequence[Tensor],
    truth: Sequence[Truth],
    size: tuple[int, int],
    lesson: Lesson,
    rule: Rule,
    use: Switches,
) -> Taught:
    """Compute the losses of a stage, and the regions of the next one.

    Args:
        stage: As `build` gives it.
        pool: From the boxes of each image to the pooled features of all, (n, c, 7, 7) float32.
        proposed: (k_i, 4) proposals of each image, without gradients.
        truth: Of each image.
        size: Height and width of the pictures.
        lesson: Loss of classes, and the source of random choices.
        rule: Of this stage.
        use: Switches.

    Returns:
        The losses: that of classes is the mean over the regions that teach, that of boxes the sum over objects, divided
        by the number of all regions that teach, times `box_weight`.
    """
    rows = _choose(stage, pool, proposed, truth, lesson, rule, use)
    own = ((rows.labels > 0) & ~rows.extra).nonzero()[:, 0]
    features = pool(rows.boxes)
    harder = use.adversary.attack(
        features[own],
        lambda changed: lesson.class_loss(stage(changed).logits, rows.labels[own]),
        use.adversary_params,
        lesson.generator,
    )
    predicted = stage(features.index_put((own,), harder.to(features.dtype)))
    class_loss, box_loss = _losses(predicted, rows, lesson, rule, use)
    return Taught(
        class_loss=rule.weight * class_loss,
        box_loss=rule.weight * use.box_weight * box_loss,
        refined=_refined(predicted.codes.detach(), rows, size, rule),
    )


def _choose(
    stage: nn.Module,
    pool: Pool,
    proposed: Sequence[Tensor],
    truth: Sequence[Truth],
    lesson: Lesson,
    rule: Rule,
    use: Switches,
) -> Rows:
    """Choose the regions that teach: of proposals and true boxes those that the sampler takes, and extra ones."""
    import torch

    boxes = [torch.cat([found, own.boxes.float()]) for found, own in zip(proposed, truth, strict=True)]
    assigned = [
        assignment.assign(all_of_image, own, positive_iou=rule.iou, background_iou=rule.iou)
        for all_of_image, own in zip(boxes, truth, strict=True)
    ]
    scores: Sequence[Tensor | None] = [None] * len(boxes)
    if use.sampler.NEEDS_LOSSES:
        scores = _losses_of_all(stage, pool, boxes, [own.labels for own in assigned], lesson)
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]] = []
    before = 0
    for image, own in enumerate(truth):
        labels, objects, ious = assigned[image].labels, assigned[image].objects, assigned[image].ious
        sample = use.sampler.choose(
            samplers.Candidates(labels, ious, boxes[image], scores[image]),
            count=use.samples,
            positive_frac=use.positive_frac,
            generator=lesson.generator,
        )
        rows = torch.cat([sample.positives, sample.negatives])
        none = torch.zeros_like(rows, dtype=torch.bool)
        targets = own.boxes.float()[objects[rows]] if len(own.boxes) else torch.zeros_like(boxes[image][rows])
        parts.append(
            (boxes[image][rows], labels[rows], objects[rows] + before, targets, none, rows < len(proposed[image]))
        )
        extra = use.proposals.extra(own.boxes.float(), use.proposals_params, lesson.generator)
        if extra is not None:
            of, every = extra.objects, torch.ones_like(extra.objects, dtype=torch.bool)
            added = (extra.boxes, own.labels[of] + 1, of + before, own.boxes.float()[of], every, ~every)
            joined = [torch.cat(pair) for pair in zip(parts[-1], added, strict=True)]
            parts[-1] = (joined[0], joined[1], joined[2], joined[3], joined[4], joined[5])
        before += len(own.boxes)
    first, *others = zip(*parts, strict=True)
    return Rows(list(first), *(torch.cat(part) for part in others))


def _losses_of_all(
    stage: nn.Module, pool: Pool, boxes: Sequence[Tensor], labels: Sequence[Tensor], lesson: Lesson
) -> list[Tensor]:
    """Compute the loss of the class of each region without gradients, 0 where it is ignored."""
    import torch

    with torch.no_grad():
        every = torch.cat(list(labels))
        seen = every >= 0
        used = [of_image[own >= 0] for of_image, own in zip(boxes, labels, strict=True)]
        losses = torch.zeros(len(every), device=every.device)
        losses[seen] = lesson.class_loss(stage(pool(used)).logits, every[seen]).float()
    return list(torch.split(losses, [len(own) for own in labels]))


def _losses(predicted: Predicted, rows: Rows, lesson: Lesson, rule: Rule, use: Switches) -> tuple[Tensor, Tensor]:
    """Compute the losses of classes and boxes of the regions that teach."""
    import torch
    from torchvision.models.detection._utils import BoxCoder

    seen, own = ~rows.extra, ((rows.labels > 0) & ~rows.extra).nonzero()[:, 0]
    boxes = torch.cat(rows.boxes)
    losses = torch.zeros_like(predicted.logits[:, 0])
    if seen.any():
        losses = losses.index_put((seen,), lesson.class_loss(predicted.logits[seen], rows.labels[seen]).float())
    labels = rows.labels[own]
    positives = prime.Positives(
        labels=labels,
        objects=rows.objects[own],
        ious=assignment.paired_ious(decode(predicted.codes[own].detach(), boxes[own], rule), rows.targets[own]),
        probs=predicted.logits[own].softmax(dim=1).gather(1, labels[:, None])[:, 0],
        losses=losses[own],
    )
    factors = torch.ones_like(losses).index_put((own,), use.prime.class_weights(positives, use.prime_params))
    without = predicted.logits[:0].sum()  # 0, so that all parameters have a gradient even if no region teaches
    class_loss = (losses * factors).sum() / max(int(seen.sum()), 1) + without
    on = torch.cat([own, rows.extra.nonzero()[:, 0]])
    weights = use.prime.box_weights(positives, use.prime_params)
    weights = torch.cat([weights, weights.new_ones(len(on) - len(own))])
    if use.box_loss.ON == "deltas":
        codes, target = predicted.codes[on], BoxCoder(rule.coder_weights).encode_single(rows.targets[on], boxes[on])
    else:
        codes, target = decode(predicted.codes[on], boxes[on], rule), rows.targets[on]
    box_loss = (weights * use.box_loss.loss(codes, target, use.box_params)).sum() / max(len(boxes), 1)
    return class_loss, box_loss


def _refined(codes: Tensor, rows: Rows, size: tuple[int, int], rule: Rule) -> list[Tensor]:
    """Move the proposals that taught to where the stage says that their objects are."""
    import torch

    found = []
    counts = [len(boxes) for boxes in rows.boxes]
    moved = inside(decode(codes, torch.cat(rows.boxes), rule), size)
    for boxes, proposed in zip(torch.split(moved, counts), torch.split(rows.proposed, counts), strict=True):
        kept = boxes[proposed]
        found.append(kept[usable(kept)])
    return found


def mean_probs(stages: Sequence[nn.Module], pooled: Tensor) -> tuple[Tensor, Tensor]:
    """Average the probabilities of all stages' classifiers, and take the box of the last.

    Args:
        stages: In their order.
        pooled: (n, c, 7, 7) of the regions of the last stage.

    Returns:
        (n, 1 + c) probabilities, background first; (n, k) codes of the last stage.
    """
    import torch

    found = [stage(pooled) for stage in stages]
    return torch.stack([one.logits.softmax(dim=1) for one in found]).mean(dim=0), found[-1].codes
