"""The trade-off between precision and recall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from counterpoise.report.charts import frame, theme
from counterpoise.report.charts.frame import Padding
from counterpoise.report.texts import write_value

if TYPE_CHECKING:
    import pandas as pd

PADDING = Padding(44, 12, 56, 46)
"""Of the two charts whose axes both go from 0 to 1."""
HEIGHT = 300


def unit_axes(x: str, y: str, x_title: str, y_title: str) -> tuple[alt.X, alt.Y]:
    """Place two columns of values in [0, 1]. `assemble` writes the vertical title above the axis."""
    scale = alt.Scale(domain=[0, 1], nice=False)
    across = alt.Axis(title=x_title, tickCount=5, grid=True, titleY=34)
    upwards = alt.Axis(title=y_title, tickCount=5, titleAngle=0, titleAlign="left", titleX=-36, titleY=-14)
    return (
        alt.X(field=x, type="quantitative", scale=scale, axis=across),
        alt.Y(field=y, type="quantitative", scale=scale, axis=upwards),
    )


def precision_recall(
    curve: pd.DataFrame, *, point: tuple[float, float], point_name: str, no_skill: float, title: str, description: str
) -> alt.LayerChart:
    """Draw precision against recall as steps, so that the area below is the average precision.

    Args:
        curve: `recall` and `precision` at each threshold, in any order.
        point: Recall and precision of the current decision; NaN if undefined.
        point_name: What the point is, such as "at the threshold".
        no_skill: Precision of a random ranking, which is the prevalence; NaN for no line.
        title: Heading.
        description: Text alternative.
    """
    focus = theme.color("focus")
    x, y = unit_axes("recall", "precision", "recall", "precision")
    rows = frame.data(_corners(curve))
    tips = [alt.Tooltip(f"{name}:Q", format=".2f") for name in ("recall", "precision")]
    line = alt.Chart(rows).mark_line(interpolate="step-before", color=focus, strokeWidth=2)
    layers = [line.encode(x=x, y=y, order=alt.Order("recall:Q"), tooltip=tips)]
    layers += _no_skill(no_skill) + _point(point, point_name)
    padding = PADDING._replace(bottom=PADDING.bottom + 26)
    return frame.assemble(layers, HEIGHT, padding, title=title, description=description)


def _corners(curve: pd.DataFrame) -> pd.DataFrame:
    """Keep the ends of each horizontal and vertical piece of the steps: the same picture from fewer points."""
    known = curve[["recall", "precision"]].dropna().sort_values(["recall", "precision"], ascending=[True, False])
    known = known.drop_duplicates("recall", keep="first")
    same = known["precision"].eq(known["precision"].shift(-1)) & known["precision"].eq(known["precision"].shift(1))
    return known[~same]


def _no_skill(value: float) -> list[alt.Chart]:
    rows = [{"y": value, "text": f"no skill {write_value(value, 2 if value >= 0.01 else 4)}"}] if value == value else []
    base = alt.Chart(frame.inline(rows)).encode(y=alt.Y("y:Q"))
    line = base.mark_rule(color=theme.color("axis"), strokeDash=[5, 4], strokeWidth=1.5)
    text = base.mark_text(align="left", baseline="bottom" if value < 0.9 else "top", dx=6, dy=-4 if value < 0.9 else 5)
    return [line, text.encode(x=alt.XValue(0), text=alt.Text("text:N"))] if rows else []


def _point(point: tuple[float, float], name: str) -> list[alt.Chart]:
    """Draw the current decision as a large dot, and its values below the chart."""
    recall, precision = point
    text = f"{name}: recall {write_value(recall)}, precision {write_value(precision)}"
    focus, card = theme.color("focus"), theme.color("card")
    entry = (text, alt.MarkDef(type="circle", size=110, color=focus, opacity=1))
    words = frame.key([entry], 8 - PADDING.left, HEIGHT + PADDING.bottom)
    if recall != recall or precision != precision:
        return words
    base = alt.Chart(frame.inline([{"recall": recall, "precision": precision, "text": text}]))
    dot = base.mark_circle(size=150, color=focus, stroke=card, strokeWidth=2, opacity=1)
    return [dot.encode(x=alt.X("recall:Q"), y=alt.Y("precision:Q"), tooltip=frame.tooltip({"text": ""})), *words]
