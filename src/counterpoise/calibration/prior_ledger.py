"""The prior ledger: what each remedy does to the class prior that a model sees, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-3
"""Stated shares may miss their sum by this."""


@dataclass(frozen=True)
class Line:
    """One line of the ledger.

    Attributes:
        piece: The switch in `params.yaml` that this line speaks of, such as `weighting.scheme`.
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

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Line:
        """Read a line as `dataclasses.asdict` and JSON left it."""
        factors = content["factors"]
        return cls(content["piece"], content["remedy"], None if factors is None else tuple(factors))


def from_counts(counts: ArrayLike, total: float | None = None) -> NDArray[np.float64]:
    """Turn class counts into a prior in which no class is impossible.

    A class with count 0 is counted as 0.5, so that its log-odds stay finite; other counts are taken as they are. With
    many labels, so is a class which every example bears, as its count less 0.5.

    Args:
        counts: (c,) non-negative counts.
        total: For many labels, the number of examples; each label is then a two-class problem of its own.

    Returns:
        (c,) shares: of one class per example they sum to 1; of many labels each lies between 0 and 1.

    Raises:
        ValueError: A count is negative or larger than the total, or there are no examples.

    Example:
        >>> from_counts([3, 1]), from_counts([3, 0], total=4)
        (array([0.75, 0.25]), array([0.75 , 0.125]))
    """
    array = np.asarray(counts, dtype=np.float64)
    if array.ndim != 1 or not len(array) or (array < 0).any() or (total is None and array.sum() == 0):
        raise ValueError(f"expected non-negative counts of at least one class, some positive; found {array}")
    if total is None:
        filled = np.where(array == 0, 0.5, array)
        return np.asarray(filled / filled.sum())
    if total < 1 or array.max() > total:
        raise ValueError(f"expected counts of at most the number of examples, {total:g}; found {array}")
    return np.clip(array, 0.5, total - 0.5) / total


def factors(before: ArrayLike, after: ArrayLike, totals: tuple[float, float] | None = None) -> tuple[float, ...]:
    """Say by how much a remedy multiplied each class's prior, from counts before and after it.

    Args:
        before: (c,) counts.
        after: (c,) counts.
        totals: For many labels, the number of examples before and after; the factors are then those of the odds.

    Returns:
        (c,) factors; 1 everywhere where the proportions stayed.

    Example:
        >>> factors([30, 10], [30, 30])
        (0.6666666666666666, 2.0)
        >>> factors([10], [10], totals=(40, 20))  # odds of 1 : 3 become 1 : 1
        (3.0,)
    """
    if totals is None:
        ratio = from_counts(after) / from_counts(before)
    else:
        old, new = (from_counts(counts, total) for counts, total in zip((before, after), totals, strict=True))
        ratio = new / (1 - new) / (old / (1 - old))
    return tuple(float(value) for value in ratio)


def seen(natural: ArrayLike, ledger: Sequence[Line], *, task: str = "multiclass") -> NDArray[np.float64] | None:
    """Compute the prior that a model was made to see: the natural prior times every line of the ledger.

    Args:
        natural: (c,) prior of the manifest.
        ledger: Every line that applies.
        task: For `multilabel`, the lines multiply the odds of each label.

    Returns:
        (c,) shares, which sum to 1 for `multiclass`; or `None` if a line is unknown.

    Example:
        >>> seen([0.75, 0.25], [Line("weighting.scheme", "balanced", (2 / 3, 2.0))])
        array([0.5, 0.5])
        >>> seen([0.25], [Line("weighting.scheme", "negatives_over_positives", (3.0,))], task="multilabel")
        array([0.5])
    """
    prior = np.asarray(natural, dtype=np.float64)
    product = prior / (1 - prior) if task == "multilabel" else prior.copy()
    for line in ledger:
        if line.factors is None:
            return None
        if len(line.factors) != len(product) or min(line.factors) <= 0:
            raise ValueError(f"{line.piece}: expected {len(product)} positive factors, found {line.factors}")
        product *= np.asarray(line.factors)
    return np.asarray(product / (1 + product) if task == "multilabel" else product / product.sum())


def offset(before: ArrayLike, after: ArrayLike, *, task: str = "multiclass") -> NDArray[np.float64]:
    """Compute what must be added to logits that hold under prior `before` so that they hold under `after`.

    The formula is log after - log before, from Bayes' rule with unchanged p(x | class); for many labels the same with
    log-odds, label by label.

    Source: Saerens, Latinne, Decaestecker (2002), Adjusting the outputs of a classifier, equation 2.4.

    Args:
        before: (c,) prior.
        after: (c,) prior.
        task: `multiclass` or `multilabel`.

    Returns:
        (c,) in nats.

    Raises:
        ValueError: A prior is out of range, or one of a `multiclass` task does not sum to 1.

    Example:
        >>> bool(np.allclose(offset([0.5, 0.5], [0.8, 0.2]), np.log([1.6, 0.4])))
        True
        >>> bool(np.allclose(offset([0.5], [0.2], task="multilabel"), np.log([0.25])))
        True
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    for name, prior in (("before", old), ("after", new)):
        if task == "multilabel":
            if not ((prior > 0) & (prior < 1)).all():
                raise ValueError(f"prior {name!r} must lie between 0 and 1 for each label, found {prior}")
        elif not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
            raise ValueError(f"prior {name!r} must be positive and sum to 1, found {prior}")
    if task == "multilabel":
        return np.asarray(np.log(new) - np.log1p(-new) - np.log(old) + np.log1p(-old))
    return np.log(new) - np.log(old)


def refuses(shares: Mapping[str, float], *, task: str) -> str | None:
    """Say what is wrong with stated shares, whatever the classes are; `None` if nothing is.

    Args:
        shares: Name of a class -> its share.
        task: For `multiclass` the shares must sum to 1, up to 0.001.

    Example:
        >>> refuses({"a": 0.7, "b": 0.2}, task="multiclass")
        "must be shares that sum to 1, found {'a': 0.7, 'b': 0.2}, whose sum is 0.9"
    """
    if not all(0 < share < 1 for share in shares.values()):
        return f"must be shares between 0 and 1, found {dict(shares)}"
    total = sum(shares.values())
    if task == "multiclass" and abs(total - 1) > ROUNDING:
        return f"must be shares that sum to 1, found {dict(shares)}, whose sum is {total:g}"
    return None
