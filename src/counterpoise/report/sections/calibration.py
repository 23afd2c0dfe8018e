"""The section of the report that compares predicted probabilities with observed frequencies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.metrics.difference import Difference
from counterpoise.report.charts.calibration import calibration as draw
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, drawn
from counterpoise.report.sections.variants import write_difference
from counterpoise.report.texts import PointEstimate, write_count, write_value
from counterpoise.report.units import ROUGH

if TYPE_CHECKING:
    import pandas as pd


def calibration(facts: Facts) -> Part:
    """Compare predicted probabilities with observed frequencies, raw and calibrated."""
    table = facts.tables["calibration"]
    words = facts.words
    observed = [PointEstimate(*ends).text for ends in table[["observed", "low", "high"]].to_numpy().tolist()]
    bins = table.assign(
        printed=[f"{text} of {counted(units, 'unit')}" for text, units in zip(observed, table["units"], strict=True)]
    )
    by_way = {str(way): rows for way, rows in bins.groupby("way", sort=False)}
    description = f"Observed share of {words.observed} by predicted probability. " + " ".join(
        f"{way}: "
        + "; ".join(f"{write_value(x)}: {y}" for x, y in zip(rows["predicted"], rows["printed"], strict=True))
        + "."
        for way, rows in by_way.items()
    )
    chart = draw(
        bins,
        details={way: f"{way}: {_sizes(rows, words.calibration_unit)}" for way, rows in by_way.items()},
        unit=words.calibration_unit,
        title="Observed share by predicted probability",
        description=description,
    )
    text = ""
    rows = table[table["way"] == "calibrated"]
    if len(rows):
        predicted, observed_share = (
            float(np.average(rows[column], weights=rows["count"])) for column in ("predicted", "observed")
        )
        text = f"{facts.task.calibrated_sentence(predicted, observed_share)} "
    raw, calibrated = (facts.score(variant, "brier_score") for variant in ("raw", "calibrated"))
    text += _change(raw, calibrated, facts.difference("brier_score"), facts.rests_on("brier_score"))
    caption = (
        f"{words.calibration_scope} Below the diagonal, the model is too confident. Larger points hold more "
        f"{words.calibration_unit}. Points without an interval hold images of one unit. "
    )
    caption += _errors(*(facts.estimate(variant, "expected_calibration_error") for variant in ("raw", "calibrated")))
    return Part("calibration", "Calibration", (text.strip(),), drawn(chart), caption.strip(), "decided")


def _sizes(rows: pd.DataFrame, unit: str) -> str:
    """Say how many bins there are, and how much they hold."""
    least, most = (write_count(count) for count in (rows["count"].min(), rows["count"].max()))
    return f"{counted(len(rows), 'bin')} of {least if least == most else f'{least} to {most}'} {unit}"


def _errors(raw: PointEstimate, calibrated: PointEstimate) -> str:
    """State the calibration error raw and calibrated; it is too biased with few images for a comparison."""
    if raw.value is None or calibrated.value is None:
        return ""
    return (
        "The expected calibration error, the mean gap between probability and observed frequency, is "
        f"{raw.text} raw and {calibrated.text} calibrated. Of few images, it is larger than it would be of many. "
    )


def _change(raw: float, calibrated: float, gain: Difference, units: int) -> str:
    """Say whether calibration changed the squared error of the probabilities, image by image."""
    if math.isnan(gain.value):
        return ""
    text = f"the Brier score, the mean squared error of the probabilities, from {write_value(raw, 3)} to "
    text += write_value(calibrated, 3)
    if math.isnan(gain.low):
        return f"Calibration moved {text}; there is no interval for the difference. "
    if units < ROUGH:
        return f"{text[0].upper()}{text[1:]}, is not compared: test has only {counted(units, 'unit')}. "
    if not gain.clear:
        return f"No clear change of {text}: {write_difference(gain, 3)}. "
    return f"Calibration {'lowered' if gain.value < 0 else 'raised'} {text}: {write_difference(gain, 3)}. "
