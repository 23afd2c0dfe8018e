"""Figures side by side: the value of each way to do a thing, with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from counterpoise.report.charts.axes import axes, nice_ticks
from counterpoise.report.charts.frame import WIDTH, PointEstimate, nothing
from counterpoise.report.charts.svg import el, escape, finite, label, line, marker, svg, text_width, whisker
from counterpoise.report.charts.texts import shown, write_value


@dataclass(frozen=True)
class Measure:
    """One block of `dots_by_way`.

    Attributes:
        name: Of the metric, or of the place.
        ways: The value of each way.
        note: Such as "lower is better".
        reference: A value to compare with, drawn as a tick, such as that of guessing; None for none.
    """

    name: str
    ways: Mapping[str, PointEstimate] = field(default_factory=dict)
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
    """Draw, metric by metric, the value of each way (raw, calibrated, re-decided) with its interval.

    Args:
        measures: Blocks, from top to bottom; a way keeps its colour and shape through all of them.
        title: Short name of the chart.
        alt: Text alternative.
        domain: Ends of the common axis; None takes 0 to 1, or more where the values need it.
        series: Index of the colour of each way; None takes their order.
        reference_name: What the tick of a block stands for.

    Returns:
        An SVG.
    """
    ways = list(dict.fromkeys(way for measure in measures for way in measure.ways))
    if not ways:
        return nothing(title, alt, "ways")
    if domain is None:
        estimates = [e for measure in measures for e in measure.ways.values()]
        ends = [finite(v) for e in estimates for v in (e.value, *(e.interval or ()))]
        values = [v for v in ends if v is not None]
        domain = (min([0.0, *values]), max([1.0, *values]))
    printed = [[e.text.split(", n =")[0] for e in measure.ways.values()] for measure in measures]
    left = 10 + min(max(text_width(shown(way), 12) for way in ways), 92.0) + 8
    right = WIDTH - 8 - max(text_width(text, 12) for texts in printed for text in texts) - 8
    head, pitch = 24.0, 21.0
    bottom = sum(head + pitch * len(measure.ways) + 8 for measure in measures) + 4
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
        if (guess := finite(measure.reference)) is not None and measure.ways:
            tip = el("title", escape(f"{reference_name} = {write_value(guess)}"))
            foot = y + pitch * len(measure.ways) - 3
            body.append(el("line", tip, x1=to_x(guess), y1=y + 3, x2=to_x(guess), y2=foot, class_="tick"))
        for (way, e), text in zip(measure.ways.items(), texts, strict=True):
            shape, middle = ways.index(way), y + pitch / 2
            s = shape if series is None else series[way]
            body.append(label(10, middle + 4, shown(way), size=12, max_width=92))
            value, interval = finite(e.value), e.interval
            if interval is not None:
                body.append(whisker(to_x(interval[0]), middle, to_x(interval[1]), middle, s))
            if value is not None:
                body.append(marker(to_x(value), middle, 4.5, s, shape=shape, tip=f"{way}: {e.text}"))
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
