"""The prior ledger: what each remedy does to the class prior that a model sees, and how to undo it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.calibration import links


@dataclass(frozen=True)
class Line:
    """One line of the ledger.

    Attributes:
        piece: The switch in `params.yaml` that this line is about, such as `weighting.scheme`.
        remedy: Its value, such as `balanced`.
        factors: For each class, by how much the remedy multiplies its prior, up to a common scale; all equal where
            the remedy leaves the prior alone; `None` where the effect has no closed form (`unknown`). For many labels
            they multiply the odds of each label, without a common scale: 1 leaves a label alone.
    """

    piece: str
    remedy: str
    factors: tuple[float, ...] | None

    def deferred(self) -> Line:
        """Return the line of a remedy that holds in the last epochs alone, so that a model saw two priors in turn."""
        return Line(self.piece, f"{self.remedy}, deferred", None)


def factors(before: ArrayLike, after: ArrayLike, totals: tuple[float, float], *, task: str) -> tuple[float, ...]:
    """Say by how much a remedy multiplied each class's prior, from counts before and after it.

    Args:
        before: (c,) counts.
        after: (c,) counts.
        totals: Number of examples before and after.
        task: What the labels mean; for multilabel the factors are those of the odds.

    Returns:
        (c,) factors; 1 everywhere where the proportions stayed.

    Example:
        >>> factors([30, 10], [30, 30], (40, 60), task="multiclass")
        (0.6666666666666666, 2.0)
        >>> factors([10], [10], (40, 20), task="multilabel")  # odds of 1 : 3 become 1 : 1
        (3.0,)
    """
    link = links.of_task(task)
    old, new = (link.ratios(link.prior_of_counts(*pair)) for pair in zip((before, after), totals, strict=True))
    return tuple(float(value) for value in new / old)


def seen(natural: ArrayLike, ledger: Sequence[Line], *, task: str) -> NDArray[np.float64] | None:
    """Compute the prior that a model was made to see: the natural prior times every line of the ledger.

    Args:
        natural: (c,) prior of the manifest.
        ledger: Every line that applies.
        task: What the labels mean; for multilabel the lines multiply the odds of each label.

    Returns:
        (c,) shares, which of one class per image sum to 1; or `None` if a line is unknown.

    Example:
        >>> seen([0.75, 0.25], [Line("weighting.scheme", "balanced", (2 / 3, 2.0))], task="multiclass")
        array([0.5, 0.5])
        >>> seen([0.25], [Line("weighting.scheme", "negatives_over_positives", (3.0,))], task="multilabel")
        array([0.5])
    """
    link = links.of_task(task)
    product = link.ratios(np.asarray(natural, dtype=np.float64))
    for line in ledger:
        if line.factors is None:
            return None
        if len(line.factors) != len(product) or min(line.factors) <= 0:
            raise ValueError(f"{line.piece}: expected {len(product)} positive factors, found {line.factors}")
        product *= np.asarray(line.factors)
    return link.shares(product)


def offset(before: ArrayLike, after: ArrayLike, *, task: str) -> NDArray[np.float64]:
    """Compute what must be added to logits that hold under prior `before` so that they hold under `after`.

    Args:
        before: (c,) prior.
        after: (c,) prior.
        task: What the labels mean; its link has the formula.

    Returns:
        (c,) in nats.

    Raises:
        ValueError: A prior is out of range, or does not sum to 1 where it should.

    Example:
        >>> bool(np.allclose(offset([0.5, 0.5], [0.8, 0.2], task="multiclass"), np.log([1.6, 0.4])))
        True
    """
    return links.of_task(task).offset(before, after)


def refuses(shares: Mapping[str, float], *, task: str) -> str | None:
    """Say what is wrong with shares stated by class name, whatever the classes are; `None` if nothing is.

    Args:
        shares: Name of a class -> its share.
        task: What the labels mean.
    """
    return links.of_task(task).refuses(shares)
