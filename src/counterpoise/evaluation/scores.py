"""What every task shares: three variants of the predictions, and what test images are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Decision
from counterpoise.decision import rules
from counterpoise.evaluation.estimates import Booleans as Booleans
from counterpoise.evaluation.estimates import Floats as Floats
from counterpoise.evaluation.estimates import Score as Score
from counterpoise.evaluation.estimates import Units as Units
from counterpoise.metrics.arguments import distinct

BINS = 15
"""Of the expected calibration error and the calibration plot."""

Weights = NDArray[np.int32] | None


@dataclass(frozen=True)
class Variant:
    """One variant of the predictions that the same logits give.

    Attributes:
        probs: (n, c).
        decided: (n, c) what is decided for; of one class per image, one in each row.
    """

    probs: Floats
    decided: Booleans


@dataclass(frozen=True)
class Truth:
    """What test images are.

    Attributes:
        targets: (n, c) their labels; of one class per image, one in each row.
        units: (n,) what is counted: integers from 0, one for each group or set of near duplicates.
        positive: Index of the class that matters.
        resamples: Number of draws, for the figures whose interval needs draws.
        seed: Of these draws.
    """

    targets: Booleans
    units: Units
    positive: int
    resamples: int
    seed: int

    @cached_property
    def units_of_classes(self) -> Units:
        """Number of units, (c,), with an image of each class."""
        return units_of_classes(self.targets, self.units)


def units_of_classes(targets: Booleans, units: Units) -> Units:
    """Count the units, (c,), that have an image of each class.

    Example:
        >>> units_of_classes(np.array([[True, False], [True, False], [False, True]]), np.array([0, 0, 1]))
        array([1, 1])
    """
    return np.array([len(distinct(units[column])) for column in targets.T], dtype=np.int64)


def variants(logits: Floats, decision: Decision) -> dict[str, Variant]:
    """Use the logits in three variants, so that it shows when a remedy did nothing but move the threshold.

    Args:
        logits: (n, c) raw logits.
        decision: How they become probabilities and decisions.

    Returns:
        `raw`: softmax of the logits and the most probable class, or sigmoid and a threshold of 0.5; `calibrated`: the
        same with probabilities moved to the target prior; `decided`: these probabilities under the rule.
    """
    decided = redecided(logits, decision)
    return {
        "raw": Variant(*rules.raw(logits, decision.task)),
        "calibrated": Variant(decided.probs, rules.most_probable(decided.probs, decision.task)),
        "decided": decided,
    }


def redecided(logits: Floats, decision: Decision) -> Variant:
    """Calibrate (n, c) logits, move them to the target prior of the decision, and apply its rule."""
    probs = rules.probabilities(decision, logits)
    return Variant(probs, rules.decided(decision, probs))


def count_units(units: Units) -> int:
    """Count the different units, of shape (n,), that images come from."""
    return len(distinct(units))
