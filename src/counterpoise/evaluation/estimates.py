"""Figures with their 95 % intervals, from arrays: one method for each figure, which the whole page uses.

What is counted is the unit (a group, a set of near duplicates, or an image alone). With images of a single unit there
is no interval: nothing says how much a figure would differ on others. A mean over classes has one all the same: the
figure of a class with a single unit then enters with the ends of its range, 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from counterpoise.calibration import prevalence as prevalence_of
from counterpoise.evaluation.imaginary_units import doubted
from counterpoise.metrics import averages, confusion, influence, intervals, multilabel, ranking
from counterpoise.metrics.arguments import distinct, unit_codes
from counterpoise.metrics.intervals import Interval

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Units = NDArray[np.int64]
Score = tuple[float, Interval]
"""A figure, NaN where it is undefined on these images, and its 95 % interval or why there is none."""

FEWEST_UNITS = 2
NO_VARIANCE = 1e-24
"""Variance, relative to the square of the range, that is nothing but rounding."""
FEW_UNITS = "all images are of one unit"
FEW_POSITIVES = "all images of the class are of one unit"
FEW_NEGATIVES = "all images of other classes are of one unit"
FEW_DECIDED = "all images decided for are of one unit"
NO_POSITIVES = "no image has the class"
NO_NEGATIVES = "every image has the class"
NO_DECIDED = "the class is never decided for"
NO_IMAGES = "there are no images"
NO_LABELS = "no image has a label"
ALIKE = "nothing varies between these images"


def share(successes: Booleans, units: Units) -> Score:
    """Compute a share and Wilson's interval, with the trials divided by the cautious design effect of the units."""
    value = _mean(successes)
    if reason := _lacking(units, NO_IMAGES, FEW_UNITS):
        return value, intervals.missing(reason)
    effect = intervals.cautious_design_effect(successes, units)
    low, high = intervals.wilson(int(successes.sum()), len(successes), design_effect=effect)
    return value, Interval(float(low), float(high))


def recall(positives: Booleans, decided: Booleans, units: Units) -> Score:
    """Compute the share of the positives that are decided for, and its interval: see `_proportion`."""
    hits, own = decided[positives], units[positives]
    if reason := _lacking(own, NO_POSITIVES, FEW_POSITIVES):
        return _mean(hits), intervals.missing(reason)
    return _proportion(hits, own)


def precision(positives: Booleans, decided: Booleans, units: Units) -> Score:
    """Compute the share of positives among what is decided for, and its interval from influence values by class.

    Where all of it is right, or all wrong, or every image is decided for, the interval is that of a share.
    """
    right, own = positives[decided], units[decided]
    reason = _lacking(units[positives], NO_POSITIVES, FEW_POSITIVES) or _lacking(own, NO_DECIDED, FEW_DECIDED)
    if reason:
        return _mean(right), intervals.missing(reason)
    spread = influence.stratified(influence.precision(positives, decided), strata(positives, units), units)
    score = _studentized(_mean(right), spread)
    return _proportion(right, own) if score[1].reason else score


def average_precision(positives: Booleans, scores: Floats, units: Units) -> Score:
    """Compute average precision, and Boyd's interval with the positives divided by the design effect."""
    value = float(ranking.average_precision(positives, scores))
    if reason := _lacking(units[positives], NO_POSITIVES, FEW_POSITIVES):
        return value, intervals.missing(reason)
    effect = _design_effect(influence.average_precision, positives, scores, units)
    return value, intervals.boyd(value, positives.sum() / effect)


def average_precision_at(positives: Booleans, scores: Floats, units: Units, prevalence: float) -> Score:
    """Compute average precision where positives have another share, and Boyd's interval of two estimates.

    The figure is biased upwards: a positive above every negative counts as precision 1, at any prevalence. So the lower
    end is that of an estimate whose false-positive rates are (k + 1/2) / (n + 1) for k of n negatives above a positive,
    and the upper end that of the plain one.
    """
    if not positives.any() or positives.all():
        return float("nan"), intervals.missing(NO_NEGATIVES if positives.any() else NO_POSITIVES)
    hits, others = np.sort(scores[positives]), np.sort(scores[~positives])
    passed = len(others) - np.searchsorted(others, hits, side="left")
    found = (len(hits) - np.searchsorted(hits, hits, side="left")) / len(hits)
    plain, careful = (
        float(prevalence_of.precision_at(found, rate, prevalence).mean())
        for rate in (passed / len(others), (passed + 0.5) / (len(others) + 1))
    )
    for side, few in ((positives, FEW_POSITIVES), (~positives, FEW_NEGATIVES)):
        if reason := _lacking(units[side], NO_POSITIVES, few):
            return plain, intervals.missing(reason)
    effect = _design_effect(influence.average_precision, positives, scores, units)
    low, high = (intervals.boyd(value, len(hits) / effect) for value in (careful, plain))
    return plain, Interval(low.low, high.high)


