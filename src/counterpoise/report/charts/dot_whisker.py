"""Values with intervals, one row per variant, such as raw, calibrated and re-decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from counterpoise.report.charts.axes import axes, nice_ticks
from counterpoise.report.charts.frame import WIDTH, PointEstimate, nothing
from counterpoise.report.charts.svg import el, escape, finite, label, line, marker, svg, text_width, whisker
from counterpoise.report.charts.texts import shown, write_value

NAME_WIDTH = 104.0
"""Largest width of the name of a variant."""


@dataclass(frozen=True)
class Measure:
    """One block of `dots_by_way`.

    Attributes:
        name: Name of the metric or of the place.
        variants: The value of each variant.
        note: A remark such as "lower is better".
        reference: A value to compare with, such as that of no skill, drawn as a tick; None for no tick.
    """

    name: str
    variants: Mapping[str, PointEstimate] = field(default_factory=dict)
    note: str = ""
    reference: float | None = None


def dots_by_way(
    measures: Sequence[Measure],
    *,
    title: str,
    alt: str,
    domain: tuple[float, float] | None = None,
    series: Mapping[str, int] | None = None,
    reference_name: str = "no skill",
) -> str:
    """Draw, for each metric, the value of each variant (such as raw, calibrated, re-decided) with its interval.

    Args:
        measures: Blocks, from top to bottom. A variant has the same colour and shape in all of them.
        title: Short name of the chart.
        alt: Text alternative.
        domain: Ends of the common axis; None for 0 to 1, extended if the values need it.
        series: Index of the colour of each variant; None uses their order.
        reference_name: The meaning of the ticks.

    Returns:
        An SVG.
    """
    variants = list(dict.fromkeys(variant for measure in measures for variant in measure.variants))
    if not variants:
        return nothing(title, alt, "ways")
    if domain is None:
        estimates = [e for measure in measures for e in measure.variants.values()]
        ends = [finite(v) for e in estimates for v in (e.value, *(e.interval or ()))]
        values = [v for v in ends if v is not None]
        domain = (min([0.0, *values]), max([1.0, *values]))
    printed = [[e.text.split(", n =")[0] for e in measure.variants.values()] for measure in measures]
    left = 10 + min(max(text_width(shown(variant), 12) for variant in variants), NAME_WIDTH) + 8
    right = WIDTH - 8 - max(text_width(text, 12) for texts in printed for text in texts) - 8
    head, pitch = 24.0, 21.0
    bottom = sum(head + pitch * len(measure.variants) + 8 for measure in measures) + 4
    frame, to_x, _ = axes(nice_ticks(*domain, 2), (), left, right, 22, bottom)
    body = [frame]
    y = 0.0
    for measure, texts in zip(measures, printed, strict=True):
        room = WIDTH - 16
        if measure.note:
            note_width = min(text_width(measure.note, 12), 150.0)
            class_ = "muted halo"
            note = label(
                WIDTH - 8,
                y + 18,
                measure.note,
                size=12,
                anchor="end",
                class_=class_,
                max_width=note_width + 1,
            )
            body.append(note)
            room -= note_width + 10
        body.append(label(8, y + 18, shown(measure.name), class_="strong halo", max_width=room))
        y += head
        if (tick := finite(measure.reference)) is not None and measure.variants:
            tip = el("title", escape(f"{reference_name} = {write_value(tick)}"))
            foot = y + pitch * len(measure.variants) - 3
            body.append(el("line", tip, x1=to_x(tick), y1=y + 3, x2=to_x(tick), y2=foot, class_="tick"))
        for (variant, e), text in zip(measure.variants.items(), texts, strict=True):
            shape, middle = variants.index(variant), y + pitch / 2
            s = shape if series is None else series[variant]
            body.append(label(10, middle + 4, shown(variant), size=12, max_width=NAME_WIDTH))
            value, interval = finite(e.value), e.interval
            if interval is not None:
                body.append(whisker(to_x(interval[0]), middle, to_x(interval[1]), middle, s))
            if value is not None:
                body.append(marker(to_x(value), middle, 4.5, s, shape=shape, tip=f"{variant}: {e.text}"))
            class_ = "" if value is not None else "muted"
            body.append(label(WIDTH - 8, middle + 4, text, size=12, anchor="end", class_=class_))
            y += pitch
        y += 8
    height = bottom + 26
    if any(finite(measure.reference) is not None for measure in measures):
        body.append(line(left + 3, height, left + 3, height + 14, "tick"))
        body.append(label(left + 12, height + 11, reference_name, size=12, class_="muted"))
        height += 20
    return svg(WIDTH, height, body, title=title, alt=alt, kind="ways")
