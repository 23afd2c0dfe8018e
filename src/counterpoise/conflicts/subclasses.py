"""What makes no sense with a class that is split into types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses
from counterpoise.config import PATH


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse types of classes where something else counts on the classes themselves."""
    train, model = content["train"], content["model"]
    if not model["subclasses"]:
        return
    given = f"{PATH}: model.subclasses is {model['subclasses']}, but"
    if refusal := losses.refuses_subclasses(content["loss"]):
        yield refusal
    if model["weights"] == "none":
        yield (
            f"{given} with model.weights 'none' there are no features to tell the types apart by; set it to {{}}, or "
            "begin with other weights"
        )
    if train["sampler"] == "progressive":
        yield f"{given} train.sampler 'progressive' would even out types in place of classes; set one of the two back"
    if train["classifier"] != "as_trained":
        yield (
            f"{given} train.classifier {train['classifier']!r} makes the last layer anew class by class; set one of "
            "the two back"
        )
