"""Two models on the same test images: what each figure gained from the first to the second, with its interval.

Both share their images, so that their separate intervals say little about the difference. The influence values of both
are subtracted image by image and summed by unit, as `differences` does for two decisions of one model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from counterpoise.evaluation.class_scores import of_class
from counterpoise.evaluation.differences import of_decisions, rarest
from counterpoise.evaluation.scores import Booleans, Floats, Score, Truth, Units, Variant
from counterpoise.evaluation.tasks import Task
from counterpoise.metrics import influence
from counterpoise.metrics.difference import Difference, of_paired

OF_ALL: Mapping[str, Callable[[Booleans, Floats], Floats]] = {
    "mean_average_precision": influence.mean_average_precision,
    "coverage": influence.coverage,
}
"""Figures of probabilities of all classes, with their influence values."""
OF_CLASS: Mapping[str, Callable[[Booleans, Floats], Floats]] = {
    "average_precision": influence.average_precision,
    "roc_auc": influence.roc_auc,
}
"""Figures of probabilities of one class against the rest, with their influence values."""
RATES = {"recall": influence.recall, "precision": influence.precision}
"""Figures of decisions of one class against the rest, with their influence values."""
Change = tuple[Floats, Units, Units]
"""Influence values of a change, and unit and stratum of each."""
Models = tuple[Mapping[str, Variant], Mapping[str, Variant]]
"""The variants of both models, by name."""


@dataclass(frozen=True)
class _Rates:
    """Recall and precision of some classes, in the place of the figures of a task."""

    task: Task
    classes: tuple[int, ...]

    def decision_influences(self, targets: Booleans, decided: Booleans) -> dict[str, Floats]:
        return {
            _key(name, index): of(targets[:, index], decided[:, index])
            for name, of in RATES.items()
            for index in self.classes
        }

    def missed(self, index: int, targets: Booleans, decided: Booleans) -> Booleans:
        return self.task.missed(index, targets, decided)


def gains(models: Models, truth: Truth, task: Task) -> dict[str, Difference]:
    """Compute what the figures of `metrics.json` gained.

    Args:
        models: The variants of both.
        truth: What the images are.
        task: What the labels mean.

    Returns:
        Name of a figure -> the second value minus the first. A figure that is undefined for one of the two is left out.
        The calibration error has no interval, since its bias differs between models; neither has a difference where one
        of the two figures has none.
    """
    before, after = (variants["decided"] for variants in models)
    old, new = ({**task.figures(one, truth), **of_class(one, truth, truth.positive)} for one in (before, after))
    raw_old, raw_new = (task.figures(variants["raw"], truth)[task.RAW] for variants in models)
    name = f"{task.RAW}_raw"
    old, new = old | {name: raw_old}, new | {name: raw_new}
    targets, units, strata = truth.targets, truth.units, rarest(truth.targets)
    changed = of_decisions(targets, before.decided, after.decided, units, task)
    raw = of_decisions(targets, models[0]["raw"].decided, models[1]["raw"].decided, units, task)
    changed[name] = raw[task.RAW]
    if targets[:, truth.positive].any():
        rates = of_decisions(targets, before.decided, after.decided, units, _Rates(task, (truth.positive,)))
        changed |= {rate: rates[_key(rate, truth.positive)] for rate in RATES}
        own = targets[:, truth.positive]
        for figure, of in OF_CLASS.items():
            first, second = (of(own, one.probs[:, truth.positive]) for one in (before, after))
            changed[figure] = np.asarray(second - first), units, strata
    first_probs, second_probs = (task.probability_influences(targets, one.probs) for one in (before, after))
    changed |= {figure: (second_probs[figure] - first_probs[figure], units, strata) for figure in first_probs}
    for figure in OF_ALL.keys() & old.keys():
        first, second = (OF_ALL[figure](targets, one.probs) for one in (before, after))
        changed[figure] = second - first, units, strata
    found = {figure: _difference(old[figure], new[figure], changed.get(figure)) for figure in old}
    return {figure: one for figure, one in found.items() if not math.isnan(one.value)}


def gains_by_class(models: Models, truth: Truth, task: Task) -> dict[tuple[int, str], Difference]:
    """Compute what recall, precision and average precision of each class gained; arguments as of `gains`.

    Returns:
        (number of the class, figure) -> the second value minus the first; without classes that no image has.
    """
    before, after = (variants["decided"] for variants in models)
    targets, units, strata = truth.targets, truth.units, rarest(truth.targets)
    present = tuple(np.flatnonzero(targets.any(axis=0)).tolist())
    rates = of_decisions(targets, before.decided, after.decided, units, _Rates(task, present))
    found: dict[tuple[int, str], Difference] = {}
    for index in present:
        old, new = (of_class(one, truth, index) for one in (before, after))
        first, second = (influence.average_precision(targets[:, index], one.probs[:, index]) for one in (before, after))
        changed = {rate: rates[_key(rate, index)] for rate in RATES}
        changed["average_precision"] = second - first, units, strata
        found |= {(index, figure): _difference(old[figure], new[figure], changed[figure]) for figure in old}
    return {key: one for key, one in found.items() if not math.isnan(one.value)}


def _key(figure: str, index: int) -> str:
    return f"{figure}/{index}"


def _difference(old: Score, new: Score, changed: Change | None) -> Difference:
    """Subtract two figures; without an interval where one of them has none, or nothing is known of the change."""
    (before, first), (after, second) = old, new
    if changed is None or first.reason or second.reason:
        return Difference(after - before, math.nan, math.nan)
    return of_paired(after - before, *changed)
