"""Conflicts between backbone, head, pooling and freezing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import tasks
from counterpoise.config import PATH, InputError
from counterpoise.networks import outlines, pretrained

POOL_OF_HEAD = {"concat_pool": "avg_max"}
"""Heads that work with one way of pooling alone."""


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what timm does not have, or cannot do with this backbone, and heads without the features they read."""
    model, first_rate_frac = content["model"], content["train"]["first_rate_frac"]
    name, pool = model["backbone"], POOL_OF_HEAD.get(model["head"])
    if pool is not None and model["pool"] != pool:
        yield (
            f"{PATH}: model.head is {model['head']!r}, which needs the mean and the maximum of each feature map, but "
            f"model.pool is {model['pool']!r}; set model.pool to {pool!r}, or model.head to 'dense'"
        )
    try:
        outline = outlines.outline(name, model["pool"], model["input_px"])
    except InputError as error:
        yield str(error)
        return
    if refusal := pretrained.refuses(name, model["weights"], has_imagenet=outline.has_imagenet):
        yield refusal
    if model["freeze"] == "all_but_batchnorm" and not outline.has_batchnorm:
        yield (
            f"{PATH}: model.freeze is 'all_but_batchnorm', but {name!r} has no batch norm, so nothing of it "
            "would be trained; take 'backbone', which computes features only once, or another value"
        )
    has_boxes = tasks.find(content["task"]).HAS_BOXES
    yield from _blocks(model, first_rate_frac, outline.blocks, has_boxes=has_boxes)


def _blocks(model: Mapping[str, Any], first_rate_frac: float, blocks: int, *, has_boxes: bool) -> Iterator[str]:
    """Refuse more frozen blocks than the backbone has, and rates of blocks where none is trained or known.

    All blocks of a detector may be frozen by `first_n`, since it reads maps of pictures and not stored features.
    """
    name, freeze, freeze_first = model["backbone"], model["freeze"], model["freeze_first"]
    frozen = freeze_first if freeze == "first_n" and blocks else 0
    if frozen > (blocks if has_boxes else max(blocks - 1, 0)):
        way = "lower it" if has_boxes else "at least one must be trained; lower it, or set model.freeze to 'backbone'"
        yield f"{PATH}: model.freeze_first is {freeze_first}, but {name!r} has {blocks} blocks; {way}"
    if first_rate_frac < 1 and (freeze == "backbone" or 0 < blocks == frozen):
        yield (
            f"{PATH}: train.first_rate_frac is {first_rate_frac}, but with model.freeze {freeze!r} no block is "
            "trained; set train.first_rate_frac to 1.0, or model.freeze to another value"
        )
    for where, needs_blocks in (
        ("model.freeze is 'first_n'", freeze == "first_n"),
        (f"train.first_rate_frac is {first_rate_frac}", first_rate_frac < 1),
    ):
        if needs_blocks and not blocks:
            yield f"{PATH}: {where}, but timm does not say which blocks {name!r} has; take another value"
