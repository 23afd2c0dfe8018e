"""Conflicts between the loss and other settings; each loss states the reasons itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses
from counterpoise.config import PATH
from counterpoise.detection import detectors


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a task, a head, class weights and parameters that do not work with the loss."""
    loss, scheme = content["loss"], content["weighting"]["scheme"]
    task = detectors.task_of_classes(content["task"], content["detector"]["name"])
    if refusal := losses.refuses_task(loss, task):
        yield refusal
    else:
        yield from losses.conflicts(loss, content["losses"][loss], task=task, weighting_scheme=scheme)
    if refusal := losses.refuses_head(loss, content["model"]["head"]):
        yield refusal
    if refusal := losses.refuses_weights(loss, scheme):
        yield refusal
    if losses.ranks(loss):
        yield from _rankings(loss, content["train"])
    elif content["train"]["pretrain_frac"]:
        yield (
            f"{PATH}: train.pretrain_frac is {content['train']['pretrain_frac']}, but loss {loss!r} needs no epochs of "
            "plain cross-entropy before it; set train.pretrain_frac to 0, or loss to one of "
            f"{list(filter(losses.ranks, losses.names()))}"
        )


def _rankings(loss: str, train: Mapping[str, Any]) -> Iterator[str]:
    """Refuse epochs and batches that leave a loss over pairs or rankings nothing to compare."""
    if train["pretrain_frac"] and train["epochs"] == 1:
        yield (
            f"{PATH}: train.pretrain_frac is {train['pretrain_frac']}, but with train.epochs 1 no epoch is left for "
            f"loss {loss!r}; raise train.epochs"
        )
    if train["accumulate"] > 1:
        yield (
            f"{PATH}: train.accumulate is {train['accumulate']}, but loss {loss!r} compares examples within a "
            "batch, and could not compare examples of different parts; set train.accumulate to 1"
        )
    for key, usual in (("sampler", "as_drawn"), ("mix", "none")):
        if train[key] != usual:
            yield (
                f"{PATH}: train.{key} is {train[key]!r}, but loss {loss!r} compares examples with each other, "
                f"which needs stratified batches of unmixed examples; set train.{key} to {usual!r}"
            )
