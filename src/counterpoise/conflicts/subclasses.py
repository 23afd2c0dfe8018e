"""Conflicts between visual subtypes of a class and other settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses
from counterpoise.config import PATH


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse subtypes where something else needs the classes themselves."""
    train, model = content["train"], content["model"]
    if not model["subclasses"]:
        return
    given = f"{PATH}: model.subclasses is {model['subclasses']}, but"
    if refusal := losses.refuses_subclasses(content["loss"]):
        yield refusal
    if model["weights"] == "none":
        yield (
            f"{given} with model.weights 'none' there are no useful features to find subtypes with; set "
            "model.subclasses to {}, or choose other weights"
        )
    if train["sampler"] == "progressive":
        yield f"{given} train.sampler 'progressive' would rebalance subtypes instead of classes; take one of the two"
    if train["classifier"] != "as_trained":
        yield (
            f"{given} train.classifier {train['classifier']!r} makes the last layer again for classes, not for "
            "subtypes; take one of the two"
        )
