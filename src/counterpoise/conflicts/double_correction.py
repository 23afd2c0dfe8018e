"""Remedies that would correct the class prior twice, or that another remedy leaves without effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses
from counterpoise.config import PATH
from counterpoise.imbalance import resampling


def rebalancing_switches(train: Mapping[str, Any]) -> dict[str, str]:
    """Find the sampler and the classifier of section `train` where they rebalance the classes.

    Returns:
        Name and value, as an error names them -> the value that switches it off.
    """
    switches = (("sampler", "as_drawn"), ("classifier", "as_trained"))
    return {f"train.{key} {train[key]!r}": usual for key, usual in switches if train[key] != usual}


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a sampler or a classifier that rebalances the classes if another remedy does the same."""
    loss, train = content["loss"], content["train"]
    scheme, strategy = content["weighting"]["scheme"], content["oversample"]["strategy"]
    for name in rebalancing_switches(train):
        if scheme != "none":
            yield f"{PATH}: {name} rebalances the classes, and so does weighting.scheme {scheme!r}; take one of the two"
        if losses.adjusts(loss) and name != "train.classifier 'retrained'":  # which builds the loss again
            yield f"{PATH}: {name} rebalances the classes, and so does loss {loss!r}; take one of the two"
    if train["sampler"] == "progressive" and strategy != "none":
        yield (
            f"{PATH}: train.sampler is 'progressive', which starts from the natural class shares, but "
            f"oversample.strategy {strategy!r} changes them; set train.sampler to 'as_drawn', or oversample.strategy "
            "to 'none'"
        )
    if train["classifier"] == "tau_normalised" and content["model"]["head"] == "cosine":
        yield (
            f"{PATH}: train.classifier is 'tau_normalised', which makes the weights of all classes equally long, but "
            "with model.head 'cosine' they already are; set train.classifier to 'as_trained', or model.head to 'linear'"
        )


def refused_of_exclusive_classes(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what has no effect, or the opposite one, once classes have equally many samples; multiclass only."""
    if content["oversample"]["strategy"] in resampling.EVEN:
        yield from _by_even_draws(content)
    if content["train"]["classifier"] == "tau_normalised":
        yield from _normalised(content["train"]["sampler"], content["oversample"]["strategy"])


def _by_even_draws(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what uses class counts where oversampling has made all counts the same."""
    loss, scheme, strategy = content["loss"], content["weighting"]["scheme"], content["oversample"]["strategy"]
    idle = losses.prior_factors(loss, [1, 1], content["losses"][loss]) == (1.0, 1.0)
    for name, by_counts in (
        (f"weighting.scheme {scheme!r}", scheme != "none"),
        (f"loss {loss!r}", losses.adjusts(loss) and idle),
    ):
        if by_counts:
            yield (
                f"{PATH}: {name} uses the samples per class, but with oversample.strategy {strategy!r} all classes "
                "have equally many, so it would change nothing; take one of the two"
            )


def _normalised(sampler: str, strategy: str) -> Iterator[str]:
    """Refuse to normalise the weights of classes that had equally many samples."""
    for name, evens in (
        ("train.sampler 'progressive'", sampler == "progressive"),
        (f"oversample.strategy {strategy!r}", strategy != "none"),
    ):
        if evens:
            yield (
                f"{PATH}: train.classifier 'tau_normalised' corrects what training on imbalanced samples causes, but "
                f"{name} balances the samples; take one of the two"
            )
