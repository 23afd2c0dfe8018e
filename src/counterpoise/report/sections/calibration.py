"""The section of the report that compares predicted probabilities with observed frequencies."""

from __future__ import annotations

import numpy as np

from counterpoise.report.charts import curves
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.texts import write_value
from counterpoise.report.facts import Facts
from counterpoise.report.parts import Part, as_markup
from counterpoise.report.sections.variants import COLOURS


def calibration(facts: Facts) -> Part:
    """Compare predicted probabilities with observed frequencies, raw and calibrated."""
    table = facts.tables["calibration"]
    series = []
    for variant in dict.fromkeys(table["way"]):
        rows = table[table["way"] == variant]
        observed = [
            PointEstimate(row["observed"], row["low"], row["high"], int(row["count"]))
            for row in rows.to_dict("records")
        ]
        series.append(curves.Calibration(variant, rows["predicted"].tolist(), observed, COLOURS.get(variant)))
    words = facts.words
    alt = f"Observed share of {words.observed} by predicted probability. " + " ".join(
        f"{one.name}: "
        + "; ".join(f"{write_value(x)}: {y.text}" for x, y in zip(one.predicted, one.observed, strict=True))
        + "."
        for one in series
    )
    chart = curves.reliability(series, title="Calibration", alt=alt, unit=words.calibration_unit)
    text = _change(*(facts.estimate(variant, "expected_calibration_error") for variant in ("raw", "calibrated")))
    rows = table[table["way"] == "calibrated"]
    if len(rows):
        predicted, observed_share = (
            float(np.average(rows[column], weights=rows["count"])) for column in ("predicted", "observed")
        )
        text += facts.task.calibrated_sentence(predicted, observed_share)
    caption = (
        f"{words.calibration_scope} Below the diagonal, the model is too confident. Larger points hold more "
        f"{words.calibration_unit}."
    )
    return Part("calibration", "Calibration", (text,), as_markup({"": chart}), caption, "decided")


def _change(raw: PointEstimate, calibrated: PointEstimate) -> str:
    """Say whether the error changed by more than its intervals."""
    if raw.value is None or calibrated.value is None:
        return ""
    text = (
        "The expected calibration error, the mean gap between probability and observed frequency, is "
        f"{raw.text} raw and {calibrated.text} calibrated. "
    )
    if raw.overlaps(calibrated):
        return text + "The separate intervals overlap; the report does not test the difference. "
    return text + ("Calibration lowered it. " if calibrated.value < raw.value else "Calibration raised it. ")
