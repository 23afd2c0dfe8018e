"""The prior ledger: what each remedy does to the class prior that a model sees, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Line:
    """One line of the ledger.

    Attributes:
        piece: The switch in `params.yaml` that this line speaks of, such as `weighting.scheme`.
        remedy: Its value, such as `balanced`.
        factors: For each class, by how much the remedy multiplies its prior, up to a common scale; all equal where
            the remedy leaves the prior alone; `None` where the effect has no closed form (`unknown`).
    """

    piece: str
    remedy: str
    factors: tuple[float, ...] | None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Line:
        """Read a line as `dataclasses.asdict` and JSON left it."""
        factors = content["factors"]
        return cls(content["piece"], content["remedy"], None if factors is None else tuple(factors))


def from_counts(counts: ArrayLike) -> NDArray[np.float64]:
    """Turn class counts into a prior in which no class is impossible.

    A class with count 0 is counted as 0.5, so that its log-odds stay finite; other counts are taken as they are.

    Args:
        counts: (c,) non-negative counts.

    Returns:
        (c,) shares that sum to 1.

    Example:
        >>> from_counts([3, 1])
        array([0.75, 0.25])
    """
    array = np.asarray(counts, dtype=np.float64)
    if array.ndim != 1 or not len(array) or (array < 0).any() or array.sum() == 0:
        raise ValueError(f"expected non-negative counts of at least one class, some positive; found {array}")
    filled = np.where(array == 0, 0.5, array)
    return np.asarray(filled / filled.sum())


def factors(before: ArrayLike, after: ArrayLike) -> tuple[float, ...]:
    """Say by how much a remedy multiplied each class's prior, from counts before and after it.

    Args:
        before: (c,) counts.
        after: (c,) counts.

    Returns:
        (c,) factors; 1 everywhere where the proportions stayed.

    Example:
        >>> factors([30, 10], [30, 30])
        (0.6666666666666666, 2.0)
    """
    return tuple(float(value) for value in from_counts(after) / from_counts(before))


def seen(natural: ArrayLike, ledger: Sequence[Line]) -> NDArray[np.float64] | None:
    """Compute the prior that a model was made to see: the natural prior times every line of the ledger.

    Args:
        natural: (c,) prior of the manifest.
        ledger: Every line that applies.

    Returns:
        (c,) shares that sum to 1, or `None` if a line is unknown.

    Example:
        >>> seen([0.75, 0.25], [Line("weighting.scheme", "balanced", (2 / 3, 2.0))])
        array([0.5, 0.5])
    """
    product = np.asarray(natural, dtype=np.float64).copy()
    for line in ledger:
        if line.factors is None:
            return None
        if len(line.factors) != len(product) or min(line.factors) <= 0:
            raise ValueError(f"{line.piece}: expected {len(product)} positive factors, found {line.factors}")
        product *= np.asarray(line.factors)
    return np.asarray(product / product.sum())


def offset(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """Compute what must be added to logits that hold under prior `before` so that they hold under `after`.

    The formula is log after - log before, from Bayes' rule with unchanged p(x | class).

    Source: Saerens, Latinne, Decaestecker (2002), Adjusting the outputs of a classifier, equation 2.4.

    Args:
        before: (c,) prior.
        after: (c,) prior.

    Returns:
        (c,) in nats.

    Raises:
        ValueError: A prior is not positive or does not sum to 1.

    Example:
        >>> bool(np.allclose(offset([0.5, 0.5], [0.8, 0.2]), np.log([1.6, 0.4])))
        True
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    for name, prior in (("before", old), ("after", new)):
        if not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
            raise ValueError(f"prior {name!r} must be positive and sum to 1, found {prior}")
    return np.log(new) - np.log(old)
