"""What correction and rule changed on the same test images: paired differences with intervals.

Raw and re-decided figures share their images, so that their separate intervals say little about the difference. Here
the influence values of both are subtracted image by image and summed by unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts import plots
from counterpoise.evaluation.scores import Booleans, Floats, Score, Truth, Variant
from counterpoise.evaluation.tasks import Task
from counterpoise.metrics.arguments import distinct
from counterpoise.metrics.difference import Difference, of_paired

if TYPE_CHECKING:
    import pandas as pd

Integers = NDArray[np.int64]
DECISIONS = ("raw", "decided")
"""Variants whose decisions are compared."""
PROBABILITIES = ("raw", "calibrated")
"""Variants whose probabilities are compared."""


class Judge(Protocol):
    """What a comparison of decisions asks of a task."""

    def decision_influences(self, targets: Booleans, decided: Booleans) -> dict[str, Floats]:
        """Compute the influence of each image, (n,), on figures of decisions."""

    def missed(self, index: int, targets: Booleans, decided: Booleans) -> Booleans:
        """Say what is decided, (c,), for a typical image of a class that is missed."""


def differences_table(
    variants: Mapping[str, Variant], scores: Mapping[str, Mapping[str, Score]], truth: Truth, task: Task
) -> pd.DataFrame:
    """List what figures of decisions gained from raw to re-decided, and those of probabilities by calibration.

    A difference has no interval where one of its two figures has none.

    Args:
        variants: By name.
        scores: For each variant its figures.
        truth: What the images are.
        task: What the labels mean.
    """
    import pandas as pd

    units, strata = truth.units, rarest(truth.targets)
    decided = [variants[name].decided for name in DECISIONS]
    changes = of_decisions(truth.targets, decided[0], decided[1], units, task)
    probs = [task.probability_influences(truth.targets, variants[name].probs) for name in PROBABILITIES]
    of_probs = {figure: (probs[1][figure] - probs[0][figure], units, strata) for figure in probs[0]}
    rows = []
    for pair, kind in ((DECISIONS, changes), (PROBABILITIES, of_probs)):
        for figure, (influences, own_units, own_strata) in kind.items():
            (before, *_), (after, *_) = ends = [scores[name][figure] for name in pair]
            found = of_paired(after - before, influences, own_units, own_strata)
            if any(math.isnan(interval.low) for _, interval in ends):
                found = Difference(found.value, math.nan, math.nan)
            rows.append((figure, *pair, *found))
    return pd.DataFrame(rows, columns=list(plots.COLUMNS["differences"]))


def of_decisions(
    targets: Booleans, before: Booleans, after: Booleans, units: Integers, task: Judge
) -> dict[str, tuple[NDArray[np.float64], Integers, Integers]]:
    """Compute influence values of differences between decisions, with two imaginary units for each class present.

    Where no unit of a rare class changed, its influence values have no variance, although the next one might change. So
    each class gets one unit that was missed and is now found, and one the other way round, as large as its mean unit.
    They add to the variance alone. Without them an interval that claims 95 % covers a small change in 42 to 72 % of
    simulations (525 images with 21 of the rare class, 1,000 with 8, 5,000 with 50), with them in 93 to 100 %.

    Args:
        targets: (n, c) labels.
        before: (n, c) decisions that are compared, of the same images.
        after: (n, c) the other ones.
        units: (n,) unit of each image, numbered from 0.
        task: What the labels mean: which figures there are, and what is decided instead of a class.

    Returns:
        For each figure influence values, units and strata, each of shape (n + imaginary images,).

    Source: Agresti & Min 2005, "Simple improved confidence intervals for comparing matched proportions"; Bonett & Price
        2012, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data".
    """
    rows: list[tuple[Booleans, Booleans, Booleans, int]] = []
    fresh = int(units.max()) + 1
    for index in np.flatnonzero(targets.any(axis=0)):
        own = targets[:, index]
        size = round(own.sum() / len(distinct(units[own])))
        right = np.arange(targets.shape[1]) == index
        wrong = task.missed(int(index), targets, before | after)
        rows += [(right, wrong, right, fresh)] * size + [(right, right, wrong, fresh + 1)] * size
        fresh += 2
    with_pairs = [np.concatenate([real, [row[part] for row in rows]]) for part, real in enumerate((targets, before))]
    truth, old = with_pairs
    new, numbers = np.concatenate([after, [row[2] for row in rows]]), np.append(units, [row[3] for row in rows])
    first, second = (task.decision_influences(truth, decided) for decided in (old, new))
    strata = rarest(truth)
    return {figure: (second[figure] - first[figure], numbers, strata) for figure in first}


def rarest(targets: Booleans) -> Integers:
    """Number the classes from the most frequent to the rarest, and find the rarest of each image; 0 without a label."""
    ranks = np.empty(targets.shape[1], dtype=np.int64)
    ranks[np.argsort(-targets.sum(axis=0), kind="stable")] = np.arange(1, targets.shape[1] + 1)
    return np.asarray((targets * ranks).max(axis=1), dtype=np.int64)
