"""Losses of dense heads: the classes of chosen anchors, and the boxes of positive ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from counterpoise import config
from counterpoise.detection import box_losses, prime, samplers
from counterpoise.detection.assignment import paired_ious
from counterpoise.detection.prime import Positives
from counterpoise.detection.samplers import Candidates

if TYPE_CHECKING:
    from torch import Tensor

    from counterpoise.detection.assignment import Assigned
    from counterpoise.detection.detectors import Plan
    from counterpoise.detection.teaching import ClassLoss, Lesson, Truth

SHARE = 0.25
"""Share of chosen anchors by which the loss of the classes is divided: that of objects where three of background go
with each, so that it is SSD's loss there, and has no jump in batches without objects."""


@dataclass(frozen=True)
class Link:
    """What logits of anchors mean.

    Attributes:
        row_losses: Takes logits (n, k), labels (n,) of 0 for background and 1.. for classes, and `Lesson.class_loss`,
            and gives the loss of each anchor, (n,).
        probs: Takes logits (n, k) and gives the probability of each class, (n, c).
    """

    row_losses: Callable[[Tensor, Tensor, ClassLoss], Tensor]
    probs: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Coder:
    """How a box is predicted from its anchor.

    Attributes:
        encode: Takes true boxes (n, 4) and anchors (n, 4), and gives the numbers (n, 4) to predict.
        decode: Takes predicted numbers (n, 4) and anchors (n, 4), and gives boxes (n, 4).
    """

    encode: Callable[[Tensor, Tensor], Tensor]
    decode: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Rules:
    """How dense heads learn: the link, the coder, and the switches of section `detector`.

    Attributes:
        link: Of the classes.
        coder: Of the boxes.
        choose: Takes `Candidates` of a picture and a generator, and gives a `Sample`.
        needs_losses: Whether it must know the loss of every anchor.
        takes_all: Whether it chooses every anchor.
        class_weights: Takes `Positives` and gives their factors.
        box_weights: The same for the boxes.
        box_loss: Takes predicted and true numbers, or boxes, and gives a value for each.
        on_boxes: Whether it takes boxes.
        box_weight: Factor of the loss of the boxes.
    """

    link: Link
    coder: Coder
    choose: Callable[..., samplers.Sample]
    needs_losses: bool
    takes_all: bool
    class_weights: Callable[[Positives], Tensor]
    box_weights: Callable[[Positives], Tensor]
    box_loss: Callable[[Tensor, Tensor], Tensor]
    on_boxes: bool
    box_weight: float


@dataclass(frozen=True)
class Batch:
    """What all anchors of a batch predict and should predict; n pictures with m anchors each are n * m rows.

    Attributes:
        logits: (n * m, k) float32.
        numbers: (n * m, 4 or more) float32 of the boxes.
        anchors: (m, 4) float32.
        truth: (t, 4) float32, the true boxes of all pictures.
    """

    logits: Tensor
    numbers: Tensor
    anchors: Tensor
    truth: Tensor


def sigmoid_losses(logits: Tensor, labels: Tensor, class_loss: ClassLoss) -> Tensor:
    """Sum the losses of a sigmoid for each class; background has none of them."""
    import torch

    targets = torch.zeros_like(logits)
    rows = (labels > 0).nonzero()[:, 0]
    targets[rows, labels[rows] - 1] = 1.0
    return class_loss(logits, targets).sum(dim=1)


def sigmoid_probs(logits: Tensor) -> Tensor:
    """Return the sigmoid of each."""
    return logits.sigmoid()


def softmax_losses(logits: Tensor, labels: Tensor, class_loss: ClassLoss) -> Tensor:
    """Return the losses of a softmax over background and classes."""
    return class_loss(logits, labels)


def softmax_probs(logits: Tensor) -> Tensor:
    """Return the softmax without that of background."""
    return logits.softmax(dim=-1)[..., 1:]


SIGMOID = Link(sigmoid_losses, sigmoid_probs)
SOFTMAX = Link(softmax_losses, softmax_probs)


def rules(plan: Plan, link: Link, coder: Coder) -> Rules:
    """Read the switches of a plan.

    Raises:
        InputError: A switch or a parameter of it is unknown, missing or out of range.
    """
    section = plan.detector
    rule, box = prime.find(section.prime), box_losses.find(plan.box_loss)
    stated = section.options.prime.get(section.prime, {})
    params: Any = config.validate(rule.Params, stated, f"detector.options.prime.{section.prime}")
    box_params: Any = config.validate(box.Params, plan.box_params, f"box_losses.{plan.box_loss}")
    sampler = samplers.find(section.sampler)
    return Rules(
        link=link,
        coder=coder,
        choose=partial(sampler.choose, count=section.samples, positive_frac=section.positive_frac),
        needs_losses=sampler.NEEDS_LOSSES,
        takes_all=section.sampler == "every",
        class_weights=partial(rule.class_weights, params=params),
        box_weights=partial(rule.box_weights, params=params),
        box_loss=partial(box.loss, params=box_params),
        on_boxes=box.ON == "boxes",
        box_weight=section.box_weight,
    )


