"""Figures with their 95 % intervals, from arrays: one method for each figure, which the whole page uses.

What is counted is the unit (a group, a set of near duplicates, or an image alone). Without two units there is no
interval: nothing says how much a figure would differ on others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from counterpoise.calibration import prevalence as prevalence_of
from counterpoise.metrics import confusion, influence, intervals, ranking
from counterpoise.metrics.arguments import unit_codes
from counterpoise.metrics.intervals import Interval

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Units = NDArray[np.int64]
Score = tuple[float, Interval]
"""A figure, NaN where it is undefined on these images, and its 95 % interval or why there is none."""

FEWEST_UNITS = FEWEST_CLASSES = 2
NO_VARIANCE = 1e-24
"""Variance, relative to the square of the range, that is nothing but rounding."""
NONE = "there is nothing to count"
FEW_UNITS = "all images are of one unit"
FEW_POSITIVES = "all images of the class are of one unit"
FEW_DECIDED = "all images decided for are of one unit"
FEW_NEGATIVES = "all images of other classes are of one unit"
GROUPED = "no method covers precision at another prevalence where images come in groups"


def share(successes: Booleans, units: Units) -> Score:
    """Compute a share and Wilson's interval with the design effect of the units."""
    if reason := _lacking(successes, units, NONE, FEW_UNITS):
        return (float(successes.mean()) if len(successes) else float("nan")), intervals.missing(reason)
    effect = intervals.design_effect(successes, units)
    low, high = intervals.wilson(int(successes.sum()), len(successes), design_effect=effect)
    return float(successes.mean()), Interval(float(low), float(high))


def recall(positives: Booleans, decided: Booleans, units: Units) -> Score:
    """Compute the share of the positives that are decided for, and Clopper and Pearson's interval."""
    hits, own = decided[positives], units[positives]
    if reason := _lacking(hits, own, "no image has the class", FEW_POSITIVES):
        return (float(hits.mean()) if len(hits) else float("nan")), intervals.missing(reason)
    return _proportion(hits, own)


def precision(positives: Booleans, decided: Booleans, units: Units) -> Score:
    """Compute the share of positives among what is decided for, and its interval from influence values by class."""
    right = positives[decided]
    value = float(right.mean()) if len(right) else float("nan")
    for some, reason in ((positives, FEW_POSITIVES), (decided, FEW_DECIDED)):
        if reason := _lacking(some[some], units[some], "the class is never there, or never decided for", reason):
            return value, intervals.missing(reason)
    spread = influence.stratified_variance(influence.precision(positives, decided), positives, units)
    if not 0 < value < 1 or not spread.variance > 0:
        return _proportion(right, units[decided])
    return value, intervals.logit_t(value, *spread)


def average_precision(positives: Booleans, scores: Floats, units: Units) -> Score:
    """Compute average precision, and Boyd's interval with the positives divided by the design effect."""
    value = float(ranking.average_precision(positives, scores))
    if reason := _lacking(positives, units[positives], "no image has the class", FEW_POSITIVES):
        return value, intervals.missing(reason)
    effect = _design_effect(influence.average_precision(positives, scores), positives, units)
    return value, intervals.boyd(value, positives.sum() / effect)


def roc_auc(positives: Booleans, scores: Floats, units: Units) -> Score:
    """Compute the area under the ROC curve, and Newcombe's interval with the counts divided by the design effect."""
    value = float(ranking.roc_auc(positives, scores))
    for side, nothing, few in (
        (positives, "no image has the class", FEW_POSITIVES),
        (~positives, "every image has the class", FEW_NEGATIVES),
    ):
        if reason := _lacking(side, units[side], nothing, few):
            return value, intervals.missing(reason)
    effect = _design_effect(influence.roc_auc(positives, scores), positives, units)
    count = positives.sum()
    return value, intervals.newcombe(value, count / effect, (len(positives) - count) / effect)


def average_precision_at(positives: Booleans, scores: Floats, units: Units, prevalence: float) -> Score:
    """Compute average precision where positives have another share, and Boyd's interval of two estimates.

    The figure is biased upwards: a positive above every negative counts as precision 1, at any prevalence. So the lower
    end is that of an estimate whose false-positive rates are (k + 1/2) / (n + 1) for k of n negatives above a positive,
    and the upper end that of the plain one.
    """
    if not positives.any() or positives.all():
        return float("nan"), intervals.missing("one class alone is there")
    hits, others = np.sort(scores[positives]), np.sort(scores[~positives])
    passed = len(others) - np.searchsorted(others, hits, side="left")
    found = (len(hits) - np.searchsorted(hits, hits, side="left")) / len(hits)
    plain, careful = (
        float(prevalence_of.precision_at(found, rate, prevalence).mean())
        for rate in (passed / len(others), (passed + 0.5) / (len(others) + 1))
    )
    for side, few in ((positives, FEW_POSITIVES), (~positives, FEW_NEGATIVES)):
        if reason := _lacking(side, units[side], NONE, few):
            return plain, intervals.missing(reason)
    effect = _design_effect(influence.average_precision(positives, scores), positives, units)
    low, high = (intervals.boyd(value, len(hits) / effect) for value in (careful, plain))
    return plain, Interval(low.low, high.high)


