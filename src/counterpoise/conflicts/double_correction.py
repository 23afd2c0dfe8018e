"""Remedies that would correct the class prior twice, or that another remedy leaves without effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses
from counterpoise.config import PATH
from counterpoise.imbalance import resampling


def evening_switches(train: Mapping[str, Any]) -> list[str]:
    """List the sampler and the classifier of section `train`, with their values, where they even out the classes."""
    switches = (("sampler", "as_drawn"), ("classifier", "as_trained"))
    return [f"train.{key} {train[key]!r}" for key, usual in switches if train[key] != usual]


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a sampler or a classifier that evens out the classes beside another remedy that does."""
    loss, train = content["loss"], content["train"]
    scheme, strategy = content["weighting"]["scheme"], content["oversample"]["strategy"]
    for name in evening_switches(train):
        if scheme != "none":
            yield f"{PATH}: {name} evens out the classes, and so does weighting.scheme {scheme!r}; take one of the two"
        if losses.adjusts(loss) and name != "train.classifier 'retrained'":  # for whose draws the loss is built anew
            yield f"{PATH}: {name} evens out the classes, and so does loss {loss!r}; take one of the two"
    if train["sampler"] == "progressive" and strategy != "none":
        yield (
            f"{PATH}: train.sampler is 'progressive', which begins with the shares that there are, but "
            f"oversample.strategy {strategy!r} has changed them; set one of the two back"
        )
    if train["classifier"] == "tau_normalised" and content["model"]["head"] == "cosine":
        yield (
            f"{PATH}: train.classifier is 'tau_normalised', which evens out the lengths of the classes' weights, but "
            "with model.head 'cosine' all have the same length already; set one of the two back"
        )


def refused_of_exclusive_classes(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what even draws of classes that exclude each other rule out."""
    if content["oversample"]["strategy"] in resampling.EVEN:
        yield from _by_even_draws(content)
    if content["train"]["classifier"] == "tau_normalised":
        yield from _normalised(content["train"]["sampler"], content["oversample"]["strategy"])


def _by_even_draws(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what goes by counts that the draws have made the same for all classes."""
    loss, scheme, strategy = content["loss"], content["weighting"]["scheme"], content["oversample"]["strategy"]
    idle = losses.prior_factors(loss, [1, 1], content["losses"][loss]) == (1.0, 1.0)
    for name, by_counts in (
        (f"weighting.scheme {scheme!r}", scheme != "none"),
        (f"loss {loss!r}", losses.adjusts(loss) and idle),
    ):
        if by_counts:
            yield (
                f"{PATH}: {name} goes by the draws of a class, which oversample.strategy {strategy!r} makes the "
                "same for all, so that it would change nothing; take one of the two"
            )


def _normalised(sampler: str, strategy: str) -> Iterator[str]:
    """Refuse to normalise the weights of classes whose draws were even."""
    for name, evens in (
        ("train.sampler 'progressive'", sampler == "progressive"),
        (f"oversample.strategy {strategy!r}", strategy != "none"),
    ):
        if evens:
            yield (
                f"{PATH}: train.classifier 'tau_normalised' evens out what training on uneven draws left, but "
                f"{name} evens out the draws; take one of the two"
            )
