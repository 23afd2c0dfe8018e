"""Remedies of which no closed form says what they do to the prior, beside a calibrator that cannot learn it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses, tasks
from counterpoise.calibration import calibrators
from counterpoise.config import PATH


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a calibrator that cannot learn a prior, where no closed form knows it."""
    calibrator = content["decide"]["calibrator"]
    unknown = list(_unknown(content))
    if unknown and calibrator not in ("auto", *calibrators.WITH_BIAS):
        do = "does" if len(unknown) == 1 else "do"
        yield (
            f"{PATH}: decide.calibrator is {calibrator!r}, but what {' and '.join(unknown)} {do} to the prior has no "
            f"closed form; set it to 'auto' or one of {list(calibrators.WITH_BIAS)}, which learn the prior from "
            "validation"
        )


def _unknown(content: Mapping[str, Any]) -> Iterator[str]:
    """Name what will be unknown in the ledger."""
    loss, train, oversample = content["loss"], content["train"], content["oversample"]
    if losses.prior_factors(loss, [1, 1], content["losses"][loss]) is None:
        yield f"loss {loss!r}"
    if content["weighting"]["defer_frac"]:
        yield "weighting.defer_frac"
    if oversample["strategy"] != "none" and not tasks.find(content["task"]).RESAMPLING_HAS_CLOSED_FORM:
        yield f"oversample.strategy {oversample['strategy']!r}"
    if train["classifier"] != "retrained":  # which begins again with even draws, unmixed
        if oversample["defer_frac"]:
            yield "oversample.defer_frac"
        for key, usual in (("sampler", "as_drawn"), ("mix", "none")):
            if train[key] != usual:
                yield f"train.{key} {train[key]!r}"
    if train["classifier"] == "tau_normalised":
        yield "train.classifier 'tau_normalised'"
