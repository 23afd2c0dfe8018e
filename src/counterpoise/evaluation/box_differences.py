"""Two detectors on the same images: what each figure of boxes gained, with its interval by the jackknife.

Both are computed without each unit in turn (see `box_scores`), and the variance of their difference gives Student's
interval. A unit on which both are equally good or bad so adds nothing to it.
"""

from __future__ import annotations

import math

import numpy as np

from counterpoise.evaluation import estimates
from counterpoise.evaluation.box_scores import (
    MOST_GROUPS,
    RANKED,
    Ranking,
    Scenes,
    counts,
    ranking,
    ratio,
    sums,
)
from counterpoise.evaluation.estimates import Floats
from counterpoise.metrics.arguments import distinct
from counterpoise.metrics.difference import Difference

ALL = ""
"""In the place of a class: the mean over classes, or all boxes together."""


def gains(before: Scenes, after: Scenes) -> dict[tuple[str, str], Difference]:
    """Compute what the figures of all sizes gained.

    Args:
        before: What the first detector found in images, and what is there.
        after: The same of the second; images, objects and units are those of `before`.

    Returns:
        (class or `ALL`, measure) -> the second value minus the first; without measures that one of them lacks. There is
        no interval where a class has objects in a single unit, or where nothing differs.
    """
    rankings = ranking(before), ranking(after)
    found: dict[tuple[str, str], Difference] = {}
    for label, name in [(None, ALL), *enumerate(before.names)]:
        labels = list(range(len(before.names))) if label is None else [label]
        ranked = [_ranked(of, labels) for of in rankings]
        decided = [_decided(scenes, labels) for scenes in (before, after)]
        own = rankings[0].units[labels, 0]
        fewest = int(own[own > 0].min(initial=np.iinfo(np.int64).max)) if own.any() else 0
        showing = len(distinct(before.units[counts(before, labels).objects > 0]))
        for (old, new), units in ((ranked, fewest), (decided, showing)):
            found |= {(name, measure): _difference(old[measure], new[measure], units) for measure in old}
    return {key: one for key, one in found.items() if not math.isnan(one.value)}


def _ranked(of: Ranking, labels: list[int]) -> dict[str, Floats]:
    """Take the figures of the ranking, means over the classes with objects, of all images and without each unit."""
    rows = {name: of.precision[labels, 0, which].mean(axis=1) for name, which in RANKED.items()}
    rows["lrp"] = of.error[labels]
    present = of.units[labels, 0] > 0
    if not present.any():
        return {}
    return {name: values[present].mean(axis=0) for name, values in rows.items()}


def _decided(scenes: Scenes, labels: list[int]) -> dict[str, Floats]:
    """Compute the figures of what is decided for, of all images and without each unit."""
    of = counts(scenes, labels)
    found, false, objects, images = (
        sums(values, scenes.units) for values in (of.found, of.false_alarms, of.objects, np.ones(len(scenes.units)))
    )
    return {
        "precision": ratio(found, found + false),
        "recall": ratio(found, objects),
        "f1": ratio(2 * found, found + false + objects),
        "false_alarms_per_image": ratio(false, images),
    }


def _difference(before: Floats, after: Floats, units: int) -> Difference:
    """Subtract two figures, each (g + 1,) of all images and without each group; the interval counts `units`."""
    from scipy.special import stdtrit

    values = after - before
    value, parts = float(values[0]), values[1:]
    variance = (len(parts) - 1) / len(parts) * float(((parts - parts.mean()) ** 2).sum())
    if units < estimates.FEWEST_UNITS or not variance > estimates.NO_VARIANCE:  # or it is not a number
        return Difference(value, math.nan, math.nan)
    half = float(stdtrit(min(units, MOST_GROUPS) - 1, 0.975)) * math.sqrt(variance)
    return Difference(value, value - half, value + half)
