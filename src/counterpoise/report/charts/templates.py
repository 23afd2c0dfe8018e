"""Templates for `dvc plots`: the charts of the tables in `reports/plots` and `study`, one colour per revision.

DVC's page draws with Vega-Lite 5, and Altair writes version 6, so templates use only what both understand.
`python -m counterpoise.report.charts.templates` writes them to `.dvc/plots`, where DVC finds them by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from counterpoise import storage
from counterpoise.report.charts import theme
from counterpoise.report.charts.precision_recall import unit_axes

FOLDER = ".dvc/plots"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
REVISION = {"field": "rev", "type": "nominal"}
"""The colour of a chart, which DVC replaces by its own colours of revisions."""


def precision_recall() -> dict[str, Any]:
    """Draw precision against recall, one line per revision."""
    x, y = unit_axes("recall", "precision", "recall", "precision")
    y = y.axis(tickCount=5, title="precision")
    tips = [alt.Tooltip("rev:N"), alt.Tooltip("recall:Q", format=".3f"), alt.Tooltip("precision:Q", format=".3f")]
    steps = _base().transform_aggregate(precision="max(precision)", groupby=["rev", "recall"])
    line = steps.mark_line(interpolate="step-before")
    chart = line.encode(x=x, y=y, order=alt.Order("recall:Q"), color=_revision(), tooltip=tips)
    return _template(chart.properties(width=300, height=300), ("recall", "precision"))


def calibration() -> dict[str, Any]:
    """Draw the observed share of each bin against its predicted probability, raw and calibrated side by side."""
    x, y = unit_axes("predicted", "observed", "predicted probability", "observed share")
    y = y.axis(tickCount=5).title("observed share")
    tips = [alt.Tooltip(f"{name}:N") for name in ("rev", "way", "predicted", "observed", "low", "high", "count")]
    diagonal = _base().mark_line(color=theme.LIGHT["axis"], strokeDash=[5, 4])
    at = alt.X("predicted:Q")
    layers = [
        diagonal.encode(x=at, y=alt.Y("predicted:Q", title="observed share")),
        _base().mark_line(strokeWidth=1).encode(x=x, y=y, color=_revision()),
        _base()
        .mark_rule()
        .encode(x=at, y=alt.Y("low:Q", title="observed share"), y2=alt.Y2("high"), color=_revision()),
        _base().mark_point(filled=True, size=60, opacity=1).encode(x=at, y=y, color=_revision(), tooltip=tips),
    ]
    chart = alt.LayerChart(layer=layers).properties(width=260, height=260)
    return _template(_side_by_side(chart, "way"), ("predicted", "observed", "low", "high", "count"))


def classes() -> dict[str, Any]:
    """Draw precision, recall and average precision of each class side by side, with intervals."""
    row = alt.Y("class:N", title=None, axis=alt.Axis(labelLimit=200))
    apart = alt.YOffset("rev:N")
    tips = [alt.Tooltip(f"{name}:N") for name in ("rev", "class", "value", "low", "high", "count", "units")]
    across = alt.X("value:Q", title=None, scale=alt.Scale(domain=[0, 1], nice=False), axis=alt.Axis(tickCount=5))
    layers = [
        _base()
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X("low:Q"), x2=alt.X2("high"), y=row, yOffset=apart, color=_revision(), tooltip=tips),
        _base()
        .mark_point(filled=True, size=60, opacity=1)
        .encode(x=across, y=row, yOffset=apart, color=_revision(), tooltip=tips),
    ]
    chart = alt.LayerChart(layer=layers).properties(width=200, height=alt.Step(26))
    return _template(_side_by_side(chart, "measure"), ("value", "low", "high", "count"))


def differences() -> dict[str, Any]:
    """Draw the difference of each arm of a study from its control, with its interval and a line at 0."""
    row = alt.Y("arm:N", title=None, sort=None, axis=alt.Axis(labelLimit=200))
    apart = alt.YOffset("rev:N")
    tips = [alt.Tooltip(f"{name}:N") for name in ("rev", "arm", "control", "word", "difference", "low", "high")]
    zero = alt.Chart().mark_rule(color=theme.LIGHT["axis"]).encode(x=alt.XDatum(0))
    span = _base().mark_rule(strokeWidth=2)
    point = _base().mark_point(filled=True, size=60, opacity=1)
    layers = [
        zero,
        span.encode(x=alt.X("low:Q"), x2=alt.X2("high"), y=row, yOffset=apart, color=_revision(), tooltip=tips),
        point.encode(
            x=alt.X("difference:Q", title="difference"), y=row, yOffset=apart, color=_revision(), tooltip=tips
        ),
    ]
    chart = alt.LayerChart(layer=layers).properties(width=400, height=alt.Step(16))
    return _template(chart, ("difference", "low", "high"))


TEMPLATES = {
    "calibration": calibration,
    "classes": classes,
    "differences": differences,
    "precision_recall": precision_recall,
}
"""Name of a template -> the function that makes it. `dvc.yaml` and `study/dvc.yaml` refer to these names."""


def _base() -> alt.Chart:
    return alt.Chart(alt.NamedData(name="dvc"))


def _revision() -> alt.Color:
    return alt.Color("rev:N")


def _side_by_side(chart: alt.LayerChart, field: str) -> alt.FacetChart:
    """Draw one chart per value of a column."""
    column = alt.Column(field=field, type="nominal", title=None)
    return alt.FacetChart(data=alt.NamedData(name="dvc"), spec=chart, facet=alt.FacetMapping(column=column))


def _template(chart: alt.TopLevelMixin, numbers: Sequence[str]) -> dict[str, Any]:
    """Turn a chart into a template: DVC fills in data, title and colours.

    Args:
        chart: The chart.
        numbers: Columns that hold numbers, since DVC passes on the texts of a CSV file.
    """
    content = _with_anchors(chart.to_dict())
    kept = {key: value for key, value in content.items() if key not in ("$schema", "config", "data")}
    data = {"values": "<DVC_METRIC_DATA>", "format": {"parse": dict.fromkeys(numbers, "number")}}
    title = {"text": "<DVC_METRIC_TITLE>", "anchor": "middle"}
    return {"$schema": SCHEMA, "data": data, "title": title, **kept}


def _with_anchors(content: Any) -> Any:  # noqa: ANN401 - any part of a specification
    """Replace the colour of revisions by DVC's anchor, and drop data sources below the top."""
    if isinstance(content, dict):
        return {
            key: "<DVC_METRIC_COLOR>" if key == "color" and value == REVISION else _with_anchors(value)
            for key, value in content.items()
            if key != "data"
        }
    return [_with_anchors(value) for value in content] if isinstance(content, list) else content


def write(root: Path) -> None:
    """Write every template to the folder in which DVC looks for them."""
    for name, template in TEMPLATES.items():
        storage.write_json(root / FOLDER / f"{name}.json", template())


if __name__ == "__main__":
    write(Path())
