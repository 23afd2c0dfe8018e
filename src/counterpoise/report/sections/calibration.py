"""The section of the report that compares predicted probabilities with observed frequencies."""

from __future__ import annotations

import math

import numpy as np

from counterpoise.metrics.difference import Difference
from counterpoise.report.charts import curves
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.texts import write_value
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, as_markup
from counterpoise.report.sections.variants import COLOURS, write_difference


def calibration(facts: Facts) -> Part:
    """Compare predicted probabilities with observed frequencies, raw and calibrated."""
    table = facts.tables["calibration"]
    series, units = [], {}
    for variant in dict.fromkeys(table["way"]):
        rows = table[table["way"] == variant]
        observed = [
            PointEstimate(row["observed"], row["low"], row["high"], int(row["count"]))
            for row in rows.to_dict("records")
        ]
        units[variant] = rows["units"].tolist()
        series.append(curves.Calibration(variant, rows["predicted"].tolist(), observed, COLOURS.get(variant)))
    words = facts.words
    alt = f"Observed share of {words.observed} by predicted probability. " + " ".join(
        f"{one.name}: "
        + "; ".join(
            f"{write_value(x)}: {y.text} of {counted(number, 'unit')}"
            for x, y, number in zip(one.predicted, one.observed, units[one.name], strict=True)
        )
        + "."
        for one in series
    )
    chart = curves.reliability(series, title="Calibration", alt=alt, unit=words.calibration_unit)
    text = _errors(*(facts.estimate(variant, "expected_calibration_error") for variant in ("raw", "calibrated")))
    raw, calibrated = (facts.score(variant, "brier_score") for variant in ("raw", "calibrated"))
    text += _change(raw, calibrated, facts.difference("brier_score"))
    rows = table[table["way"] == "calibrated"]
    if len(rows):
        predicted, observed_share = (
            float(np.average(rows[column], weights=rows["count"])) for column in ("predicted", "observed")
        )
        text += facts.task.calibrated_sentence(predicted, observed_share)
    caption = (
        f"{words.calibration_scope} Below the diagonal, the model is too confident. Larger points hold more "
        f"{words.calibration_unit}. Points without a line hold images of one unit."
    )
    return Part("calibration", "Calibration", (text,), as_markup({"": chart}), caption, "decided")


def _errors(raw: PointEstimate, calibrated: PointEstimate) -> str:
    """State the calibration error raw and calibrated; it is too biased with few images for a comparison."""
    if raw.value is None or calibrated.value is None:
        return ""
    return (
        "The expected calibration error, the mean gap between probability and observed frequency, is "
        f"{raw.text} raw and {calibrated.text} calibrated; few images make it too large. "
    )


def _change(raw: float, calibrated: float, gain: Difference) -> str:
    """Say whether calibration changed the squared error of the probabilities, image by image."""
    if math.isnan(gain.value):
        return ""
    text = f"the Brier score, the mean squared error of the probabilities, from {write_value(raw, 3)} to "
    text += write_value(calibrated, 3)
    if math.isnan(gain.low):
        return f"Calibration moved {text}; there is no interval for the difference. "
    if not gain.clear:
        return f"No clear change of {text}: {write_difference(gain, 3)}. "
    return f"Calibration {'lowered' if gain.value < 0 else 'raised'} {text}: {write_difference(gain, 3)}. "
