"""Remedies with an unknown effect on the prior, together with a calibrator that cannot learn the prior."""

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
        change = "changes" if len(unknown) == 1 else "change"
        yield (
            f"{PATH}: decide.calibrator is {calibrator!r}, but {' and '.join(unknown)} {change} the prior in a way "
            f"that has no closed form; set decide.calibrator to 'auto' or one of {list(calibrators.WITH_BIAS)}, which "
            "learn the prior from validation"
        )


def _unknown(content: Mapping[str, Any]) -> Iterator[str]:
    """Name what the ledger will list as unknown."""
    loss, train, oversample = content["loss"], content["train"], content["oversample"]
    if losses.prior_factors(loss, [1, 1], content["losses"][loss]) is None:
        yield f"loss {loss!r}"
    if content["weighting"]["defer_frac"]:
        yield "weighting.defer_frac"
    if oversample["strategy"] != "none" and not tasks.find(content["task"]).RESAMPLING_HAS_CLOSED_FORM:
        yield f"oversample.strategy {oversample['strategy']!r}"
    if oversample["empty_ratio"] is not None:
        yield "oversample.empty_ratio"
    if oversample["majority_only"] != "keep":
        yield "oversample.majority_only 'drop'"
    if train["classifier"] != "retrained":  # which starts again from balanced, unmixed samples
        if oversample["defer_frac"]:
            yield "oversample.defer_frac"
        for key, usual in (("sampler", "as_drawn"), ("mix", "none")):
            if train[key] != usual:
                yield f"train.{key} {train[key]!r}"
    if train["classifier"] == "tau_normalised":
        yield "train.classifier 'tau_normalised'"
