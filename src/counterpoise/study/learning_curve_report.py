"""Learning curves: how scores grow with the labels that are learned from, in a table, in words and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from counterpoise.metrics.intervals import Percentiles, percentile
from counterpoise.report.texts import PointEstimate, write_prevalence
from counterpoise.study import power_law

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A score at each train size, and with twice the labels.

    Attributes:
        name: Of the score.
        scores: (f,) means over the replicates.
        intervals: (f,) their 95 % intervals.
        gain: What twice the labels would bring; NaN where no power law fits.
        gain_interval: Its 95 % interval; `undefined` counts resamples that no power law fits.
        exponent: Of the power law.
    """

    name: str
    scores: tuple[float, ...]
    intervals: tuple[Percentiles, ...]
    gain: float
    gain_interval: Percentiles
    exponent: float


@dataclass(frozen=True)
class LearningCurves:
    """Learning curves over the same train sizes.

    Attributes:
        train_sizes: (f,) shares of train, in rising order.
        images: (f + 1,) images of train at each size, means over the replicates; and twice all of them.
        positives: (f + 1,) how many of them have the class that matters.
        positive: The class that matters.
        prevalence: Its share in the target, at which its average precision is stated; guessing has as much.
        resamples: Of validation and replicates.
        curves: The second is that of the class that matters.
    """

    train_sizes: tuple[Fraction, ...]
    images: tuple[float, ...]
    positives: tuple[float, ...]
    positive: str
    prevalence: float
    resamples: int
    curves: tuple[Curve, ...]


def curve(name: str, train_sizes: Sequence[Fraction], scores: Floats, rng: np.random.Generator) -> Curve:
    """Draw a curve through a score, and go on to twice the labels.

    Args:
        name: Of the score.
        train_sizes: (f,) shares of train.
        scores: (r, f, 1 + b) of r replicates, on the images of validation and in b resamples of them.
        rng: Resamples the replicates.
    """
    sizes = np.array([float(size) for size in train_sizes])
    means = scores[:, :, 0].mean(axis=0)
    resampled = power_law.resampled(scores[:, :, 1:], rng)
    fit, spread = power_law.fit(sizes, 1 - means[None]), power_law.fit(sizes, 1 - resampled)
    return Curve(
        name,
        tuple(means.tolist()),
        tuple(percentile(resampled[:, index]) for index in range(len(sizes))),
        float(fit.gain[0]),
        percentile(spread.gain),
        float(fit.exponent[0]),
    )


def table(result: LearningCurves) -> str:
    """Write the curves, size by size, and in a sentence what twice the labels would bring."""
    head = ["of train", "images", f"of {result.positive}", *(curve.name for curve in result.curves)]
    rows = [head]
    for index, size in enumerate(result.train_sizes):
        cells = [_with_interval(curve.scores[index], curve.intervals[index]) for curve in result.curves]
        rows.append([str(size), f"{result.images[index]:.0f}", f"{result.positives[index]:.0f}", *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", *(sentence(result, curve) for curve in reversed(result.curves))]
    lines.append(
        f"Average precision of {result.positive} is for {write_prevalence(result.prevalence)} of it, its share in the "
        f"target; no skill has {result.prevalence:.3f}. All figures are measured on validation. Brackets are 95 % "
        "intervals over replicates and validation images. Validation also chose epochs, calibration and thresholds, so "
        "all figures are slightly too high. Small parts choose among more epochs, so the gain may be slightly larger. "
        "The estimate for twice the labels also assumes a power law; the interval does not cover this assumption."
    )
    return "\n".join(lines)


def _with_interval(value: float, interval: Percentiles) -> str:
    return f"{value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def sentence(result: LearningCurves, curve: Curve) -> str:
    """Say what twice the labels would bring to one figure."""
    twice = f"Twice the labels ({result.images[-1]:.0f} images, {result.positives[-1]:.0f} of {result.positive})"
    if not np.isfinite(curve.gain):
        return f"{twice}: no power law fits {curve.name}, so there is no estimate; more replicates may help."
    interval = curve.gain_interval
    text = f"{twice} would change {curve.name} by {curve.gain:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
    if interval.low <= 0 <= interval.high:
        text += "; this may be no change, since the interval contains 0"
    if interval.undefined:
        text += (
            f"; no power law fits {interval.undefined} of {result.resamples} resamples, which the interval leaves out"
        )
    return f"{text}."


def chart(result: LearningCurves) -> str:
    """Draw the curves as an SVG that needs no other file."""
    import pandas as pd

    from counterpoise.report.charts import render, theme, variants

    rows = [
        variants.row(
            f"{'all' if size == 1 else size} of train, {result.images[index]:.0f} images",
            curve.name,
            _estimate(curve.scores[index], 0, curve.intervals[index]),
        )
        for index, size in enumerate(result.train_sizes)
        for curve in result.curves
    ]
    rows += [
        variants.row(
            f"twice the labels, {result.images[-1]:.0f} images",
            curve.name,
            _estimate(curve.scores[-1] + curve.gain, curve.scores[-1], curve.gain_interval),
            note="from a power law",
        )
        for curve in result.curves
        if result.train_sizes[-1] == 1 and np.isfinite(curve.gain)
    ]
    looks = (variants.Look("compare", "diamond"), variants.Look("focus"))
    drawn = variants.variants(
        pd.DataFrame(rows),
        title="Learning curves, on validation",
        description=" ".join(sentence(result, curve) for curve in reversed(result.curves)),
        looks={curve.name: looks[i] for i, curve in enumerate(result.curves)},
    )
    svg = theme.painted(render.svg(drawn), theme.LIGHT)
    style = f"background:{theme.LIGHT['card']};font-family:{theme.FONT},Arial,sans-serif"
    return svg.replace("<svg ", f'<svg style="{style}" ', 1)


def _estimate(value: float, origin: float, interval: Percentiles) -> PointEstimate:
    """Make a dot at a value, with an interval that is counted from an origin."""
    return PointEstimate(value, origin + interval.low, origin + interval.high)