class Rates(NamedTuple):
    """What figures at another prevalence follow from: counts, design effects of both rates, and what they lack."""

    counts: tuple[int, int, int, int]
    effects: tuple[float, float]
    lacking: str


def rates(positives: Booleans, decided: Booleans, units: Units) -> Rates:
    """Count true and false positives, false and true negatives, and say how much the units of each side tell."""
    sides = (positives, decided), (~positives, decided), (positives, ~decided), (~positives, ~decided)
    tp, fp, fn, tn = (int((side & says).sum()) for side, says in sides)
    lacking = _lacking(units[positives], NO_POSITIVES, FEW_POSITIVES)
    lacking = lacking or _lacking(units[~positives], NO_NEGATIVES, FEW_NEGATIVES)
    return Rates((tp, fp, fn, tn), prevalence_of.rate_effects(positives, decided, units), lacking)


def precision_at(of: Rates, prevalence: float) -> Score:
    """Compute precision where positives have another share, and its interval from those of two rates over units."""
    return _carried(of, prevalence_of.expected_precision(of.counts, prevalence, of.effects))


def flagged_at(of: Rates, prevalence: float) -> Score:
    """Compute the share of images decided for where positives have another share, and its interval, likewise."""
    return _carried(of, prevalence_of.expected_flagged(of.counts, prevalence, of.effects))


def _carried(of: Rates, score: Score) -> Score:
    value, interval = score
    reason = of.lacking or (NO_DECIDED if np.isnan(value) else "")
    return value, intervals.missing(reason) if reason else interval


def roc_auc(positives: Booleans, scores: Floats, units: Units) -> Score:
    """Compute the area under the ROC curve, and Newcombe's interval with the counts divided by the design effect."""
    value = float(ranking.roc_auc(positives, scores))
    reason = _lacking(units[positives], NO_POSITIVES, FEW_POSITIVES)
    if reason := reason or _lacking(units[~positives], NO_NEGATIVES, FEW_NEGATIVES):
        return value, intervals.missing(reason)
    effect = _design_effect(influence.roc_auc, positives, scores, units)
    count = positives.sum()
    return value, intervals.newcombe(value, count / effect, (len(positives) - count) / effect)


def balanced_accuracy(targets: Units, decided: Units, count: int, units: Units) -> Score:
    """Compute the mean recall of the classes present, and combine the recalls' Wilson intervals."""
    value = float(confusion.balanced_accuracy(confusion.confusion_matrix(targets, decided, count)))
    if reason := _lacking(units, NO_IMAGES, FEW_UNITS):
        return value, intervals.missing(reason)
    recalls = [share(decided[targets == index] == index, units[targets == index]) for index in distinct(targets)]
    return value, _mean_interval(recalls)


def macro_f1(targets: Units, decided: Units, count: int, units: Units) -> Score:
    """Compute the mean F1 of the classes present, and its interval from influence values by class and `doubted`.

    Where every decision is right, or every one wrong, the interval is that of balanced accuracy.
    """
    table = confusion.confusion_matrix(targets, decided, count)
    value, each = float(confusion.macro_f1(table)), confusion.f1(table)
    if reason := _lacking(units, NO_IMAGES, FEW_UNITS):
        return value, intervals.missing(reason)
    classes = strata(targets, units)
    known, present = distinct(classes), distinct(targets)
    mean = float(each[known].mean())
    if mean in (0, 1):
        return value, balanced_accuracy(targets, decided, count, units)[1]
    actual, says, classes, units = doubted(targets, decided, classes, units, table)
    spread = influence.stratified(influence.macro_f1(actual, says, count, known), classes, units)
    centre = float(confusion.f1(confusion.confusion_matrix(actual, says, count))[known].mean())
    return value, with_unknown(_around(centre, mean, spread), len(known), each[np.setdiff1d(present, known)])


