"""The part of the report page that shows whether probabilities mean what they say."""

from __future__ import annotations

import numpy as np

from counterpoise.report.charts import curves
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_value
from counterpoise.report.facts import Facts
from counterpoise.report.parts import Part, as_markup
from counterpoise.report.sections.variants import COLOURS


def calibration(facts: Facts) -> Part:
    """Show whether probabilities mean what they say."""
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
    raw, calibrated = (facts.score(variant, "expected_calibration_error") for variant in ("raw", "calibrated"))
    text = ""
    if finite(raw) is not None and finite(calibrated) is not None:
        change = "fell" if calibrated < raw else "did not fall"
        text = (
            f"The gap between what is said and what is so (expected calibration error) {change}: "
            f"{write_value(raw, 3)} raw, {write_value(calibrated, 3)} calibrated by “{facts.decision.calibrator}”. "
        )
    rows = table[table["way"] == "calibrated"]
    if len(rows):
        predicted, observed_share = (
            float(np.average(rows[column], weights=rows["count"])) for column in ("predicted", "observed")
        )
        text += facts.task.calibrated_sentence(predicted, observed_share)
    caption = (
        f"{words.calibration_scope} Points below the diagonal: too sure. Larger points hold more "
        f"{words.calibration_unit}."
    )
    return Part("calibration", "Calibration", (text,), as_markup({"": chart}), caption, "decided")
