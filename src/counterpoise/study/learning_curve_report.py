"""How figures grow with the labels that are learned from: curves, what they say in words, and a picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterpoise import report
from counterpoise.metrics import intervals
from counterpoise.report.charts import frame, ways
from counterpoise.report.charts.svg import el, escape
from counterpoise.report.charts.texts import write_prevalence
from counterpoise.study import power_law

STYLE = Path(report.__file__).parent / "style.css"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A figure at each share of train, and with twice the labels.

    Attributes:
        name: Of the figure.
        values: (f,) means over the replicates.
        ranges: For each of them its 95 % interval.
        gain: What twice the labels would bring; NaN where no power law fits.
        range: Its 95 % interval; `undefined` counts resamples that no power law fits.
        exponent: Of the power law.
    """

    name: str
    values: tuple[float, ...]
    ranges: tuple[intervals.Interval, ...]
    gain: float
    range: intervals.Interval
    exponent: float


@dataclass(frozen=True)
class Found:
    """Learning curves.

    Attributes:
        shares: (f,) of train.
        images: Images of train at each share, and with twice the labels; means over the replicates.
        borne: How many of them bear the class that matters.
        positive: The class that matters.
        prevalence: Its share in the target, at which its average precision is stated; guessing has as much.
        resamples: Of validation and replicates.
        curves: The second is that of the class that matters.
    """

    shares: tuple[Fraction, ...]
    images: tuple[float, ...]
    borne: tuple[float, ...]
    positive: str
    prevalence: float
    resamples: int
    curves: tuple[Curve, ...]


def curve(name: str, shares: Sequence[Fraction], values: Floats, rng: np.random.Generator) -> Curve:
    """Draw a curve through a figure, and go on to twice the labels.

    Args:
        name: Of the figure.
        shares: (f,) of train.
        values: (r, f, 1 + b) of r replicates, on validation as it is and in b resamples of it.
        rng: Resamples the replicates.
    """
    ms = np.array([float(share) for share in shares])
    plain = values[:, :, 0].mean(axis=0)
    again = power_law.resampled(values[:, :, 1:], rng)
    point, spread = power_law.fit(ms, 1 - plain[None]), power_law.fit(ms, 1 - again)
    return Curve(
        name,
        tuple(plain.tolist()),
        tuple(intervals.percentile(again[:, index]) for index in range(len(ms))),
        float(point.gain[0]),
        intervals.percentile(spread.gain),
        float(point.exponent[0]),
    )


def table(found: Found) -> str:
    """Write the curves, share by share, and in a sentence what twice the labels would bring."""
    head = ["of train", "images", f"of {found.positive}", *(own.name for own in found.curves)]
    rows = [head]
    for index, share in enumerate(found.shares):
        texts = [_with_range(own.values[index], own.ranges[index]) for own in found.curves]
        rows.append([str(share), f"{found.images[index]:.0f}", f"{found.borne[index]:.0f}", *texts])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", *(sentence(found, own) for own in reversed(found.curves))]
    lines.append(
        f"Average precision of {found.positive} is stated at {write_prevalence(found.prevalence)} of it, the share "
        f"that the target holds; guessing has {found.prevalence:.3f}. "
        "Brackets are 95 % intervals over replicates and images of validation, whose figures these are. As epochs, "
        "calibration and thresholds were chosen on it too, levels are somewhat too high; small parts choose among more "
        "epochs, so that the gain may be somewhat larger. What is said of labels that there are not yet rests on a "
        "power law besides, for which no interval can vouch."
    )
    return "\n".join(lines)


def _with_range(value: float, interval: intervals.Interval) -> str:
    return f"{value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def sentence(found: Found, own: Curve) -> str:
    """Say what twice the labels would bring to one figure."""
    twice = f"Twice the labels ({found.images[-1]:.0f} images, {found.borne[-1]:.0f} of {found.positive})"
    if not np.isfinite(own.gain):
        return f"{twice}: no power law fits {own.name}, so that nothing can be said; more replicates may help."
    text = f"{twice} would bring {own.gain:+.3f} [{own.range.low:+.3f}, {own.range.high:+.3f}] of {own.name}"
    if own.range.low <= 0 <= own.range.high:
        text += "; that may be nothing, as the interval holds 0"
    if own.range.undefined:
        text += f"; no power law fits {own.range.undefined} of {found.resamples} resamples, which are left out"
    return f"{text}."


def chart(found: Found) -> str:
    """Draw the curves as an SVG that stands alone."""
    measures = []
    for index, share in enumerate(found.shares):
        estimates = {
            own.name: frame.PointEstimate(own.values[index], own.ranges[index].low, own.ranges[index].high)
            for own in found.curves
        }
        part = "all" if share == 1 else str(share)
        measures.append(ways.Measure(f"{part} of train, {found.images[index]:.0f} images", estimates))
    beyond = {}
    for own in found.curves:
        if found.shares[-1] == 1 and np.isfinite(own.gain):
            last = own.values[-1]
            beyond[own.name] = frame.PointEstimate(last + own.gain, last + own.range.low, last + own.range.high)
    if beyond:
        measures.append(ways.Measure(f"twice the labels, {found.images[-1]:.0f} images", beyond, "by a power law"))
    alt = " ".join(sentence(found, own) for own in reversed(found.curves))
    drawn = ways.dots_by_way(measures, title="Learning curves, on validation", alt=alt)
    style = el("style", escape(STYLE.read_text(encoding="utf-8")))
    return drawn.replace("</title>", f"</title>{style}", 1)
