"""What evens classes out, which a training may do once; and what leaves a prior that a calibrator alone can undo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses
from counterpoise.calibration import calibrators
from counterpoise.config import MANY_LABELS, ONE_CLASS, PATH
from counterpoise.imbalance import resampling


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse remedies that would move the prior twice or not at all, and calibrators that could not undo one.

    Args:
        content: A parameter file of which every single value is right.

    Yields:
        A line for each fault: what was found, why it makes no sense, what to do.
    """
    yield from _for_the_weights(content)
    yield from _for_even_draws(content)
    yield from _for_what_evens(content)
    yield from _for_the_calibrator(content)


def _for_the_weights(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse weights beside a loss that weighs already."""
    loss, task, scheme = content["loss"], content["task"], content["weighting"]["scheme"]
    block = content["losses"][loss]
    if refusal := losses.refuses_weights(loss, scheme):
        yield refusal
    if task == MANY_LABELS and block.get("alpha") is not None and loss == "focal" and scheme != "none":
        yield (
            f"{PATH}: losses.focal.alpha is {block['alpha']} and weighting.scheme is {scheme!r}, which both weigh the "
            "entries whose label is borne; set alpha to null or scheme to 'none'"
        )


def _for_even_draws(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what goes by counts that the draws have made even."""
    loss, scheme, strategy = content["loss"], content["weighting"]["scheme"], content["oversample"]["strategy"]
    if content["task"] == ONE_CLASS and strategy in resampling.EVEN:
        even = losses.prior_factors(loss, [1, 1], content["losses"][loss]) == (1.0, 1.0)
        for name, on in (
            (f"weighting.scheme {scheme!r}", scheme != "none"),
            (f"loss {loss!r}", losses.adjusts(loss) and even),
        ):
            if on:
                yield (
                    f"{PATH}: {name} goes by the draws of a class, which oversample.strategy {strategy!r} makes the "
                    "same for all, so that it would change nothing; take one of the two"
                )


def _for_what_evens(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a sampler or a classifier that evens classes out beside another remedy that does."""
    loss, train = content["loss"], content["train"]
    scheme, strategy = content["weighting"]["scheme"], content["oversample"]["strategy"]
    switches = (("sampler", "as_drawn"), ("classifier", "as_trained"))
    for name in (f"train.{key} {train[key]!r}" for key, usual in switches if train[key] != usual):
        if content["task"] == MANY_LABELS:
            yield f"{PATH}: {name} evens out classes that exclude each other; with task 'multilabel' set it back"
        if scheme != "none":
            yield f"{PATH}: {name} evens out the classes, and so does weighting.scheme {scheme!r}; take one of the two"
        if losses.adjusts(loss) and name != "train.classifier 'retrained'":  # for whose draws the loss is built anew
            yield f"{PATH}: {name} evens out the classes, and so does loss {loss!r}; take one of the two"
    if train["classifier"] == "tau_normalised" and content["task"] == ONE_CLASS:
        for name, on in (
            ("train.sampler 'progressive'", train["sampler"] == "progressive"),
            (f"oversample.strategy {strategy!r}", strategy != "none"),
        ):
            if on:
                yield (
                    f"{PATH}: train.classifier 'tau_normalised' evens out what training on uneven draws left, but "
                    f"{name} evens out the draws; take one of the two"
                )
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


def _for_the_calibrator(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a calibrator that cannot learn a prior, where no closed form knows it."""
    decide = content["decide"]
    unknown = list(_unknown(content))
    if unknown and decide["calibrator"] not in ("auto", *calibrators.WITH_BIAS):
        do = "does" if len(unknown) == 1 else "do"
        yield (
            f"{PATH}: decide.calibrator is {decide['calibrator']!r}, but what {' and '.join(unknown)} {do} to the "
            f"prior has no closed form; set it to 'auto' or one of {list(calibrators.WITH_BIAS)}, which learn the "
            "prior from validation"
        )


def _unknown(content: Mapping[str, Any]) -> Iterator[str]:
    """Name what will be unknown in the ledger."""
    if losses.prior_factors(content["loss"], [1, 1], content["losses"][content["loss"]]) is None:
        yield f"loss {content['loss']!r}"
    train, oversample = content["train"], content["oversample"]
    if content["weighting"]["defer_frac"]:
        yield "weighting.defer_frac"
    if content["task"] == MANY_LABELS and oversample["strategy"] != "none":
        yield f"oversample.strategy {oversample['strategy']!r}"
    if train["classifier"] != "retrained":  # which begins again with even draws, unmixed
        if oversample["defer_frac"]:
            yield "oversample.defer_frac"
        for key, usual in (("sampler", "as_drawn"), ("mix", "none")):
            if train[key] != usual:
                yield f"train.{key} {train[key]!r}"
    if train["classifier"] == "tau_normalised":
        yield "train.classifier 'tau_normalised'"
