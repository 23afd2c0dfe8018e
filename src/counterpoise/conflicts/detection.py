"""Conflicts between the switches of a detector, and with what detectors do not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses, tasks
from counterpoise.config import PATH, validate
from counterpoise.detection import detectors, task_weights
from counterpoise.detection.settings import Detector

ABSENT: tuple[tuple[str, str, object, str], ...] = (
    ("model", "subclasses", {}, "subtypes are found from one vector for each tile"),
    ("train", "mix", "none", "mixed tiles have no boxes"),
    ("train", "classifier", "as_trained", "there is no last layer of tiles to train again"),
    ("train", "compile", False, "each batch has other boxes"),
    ("train", "pretrain_frac", 0.0, "losses over rankings are not for boxes"),
    ("oversample", "synthetic", "none", "there are no stored features to compute points from"),
)
"""Section, key, the value that switches it off, and why a detector does not have it."""


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what does not work together in a detector, and for other tasks what needs one."""
    task = content["task"]
    if not tasks.find(task).HAS_BOXES:
        if content["train"]["monitor"] == "ap50":
            yield (
                f"{PATH}: train.monitor is 'ap50', but task {task!r} finds no boxes; set it to 'loss', "
                "'balanced_accuracy', 'average_precision' or 'none'"
            )
        return
    section = validate(Detector, content["detector"], "detector")
    yield from _frozen(content["model"]["freeze"])
    if content["train"]["solver"] != "adamw":
        yield (
            f"{PATH}: train.solver is {content['train']['solver']!r}, but a detector is no linear head; set it to "
            "'adamw'"
        )
    if content["train"]["monitor"] == "balanced_accuracy":
        yield (
            f"{PATH}: train.monitor is 'balanced_accuracy', but boxes have no true negatives; set it to 'ap50', "
            "'average_precision', 'loss' or 'none'"
        )
    for owner, key, usual, reason in ABSENT:
        if content[owner][key] != usual:
            yield f"{PATH}: {owner}.{key} is {content[owner][key]!r}, but {reason}; set it to {usual!r}"
    yield from detectors.find(section.name).conflicts(section, content["box_loss"])
    if refusal := task_weights.refuses_box_loss(section.task_weights, content["box_loss"]):
        yield refusal
    yield from _levels(section)
    if getattr(losses.module(content["loss"]), "KEEPS_ITS_MEAN", False) and section.sampler == "every":
        yield (
            f"{PATH}: loss is {content['loss']!r}, which keeps its mean however easy the background becomes, and "
            "detector.sampler 'every' divides by the objects alone, so background would drown them; set "
            "detector.sampler to 'random'"
        )


def _frozen(freeze: str) -> Iterator[str]:
    """Refuse freezing that leaves a detector nothing to read, or that its own switches decide."""
    if freeze not in ("none", "first_n"):
        yield (
            f"{PATH}: model.freeze is {freeze!r}, but a detector reads maps of images, which are not stored; set it to "
            "'none' or 'first_n'; detector.freeze_norms keeps the statistics of batch norms"
        )


def _levels(section: Detector) -> Iterator[str]:
    """Refuse levels out of order, and sizes of anchors that do not belong to them."""
    count = len(section.levels) + section.extra_levels
    if section.levels != sorted(set(section.levels)):
        yield f"{PATH}: detector.levels is {section.levels}; write each once, from fine to coarse"
    stated = section.anchors.kind == "stated" and detectors.find(section.name).HAS_ANCHORS
    if stated and len(section.anchors.sizes_px) != count:
        yield (
            f"{PATH}: detector.anchors.sizes_px has {len(section.anchors.sizes_px)} sizes, but there are {count} "
            "levels (detector.levels and detector.extra_levels); write one size for each"
        )