def precision_at(positives: Booleans, decided: Booleans, units: Units, prevalence: float) -> Score:
    """Compute precision where positives have another share, and its interval from independent images."""
    counts = tuple(
        int((actual & says).sum())
        for actual, says in ((positives, decided), (~positives, decided), (positives, ~decided), (~positives, ~decided))
    )
    tp, fp, fn, tn = counts
    value, interval = prevalence_of.expected_precision((tp, fp, fn, tn), prevalence)
    if np.isnan(value):
        return value, intervals.missing("the class is never decided for, or one class alone is there")
    return value, intervals.missing(GROUPED) if len(np.unique(units)) < len(units) else interval


def balanced_accuracy(targets: Units, decided: Units, count: int, units: Units) -> Score:
    """Compute the mean recall of the classes present, and combine the recalls' Wilson intervals.

    A recall of images of a single unit enters with the interval from 0 to 1.
    """
    recalls = []
    for index in np.unique(targets):
        hits, own = decided[targets == index] == index, units[targets == index]
        value, interval = share(hits, own)
        recalls.append((value, 0.0, 1.0) if interval.reason else (value, interval.low, interval.high))
    value = float(confusion.balanced_accuracy(confusion.confusion_matrix(targets, decided, count)))
    if reason := _lacking(targets, units, NONE, FEW_UNITS):
        return value, intervals.missing(reason)
    return value, intervals.mover(*np.array(recalls).T)


def macro_f1(targets: Units, decided: Units, count: int, units: Units) -> Score:
    """Compute the mean F1 of the classes present, and its interval from influence values by class.

    Where every decision is right, or every one wrong, the interval is that of balanced accuracy.
    """
    value = float(confusion.macro_f1(confusion.confusion_matrix(targets, decided, count)))
    if value in (0, 1):
        return value, balanced_accuracy(targets, decided, count, units)[1]
    return from_influence(value, lambda: influence.macro_f1(targets, decided, count), targets, units)


def matthews(targets: Units, decided: Units, count: int, units: Units) -> Score:
    """Compute the Matthews correlation, and its interval from influence values by class.

    Where every decision is right, the lower end is that of balanced accuracy b over guessing, (b - 1/c) / (1 - 1/c).
    """
    value = float(confusion.matthews(confusion.confusion_matrix(targets, decided, count)))
    present = len(np.unique(targets))
    if value == 1:
        interval = balanced_accuracy(targets, decided, count, units)[1]
        return value, Interval((present * interval.low - 1) / (present - 1), interval.high, interval.reason)
    if present < FEWEST_CLASSES or len(np.unique(decided)) < FEWEST_CLASSES:
        return value, intervals.missing("one class alone is true or decided")
    return from_influence(value, lambda: influence.matthews(targets, decided, count), targets, units, low=-1)


def from_influence(
    value: float,
    values: Callable[[], Floats],
    classes: Units,
    units: Units,
    *,
    low: float = 0.0,
    high: float = 1.0,
) -> Score:
    """Give a figure the interval of its influence values, on the scale of log-odds.

    Args:
        value: The figure.
        values: Computes its influence values, (n,).
        classes: What stays as often in every sample, (n,).
        units: (n,).
        low: Lower limit of the range of the figure.
        high: Upper limit.
    """
    if reason := _lacking(units, units, NONE, FEW_UNITS):
        return value, intervals.missing(reason)
    spread = influence.stratified_variance(values(), classes, units)
    if np.isnan(spread.variance):
        return value, intervals.missing("all images of a class are of one unit")
    if not (low < value < high and spread.variance > NO_VARIANCE * (high - low) ** 2):
        return value, intervals.missing("it is the same for every image")
    return value, intervals.logit_t(value, *spread, low=low, high=high)


def calibration_error(
    gaps: Floats, bins: Units, units: Units, *, count: int, resamples: int, rng: np.random.Generator
) -> Score:
    """Compute an expected calibration error, and an interval without the bias that few images add to it.

    Args:
        gaps: Truth minus probability of each image, or of each pair of image and label, (n,).
        bins: Bin of each, (n,).
        units: Unit of each, (n,).
        count: Number of bins.
        resamples: Number of draws.
        rng: Random generator.
    """
    if reason := _lacking(gaps, units, NONE, FEW_UNITS):
        value = float(np.abs(np.bincount(bins, gaps)).sum() / len(gaps)) if len(gaps) else float("nan")
        return value, intervals.missing(reason)
    sums = intervals.unit_gaps(gaps, bins, units, count)
    value = float(np.abs(sums.sum(axis=0)).sum() / len(gaps))
    interval = intervals.calibration_error(sums, len(gaps), resamples=resamples, rng=rng)
    return value, Interval(min(interval.low, value), max(interval.high, value))


def _proportion(successes: Booleans, units: Units) -> Score:
    effect = intervals.design_effect(successes, units)
    low, high = intervals.clopper_pearson(int(successes.sum()), len(successes), design_effect=effect)
    return float(successes.mean()), Interval(float(low), float(high))


def _design_effect(values: Floats, positives: Booleans, units: Units) -> float:
    """Compare the variance over units with that over images; where there is none, images of a unit count as one."""
    grouped, alone = (
        influence.stratified_variance(values, positives, some).variance for some in (units, np.arange(len(units)))
    )
    if not alone > 0 or not grouped > 0:
        return len(units[positives]) / len(np.unique(units[positives]))
    return max(1.0, grouped / alone)


def _lacking(values: NDArray[np.generic], units: Units, nothing: str, few: str) -> str:
    """Say why there is no interval, or nothing."""
    if not len(units):
        return nothing
    return few if int(unit_codes(units).max()) + 1 < FEWEST_UNITS else ""