def matthews(targets: Units, decided: Units, count: int, units: Units) -> Score:
    """Compute the Matthews correlation, and its interval from influence values by class and `doubted`.

    Where every decision is right, the lower end is that of balanced accuracy b over guessing, (b - 1/c) / (1 - 1/c).
    """
    table = confusion.confusion_matrix(targets, decided, count)
    value = float(confusion.matthews(table))
    if reason := _lacking(units, NO_IMAGES, FEW_UNITS):
        return value, intervals.missing(reason)
    if (targets == targets[0]).all() or (decided == decided[0]).all():
        return value, intervals.missing("one class alone is true or decided")
    if value == 1:
        low, high, reason = balanced_accuracy(targets, decided, count, units)[1]
        present = len(distinct(targets))
        return value, Interval((present * low - 1) / (present - 1), high, reason)
    actual, says, classes, units = doubted(targets, decided, strata(targets, units), units, table)
    spread = influence.stratified(influence.matthews(actual, says, count), classes, units)
    centre = float(confusion.matthews(confusion.confusion_matrix(actual, says, count)))
    return _around(centre, value, spread, low=-1)


def mean_average_precision(truth: Booleans, probs: Floats, units: Units) -> Score:
    """Compute the mean average precision of the labels present, and combine their Boyd intervals."""
    value = float(multilabel.mean_average_precision(truth, probs))
    if reason := _lacking(units, NO_IMAGES, FEW_UNITS) or ("" if truth.any() else NO_LABELS):
        return value, intervals.missing(reason)
    labels = np.flatnonzero(truth.any(axis=0))
    spreads = [
        influence.stratified(influence.average_precision(truth[:, k], probs[:, k]), strata(truth[:, k], units), units)
        for k in labels
    ]
    return value, _over_labels([average_precision(truth[:, k], probs[:, k], units) for k in labels], spreads)


def multilabel_macro_f1(truth: Booleans, decided: Booleans, units: Units) -> Score:
    """Compute the mean F1 of the labels present, and combine the labels' intervals.

    That of a label comes from influence values by truth; where its F1 is 0 or 1, it is the one of its recall.
    """
    value = float(multilabel.macro_f1(truth, decided))
    if reason := _lacking(units, NO_IMAGES, FEW_UNITS) or ("" if truth.any() else NO_LABELS):
        return value, intervals.missing(reason)
    scores, spreads = [], []
    for actual, says in zip(truth.T[truth.any(axis=0)], decided.T[truth.any(axis=0)], strict=True):
        spread = influence.stratified(influence.f1(actual, says), strata(actual, units), units)
        score = _studentized(float(averages.ratio(2 * (actual & says).sum(), actual.sum() + says.sum())), spread)
        if score[1].reason or _lacking(units[actual], "", FEW_UNITS):
            score = score[0], recall(actual, says, units)[1]
        scores.append(score)
        spreads.append(spread)
    return value, _over_labels(scores, spreads)


def from_influence(value: float, values: Floats, classes: Units, units: Units, low: float, high: float) -> Score:
    """Give a figure the interval of its influence values, on the scale of log-odds.

    Args:
        value: The figure.
        values: Its influence values, (n,).
        classes: What stays as often in every sample, (n,).
        units: (n,).
        low: Lower limit of the range of the figure.
        high: Upper limit.
    """
    if reason := _lacking(units, NO_IMAGES, FEW_UNITS):
        return value, intervals.missing(reason)
    return _studentized(value, influence.stratified(values, strata(classes, units), units), low=low, high=high)


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
    if not len(gaps):
        return float("nan"), intervals.missing(NO_IMAGES)
    sums = intervals.unit_gaps(gaps, bins, units, count)
    value = float(np.abs(sums.sum(axis=0)).sum() / len(gaps))
    if len(sums) < FEWEST_UNITS:
        return value, intervals.missing(FEW_UNITS)
    if (sums == sums[0]).all():
        return value, intervals.missing(ALIKE)
    interval = intervals.calibration_error(sums, len(gaps), resamples=resamples, rng=rng)
    return value, Interval(min(interval.low, value), max(interval.high, value))


