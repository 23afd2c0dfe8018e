"""Conflicts between epochs, batches and members of an ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses
from counterpoise.config import PATH

REPEAT = ("over", "square_root", "repeat_factor")
"""Strategies that repeat samples, for one class per image."""


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what has no epoch, no batch, no image or no second member to work on."""
    train, predict = content["train"], content["predict"]
    if content["model"]["freeze"] == "backbone":
        yield from _frozen_backbone(train)
    if content["oversample"]["synthetic"] != "none":
        yield from _synthetic(content)
    yield from _epochs(content)
    if not losses.ranks(content["loss"]):
        yield from _parts(train["accumulate"], train["batch_size"])
    if train["mix"] != "none" and train["batch_size"] == 1:
        yield (
            f"{PATH}: train.mix is {train['mix']!r}, but with train.batch_size 1 there is no second example to mix "
            "with; raise train.batch_size"
        )
    if predict["average"] == "probabilities" and train["members"] == 1 and predict["tta"] == "none":
        yield (
            f"{PATH}: predict.average is 'probabilities', but with train.members 1 and predict.tta 'none' there is "
            "nothing to average; set one of these two, or predict.average to 'logits'"
        )


def _frozen_backbone(train: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what needs images, or more than a head to train, where features are computed once."""
    if train["augment"] != "none":
        yield (
            f"{PATH}: train.augment is {train['augment']!r}, but with model.freeze 'backbone' features are computed "
            "once; use oversample.views for augmented copies, or set model.freeze to 'none'"
        )
    if train["mix"] == "cutmix":
        yield (
            f"{PATH}: train.mix is 'cutmix', which mixes parts of images, but with model.freeze 'backbone' the head "
            "only sees features; take 'mixup', or set model.freeze to 'none'"
        )
    if train["classifier"] == "retrained":
        yield (
            f"{PATH}: train.classifier is 'retrained', but with model.freeze 'backbone' only the head is trained "
            "anyway; take oversample.strategy 'over' instead, which trains it on balanced classes from the start"
        )


def _synthetic(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse synthetic samples without features, without repeats to replace, or beside other variants of them."""
    model, oversample = content["model"], content["oversample"]
    found = f"{PATH}: oversample.synthetic is {oversample['synthetic']!r}, but"
    if model["freeze"] != "backbone":
        yield (
            f"{found} with model.freeze {model['freeze']!r} there are no stored features to compute new points from; "
            "set oversample.synthetic to 'none', or model.freeze to 'backbone'"
        )
    if oversample["strategy"] not in REPEAT:
        yield (
            f"{found} with oversample.strategy {oversample['strategy']!r} no sample is repeated that it could replace; "
            f"set oversample.strategy to one of {list(REPEAT)}"
        )
    if oversample["views"]:
        yield f"{found} it replaces augmented views too; set oversample.views to 0"
    if model["subclasses"]:
        yield f"{found} new points have no subtype; set model.subclasses to {{}}"


def _epochs(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what starts later but is switched off, or has no epoch left."""
    train = content["train"]
    for section, key in (("weighting", "scheme"), ("oversample", "strategy")):
        frac, value = content[section]["defer_frac"], content[section][key]
        if frac and value == "none":
            yield (
                f"{PATH}: {section}.defer_frac is {frac}, but with {section}.{key} 'none' there is nothing to defer; "
                f"set {section}.defer_frac to 0"
            )
        elif frac and train["epochs"] == 1:
            yield (
                f"{PATH}: {section}.defer_frac is {frac}, but with train.epochs 1 no epoch is left for "
                f"{section}.{key} {value!r}; raise train.epochs"
            )
    if train["sampler"] == "progressive" and train["epochs"] == 1:
        yield f"{PATH}: train.sampler is 'progressive', which needs at least 2 epochs; raise train.epochs"


def _parts(accumulate: int, batch_size: int) -> Iterator[str]:
    """Refuse batches in parts where there is nothing to cut."""
    if accumulate > 1 and 2 * accumulate > batch_size:
        yield (
            f"{PATH}: train.accumulate is {accumulate}, which cuts batches of train.batch_size {batch_size} "
            f"into parts of fewer than two examples; lower it to at most {max(1, batch_size // 2)}"
        )