def learn(
    logits: Tensor,
    numbers: Tensor,
    anchors: Tensor,
    truth: Sequence[Truth],
    for_class: Sequence[Assigned],
    for_box: Sequence[Assigned],
    lesson: Lesson,
    rules: Rules,
) -> dict[str, Tensor]:
    """Compute the losses of dense heads, in float32 under mixed precision, too.

    Args:
        logits: (n, m, k) of m anchors of n pictures.
        numbers: (n, m, 4 or more) of their boxes.
        anchors: (m, 4) float32.
        truth: Of each picture.
        for_class: What each anchor is for the loss of the classes.
        for_box: The same for the loss of the boxes.
        lesson: How the batch teaches.
        rules: How dense heads learn.

    Returns:
        `head_class`: where every anchor teaches, the sum over them divided by the positives of the batch, at least 1;
        where a sampler chooses, the sum over the chosen divided by a quarter of their number, at least 1.
        `head_box`: the sum over positives divided by their number, at least 1, times `box_weight`.
    """
    import torch

    with torch.autocast(logits.device.type, enabled=False):
        boxes = torch.cat([of.boxes for of in truth]).float()
        batch = Batch(logits.float().flatten(0, 1), numbers.float().flatten(0, 1), anchors, boxes)
        starts = _starts(truth)
        of_classes, losses = _class_loss(batch, for_class, _objects(for_class, starts), lesson, rules)
        of_boxes = _box_loss(batch, for_box, _objects(for_box, starts), losses, rules)
        return {"head_class": of_classes, "head_box": rules.box_weight * of_boxes}


def positives_of(assigned: Sequence[Assigned], truth: Sequence[Truth]) -> tuple[Tensor, Tensor]:
    """Number the positive rows of a batch, (p,), and give the true box of each, (p, 4) float32."""
    import torch

    own = (torch.cat([of.labels for of in assigned]) > 0).nonzero()[:, 0]
    boxes = torch.cat([of.boxes for of in truth]).float()
    return own, boxes[_objects(assigned, _starts(truth))[own]]


def _starts(truth: Sequence[Truth]) -> list[int]:
    """Count the true boxes of the pictures before each."""
    return [sum(len(of.boxes) for of in truth[:picture]) for picture in range(len(truth))]


def _objects(assigned: Sequence[Assigned], starts: Sequence[int]) -> Tensor:
    """Number the true boxes of all pictures through, (n * m,)."""
    import torch

    return torch.cat([of.objects + start for of, start in zip(assigned, starts, strict=True)])


def _losses_of_rows(batch: Batch, labels: Tensor, rows: Tensor, lesson: Lesson, rules: Rules) -> Tensor:
    """Compute the losses of some rows, and give those of all, (n * m,), 0 for the others."""
    if not len(rows):
        return (batch.logits * 0).sum(dim=1)
    values = rules.link.row_losses(batch.logits[rows], labels[rows], lesson.class_loss)
    return batch.logits.new_zeros(len(labels)).index_put((rows,), values.float())


def _class_loss(
    batch: Batch, assigned: Sequence[Assigned], objects: Tensor, lesson: Lesson, rules: Rules
) -> tuple[Tensor, Tensor]:
    """Return the loss of the classes, and that of each row.

    A loss sees the rows that teach, once, since it may weigh them by each other and keep averages. Where the sampler
    must know them all, it sees all that are not ignored.
    """
    import torch

    labels = torch.cat([of.labels for of in assigned])
    losses = None
    if rules.needs_losses:
        losses = _losses_of_rows(batch, labels, (labels >= 0).nonzero()[:, 0], lesson, rules)
    own, rest = _chosen(batch.anchors, assigned, losses, lesson, rules)
    if losses is None:
        losses = _losses_of_rows(batch, labels, torch.cat([own, rest]), lesson, rules)
    weights = rules.class_weights(_positives(batch, own, labels, objects, losses, rules))
    total = (weights * losses[own]).sum() + losses[rest].sum()
    return total / max(len(own) if rules.takes_all else SHARE * (len(own) + len(rest)), 1), losses


def _chosen(
    anchors: Tensor, assigned: Sequence[Assigned], losses: Tensor | None, lesson: Lesson, rules: Rules
) -> tuple[Tensor, Tensor]:
    """Number the rows of a batch that teach, those of objects and those of background."""
    import torch

    own, rest = [], []
    for picture, of in enumerate(assigned):
        start = picture * len(anchors)
        known = None if losses is None else losses.detach()[start : start + len(anchors)]
        sample = rules.choose(Candidates(of.labels, of.ious, anchors, known), generator=lesson.generator)
        own.append(sample.positives + start)
        rest.append(sample.negatives + start)
    return torch.cat(own), torch.cat(rest)


def _box_loss(batch: Batch, assigned: Sequence[Assigned], objects: Tensor, losses: Tensor, rules: Rules) -> Tensor:
    import torch

    labels = torch.cat([of.labels for of in assigned])
    own = (labels > 0).nonzero()[:, 0]
    anchors, truth, predicted = batch.anchors[own % len(batch.anchors)], batch.truth[objects[own]], batch.numbers[own]
    if rules.on_boxes:
        values = rules.box_loss(rules.coder.decode(predicted[:, :4], anchors), truth)
    else:
        values = rules.box_loss(predicted, rules.coder.encode(truth, anchors))
    weights = rules.box_weights(_positives(batch, own, labels, objects, losses, rules))
    return (weights * values).sum() / max(len(own), 1)


def _positives(batch: Batch, own: Tensor, labels: Tensor, objects: Tensor, losses: Tensor, rules: Rules) -> Positives:
    """Describe some rows, for the rules of prime samples."""
    anchors, truth = batch.anchors[own % len(batch.anchors)], batch.truth[objects[own]]
    boxes = rules.coder.decode(batch.numbers[own, :4].detach(), anchors)
    classes = labels[own] - 1
    return Positives(
        labels=classes,
        objects=objects[own],
        ious=paired_ious(boxes, truth),
        probs=rules.link.probs(batch.logits[own]).gather(1, classes[:, None])[:, 0],
        losses=losses[own],
    )
