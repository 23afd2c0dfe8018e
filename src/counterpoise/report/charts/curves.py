"""Precision-recall curves and calibration curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.report.charts.axes import Scale, axes, nice_ticks
from counterpoise.report.charts.frame import WIDTH, PointEstimate, legend
from counterpoise.report.charts.svg import SERIES, el, finite, label, line, marker, num, svg, whisker
from counterpoise.report.charts.texts import shown, write_count, write_value


@dataclass(frozen=True)
class PRCurve:
    """One curve of `precision_recall`.

    Attributes:
        name: The class, or another name for the legend.
        recall: Recall at each threshold, ascending or descending, shape (n,).
        precision: Precision at each threshold, shape (n,).
        operating_point: Recall and precision of the current decision; None for no marker.
        operating_point_name: Its name in the legend.
    """

    name: str
    recall: Sequence[float]
    precision: Sequence[float]
    operating_point: tuple[float, float] | None = None
    operating_point_name: str = "at the threshold"


@dataclass(frozen=True)
class Calibration:
    """One series of `reliability`: the mean predicted probability and the observed share of each bin.

    Attributes:
        name: A name such as "raw" or "calibrated".
        predicted: Mean predicted probability of each bin, shape (bins,), in [0, 1].
        observed: Observed share of each bin with its interval and count.
        series: Index of the colour; None uses the position.
    """

    name: str
    predicted: Sequence[float]
    observed: Sequence[PointEstimate]
    series: int | None = None


def precision_recall(curves: Sequence[PRCurve], *, title: str, alt: str, no_skill: float | None = None) -> str:
    """Draw precision against recall as steps, with the no-skill line and the current decision.

    Args:
        curves: One or more curves.
        title: Short name of the chart.
        alt: Text alternative.
        no_skill: Precision of a random ranking, which is the prevalence; None for no line.

    Returns:
        An SVG with one legend entry per curve.

    Raises:
        ValueError: if recall and precision of a curve have different lengths.
    """
    frame, to_x, to_y, bottom = _unit_square("recall", "precision")
    body = [frame]
    no_skill = finite(no_skill)
    if no_skill is not None:
        y = to_y(no_skill)
        body.append(line(to_x(0), y, to_x(1), y, "reference"))
    entries: list[tuple[str, str, int]] = []
    markers = []
    for s, curve in enumerate(curves):
        if len(curve.recall) != len(curve.precision):
            raise ValueError(
                f"curve {curve.name!r} has {len(curve.recall)} recalls and "
                f"{len(curve.precision)} precisions; expected the same number"
            )
        pairs = [
            (r, p)
            for r, p in ((finite(r), finite(p)) for r, p in zip(curve.recall, curve.precision, strict=True))
            if r is not None and p is not None
        ]
        if pairs:
            pairs = pairs[::-1] if pairs[0][0] > pairs[-1][0] else pairs
            body.append(el("path", d=_steps(pairs, to_x, to_y), class_=f"curve s{s % SERIES}"))
        detail = "" if pairs else "no curve"
        if curve.operating_point is not None:
            recall, precision = finite(curve.operating_point[0]), finite(curve.operating_point[1])
            detail = f"{curve.operating_point_name}: recall {write_value(recall)}, precision {write_value(precision)}"
            if recall is not None and precision is not None:
                on_curve = next((p for r, p in pairs if r >= recall - 1e-9), precision)
                markers.append(
                    line(to_x(recall), to_y(on_curve), to_x(recall), to_y(precision), f"curve s{s % SERIES}")
                )
                markers.append(marker(to_x(recall), to_y(precision), 5.5, s, shape=s, class_="mark ringed"))
        entries.append((shown(curve.name), detail, s))
    body += markers
    if no_skill is not None:
        written = f"no skill = {write_value(no_skill, 2 if no_skill >= 0.01 else 4)}"
        y = to_y(no_skill) + (16 if no_skill > 0.9 else -6)
        body.append(label(to_x(0) + 6, y, written, size=12, class_="halo"))
    drawn, height = legend(entries, bottom + 46)
    return svg(WIDTH, height, [*body, drawn], title=title, alt=alt, kind="precision-recall")


def reliability(series: Sequence[Calibration], *, title: str, alt: str, unit: str = "images") -> str:
    """Draw the observed share against the predicted probability, with intervals and the diagonal.

    Args:
        series: Series such as raw and calibrated. Empty bins are left out.
        title: Short name of the chart.
        alt: Text alternative.
        unit: What bins contain, in the plural.

    Returns:
        An SVG. The area of a point grows with the count of its bin.

    Raises:
        ValueError: if predictions and observed shares of a series have different lengths.
    """
    frame, to_x, to_y, bottom = _unit_square("predicted probability", "observed share")
    body = [frame, line(to_x(0), to_y(0), to_x(1), to_y(1), "reference")]
    most = max((e.count or 0 for one in series for e in one.observed), default=0)
    entries: list[tuple[str, str, int]] = []
    for shape, one in enumerate(series):
        s = shape if one.series is None else one.series
        if len(one.predicted) != len(one.observed):
            raise ValueError(
                f"series {one.name!r} has {len(one.predicted)} predictions and "
                f"{len(one.observed)} observed shares; expected the same number"
            )
        bins = [
            (x, y, e)
            for x, y, e in ((finite(p), finite(e.value), e) for p, e in zip(one.predicted, one.observed, strict=True))
            if x is not None and y is not None and e.count != 0
        ]
        if len(bins) > 1:
            coordinates = " ".join(f"{num(to_x(x))},{num(to_y(y))}" for x, y, _ in bins)
            body.append(el("polyline", points=coordinates, class_=f"curve thin s{s % SERIES}"))
        for x, _, e in bins:
            if e.interval is not None:
                body.append(whisker(to_x(x), to_y(e.interval[0]), to_x(x), to_y(e.interval[1]), s, cap=3))
        for x, y, e in bins:
            radius = 4.0 if e.count is None or most == 0 else 3.0 + 5.0 * math.sqrt(e.count / most)
            tip = f"{one.name}: predicted {write_value(x)}, observed {e.text}"
            body.append(marker(to_x(x), to_y(y), radius, s, shape=shape, class_="mark see-through", tip=tip))
        known = [e.count for _, _, e in bins if e.count is not None]
        detail = "all bins are empty" if not bins else ""
        if known:
            least, largest = write_count(min(known)), write_count(max(known))
            sizes = f"{least} to {largest}" if least != largest else least
            detail = f"{len(bins)} {'bin' if len(bins) == 1 else 'bins'} of {sizes} {unit}"
        entries.append((shown(one.name), detail, s))
    drawn, height = legend(entries, bottom + 46)
    body += [drawn, line(8, height + 4, 30, height + 4, "reference")]
    body.append(label(38, height + 8, "perfectly calibrated", size=12, class_="muted"))
    return svg(WIDTH, height + 18, body, title=title, alt=alt, kind="reliability")


def _steps(pairs: Sequence[tuple[float, float]], to_x: Scale, to_y: Scale) -> str:
    """Write the curve as steps, so that the area below it is the average precision."""
    x, y = num(to_x(0)), num(to_y(pairs[0][1]))
    path = [f"M{x} {y}"]
    for recall, precision in pairs:
        next_x, next_y = num(to_x(recall)), num(to_y(precision))
        if next_x != x:
            path.append(f"H{next_x}" if next_y == y else f"V{next_y}H{next_x}")
            x, y = next_x, next_y
    return "".join(path)


def _unit_square(x_label: str, y_label: str) -> tuple[str, Scale, Scale, float]:
    """Draw two axes from 0 to 1; return the drawing, both scales and the lower edge."""
    ticks = nice_ticks(0, 1)
    bottom = 326.0
    frame, to_x, to_y = axes(ticks, ticks, 36, WIDTH - 14, 30, bottom, x_label=x_label, y_label=y_label)
    return frame, to_x, to_y, bottom
