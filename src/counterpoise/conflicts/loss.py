"""What makes no sense with the loss; the reasons are its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses
from counterpoise.config import PATH


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a task, a head, class weights and parameters that do not go together with the loss."""
    loss, task, scheme = content["loss"], content["task"], content["weighting"]["scheme"]
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
            "plain cross-entropy before it; set it to 0, or loss to one of "
            f"{list(filter(losses.ranks, losses.names()))}"
        )


def _rankings(loss: str, train: Mapping[str, Any]) -> Iterator[str]:
    """Refuse epochs and batches that leave a loss over pairs or rankings nothing to compare."""
    if train["pretrain_frac"] and train["epochs"] == 1:
        yield f"{PATH}: train.pretrain_frac is {train['pretrain_frac']}, which leaves no epoch of 1 for loss {loss!r}"
    if train["accumulate"] > 1:
        yield (
            f"{PATH}: train.accumulate is {train['accumulate']}, but loss {loss!r} looks at pairs of examples or at "
            "ranks within a batch, and there would be none across its parts; set it to 1"
        )
    for key, usual in (("sampler", "as_drawn"), ("mix", "none")):
        if train[key] != usual:
            yield (
                f"{PATH}: train.{key} is {train[key]!r}, but loss {loss!r} looks at pairs of examples or at ranks, "
                f"which need stratified batches of unmixed ones; set it to {usual!r}"
            )