def strata(classes: NDArray[np.integer] | Booleans, units: Units) -> Units:
    """Return the class of each image, where a class of a single unit counts as the class of the most units.

    Example:
        >>> strata(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 2, 3, 3]))
        array([0, 0, 0, 0, 0])
    """
    whole = classes.astype(np.int64)
    names, codes = distinct(whole), unit_codes(whole)
    number = int(units.max(initial=0)) + 1
    cells = distinct(codes * number + units) // number
    numbers = np.bincount(cells, minlength=len(names))
    kept = np.where(numbers < FEWEST_UNITS, numbers.argmax(), np.arange(len(names)))
    return np.asarray(names[kept[codes]], dtype=np.int64)


def _studentized(value: float, spread: influence.Spread, low: float = 0.0, high: float = 1.0) -> Score:
    if not (low < value < high and spread.variance > NO_VARIANCE * (high - low) ** 2):
        return value, intervals.missing(ALIKE)
    return value, intervals.logit_t(value, spread.variance, spread.freedom, low=low, high=high)


def _around(centre: float, value: float, spread: influence.Spread, low: float = 0.0) -> Score:
    """Give a figure the interval of what it is with imaginary units, where that is not at its limit, and include it."""
    interval = _studentized(centre, spread, low)[1]
    if interval.reason:
        return value, interval
    return value, Interval(min(interval.low, value), max(interval.high, value))


def _mean_interval(scores: list[Score]) -> Interval:
    """Combine the intervals of classes, (0, 1) where there is none."""
    rows = [(value, 0.0, 1.0) if span.reason else (value, span.low, span.high) for value, span in scores]
    return intervals.mover(*np.array(rows, dtype=np.float64).T)


def _over_labels(scores: list[Score], spreads: list[influence.Spread]) -> Interval:
    """Combine the intervals of labels, which are correlated where images have several.

    The combination takes them for independent. So its distances from the mean are multiplied by the square root of the
    variance of the sum over that of independent labels, where that is above 1.
    """
    value, interval = float(np.mean([score for score, _ in scores])), _mean_interval(scores)
    together, alone = influence.joined(spreads).variance, sum(spread.variance for spread in spreads)
    factor = math.sqrt(together / alone) if together > alone > 0 else 1.0
    low, high = (value + factor * (end - value) for end in (interval.low, interval.high))
    return Interval(max(0.0, low), min(1.0, high))


def with_unknown(score: Score, known: int, others: Floats) -> Interval:
    """Widen the interval of the mean over `known` classes by others of which nothing is known."""
    value, interval = score
    if interval.reason or not len(others):
        return interval
    count = len(others)
    weights = np.array([known, *[1] * count]) / (known + count)
    return intervals.mover([value, *others], [interval.low, *[0.0] * count], [interval.high, *[1.0] * count], weights)


def _proportion(successes: Booleans, units: Units) -> Score:
    """Compute a share of few images: Clopper and Pearson's interval, or Wilson's where units have several images.

    The design effect of five units is often too small. With Wilson's interval the factor of `share` makes up for it;
    with the one of Clopper and Pearson the interval would be a fifth wider.
    """
    if len(distinct(units)) < len(units):
        return share(successes, units)
    low, high = intervals.clopper_pearson(int(successes.sum()), len(successes))
    return _mean(successes), Interval(float(low), float(high))


def _design_effect(
    influence_on: Callable[[Booleans, Floats], Floats], positives: Booleans, scores: Floats, units: Units
) -> float:
    """Compare the variance over units with that over images; where there is none, images of a unit count as one."""
    if len(distinct(units)) == len(units):
        return 1.0
    values = influence_on(positives, scores)
    grouped, alone = (
        influence.stratified(values, strata(positives, some), some).variance for some in (units, np.arange(len(units)))
    )
    if not alone > 0 or not grouped > 0:
        return len(units[positives]) / len(distinct(units[positives]))
    return max(1.0, grouped / alone)


def _mean(successes: Booleans) -> float:
    return float(successes.mean()) if len(successes) else float("nan")


def _lacking(units: Units, nothing: str, few: str) -> str:
    """Say why there is no interval, or nothing: no images, or images of a single unit."""
    if not len(units):
        return nothing
    return few if (units == units[0]).all() else ""
