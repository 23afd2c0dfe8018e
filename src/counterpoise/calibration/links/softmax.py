"""One softmax over all classes, which exclude each other: logits are log-probabilities up to a common constant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.calibration.links import ROUNDING
from counterpoise.imbalance import class_weights as schemes
from counterpoise.metrics import confusion

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
DECIDED_BY = "gain"


def probabilities(logits: Floats) -> Floats:
    """Turn logits into probabilities that sum to 1 in each row, both (n, c).

    Example:
        >>> probabilities(np.log([[9.0, 1.0]]))
        array([[0.9, 0.1]])
    """
    from scipy.special import softmax

    probs: Floats = softmax(logits, axis=1)
    return probs


def tensor_probabilities(logits: Tensor) -> Tensor:
    """Turn a tensor of logits into probabilities, both (n, c)."""
    return logits.softmax(dim=1)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Average the cross-entropy of n examples, from logits (n, c) and class indices (n,)."""
    from torch.nn import functional

    return functional.cross_entropy(logits.float(), targets)


def weighted(values: Tensor, targets: Tensor, class_weights: Tensor) -> Tensor:
    """Multiply the value (n,) of each example by the weight of its class."""
    return values * class_weights[targets]


def average(logits: Tensor) -> Tensor:
    """Average the probabilities of k predictions and return their log, (k, n, c) to (n, c)."""
    import torch  # slow to import, and most of what a link does needs none of it

    return torch.logsumexp(logits.log_softmax(dim=2), dim=0) - math.log(len(logits))


def truth(targets: NDArray[np.generic], count: int) -> NDArray[np.bool_]:
    """Write class indices (n,) as booleans (n, c).

    Example:
        >>> truth(np.array([1]), 2)
        array([[False,  True]])
    """
    return np.asarray(np.arange(count) == targets[:, None])


def strata(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class of each example, (n,)."""
    return targets


def most_probable(probs: Floats) -> NDArray[np.bool_]:
    """Decide for the most probable class, one in each row, both (n, c); of equal ones for the first."""
    return truth(probs.argmax(axis=1), probs.shape[1])


def confusion_tables(targets: NDArray[np.int64], logits: Floats, probs: Floats) -> list[NDArray[np.integer] | Floats]:
    """Count truths (n,) and classes with the largest logit (n, c) in one table (c, c)."""
    return [confusion.confusion_matrix(targets, logits.argmax(axis=1), logits.shape[1])]


def prior_of_counts(counts: ArrayLike, total: float) -> Floats:
    """Turn class counts into a prior in which no class is impossible.

    A class with count 0 is counted as 0.5, so that its logarithm stays finite; other counts are unchanged.

    Args:
        counts: (c,) non-negative counts.
        total: Their sum, which is not looked at.

    Returns:
        (c,) shares that sum to 1.

    Raises:
        ValueError: A count is negative, or there are no examples.

    Example:
        >>> prior_of_counts([3, 1], 4)
        array([0.75, 0.25])
    """
    array = np.asarray(counts, dtype=np.float64)
    if array.ndim != 1 or not len(array) or (array < 0).any() or array.sum() == 0:
        raise ValueError(f"expected non-negative counts of at least one class, some positive; found {array}")
    filled = np.where(array == 0, 0.5, array)
    return np.asarray(filled / filled.sum())


def ratios(prior: Floats) -> Floats:
    """Take the shares themselves: a line of the ledger multiplies the probability of each class."""
    return prior.copy()


def shares(ratios: Floats) -> Floats:
    """Divide by the sum."""
    return np.asarray(ratios / ratios.sum())


def offset(before: ArrayLike, after: ArrayLike) -> Floats:
    """Compute log after - log before, from Bayes' rule with unchanged p(x | class).

    Args:
        before: (c,) prior under which logits hold.
        after: (c,) prior under which they should.

    Returns:
        (c,) in nats.

    Raises:
        ValueError: A prior is not positive, or does not sum to 1.

    Source: Saerens, Latinne, Decaestecker (2002), Adjusting the outputs of a classifier, equation 2.4.

    Example:
        >>> bool(np.allclose(offset([0.5, 0.5], [0.8, 0.2]), np.log([1.6, 0.4])))
        True
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    for name, prior in (("before", old), ("after", new)):
        if not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
            raise ValueError(f"prior {name!r} must be positive and sum to 1, found {prior}")
    return np.asarray(np.log(new) - np.log(old))


def initial_logits(prior: Floats, *, held_by_loss: bool) -> Floats:
    """Compute the log of a prior (c,); zeros where the loss holds class counts itself."""
    return np.zeros(len(prior)) if held_by_loss else np.asarray(np.log(prior))


def moved(prior: ArrayLike, index: int, share: float) -> Floats:
    """Give one class another share and leave the proportions of the others.

    Args:
        prior: (c,) shares that sum to 1.
        index: Of the class.
        share: Its new share, in (0, 1).

    Example:
        >>> moved([0.6, 0.2, 0.2], 2, 0.5)
        array([0.375, 0.125, 0.5  ])
    """
    result = np.array(prior, dtype=np.float64)
    result *= (1 - share) / (result.sum() - result[index])
    result[index] = share
    return result


def refuses(shares: Mapping[str, float]) -> str | None:
    """Refuse shares that are not between 0 and 1, or do not sum to 1, up to 0.001.

    Example:
        >>> refuses({"a": 0.7, "b": 0.2})
        "must be shares that sum to 1, found {'a': 0.7, 'b': 0.2}, whose sum is 0.9"
    """
    if not all(0 < share < 1 for share in shares.values()):
        return f"must be shares between 0 and 1, found {dict(shares)}"
    total = sum(shares.values())
    if abs(total - 1) > ROUNDING:
        return f"must be shares that sum to 1, found {dict(shares)}, whose sum is {total:g}"
    return None


def stated(shares: Mapping[str, float], classes: Sequence[str], natural: Floats) -> Floats:
    """Read shares stated by class name, one for each of the c classes, and divide them by their sum.

    Raises:
        ValueError: A class has none, or `refuses` finds a fault.
    """
    for name in classes:
        if name not in shares:
            raise ValueError(f"states no share for class {name!r}; state one for each of {list(classes)}")
    if fault := refuses(shares):
        raise ValueError(fault)
    prior = np.array([shares[name] for name in classes], dtype=np.float64)
    return np.asarray(prior / prior.sum())


def class_weights(scheme: str, counts: ArrayLike, total: float, beta: float) -> Floats:
    """Weigh whole examples by their class: see `imbalance.class_weights.class_weights`."""
    return schemes.class_weights(scheme, counts, beta=beta)
