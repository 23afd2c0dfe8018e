"""A sigmoid for each label, which is a question of its own: logits are log-odds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.imbalance import class_weights as schemes
from counterpoise.metrics import confusion

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
DECIDED_BY = "thresholds"


def probabilities(logits: Floats) -> Floats:
    """Turn logits into the probability of each label, both (n, c).

    Example:
        >>> probabilities(np.log([[3.0, 1.0]]))
        array([[0.75, 0.5 ]])
    """
    from scipy.special import expit

    probs: Floats = expit(logits)
    return probs


def tensor_probabilities(logits: Tensor) -> Tensor:
    """Turn a tensor of logits into probabilities, both (n, c)."""
    return logits.sigmoid()


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Average the cross-entropy of every label, from logits (n, c) and targets (n, c) in {0, 1}."""
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(logits.float(), targets.float())


def weighted(values: Tensor, targets: Tensor, class_weights: Tensor) -> Tensor:
    """Multiply the values (n, c) of the entries in which a label is present by its weight."""
    import torch

    return values * torch.where(targets == 1, class_weights, 1.0)


def average(logits: Tensor) -> Tensor:
    """Average the probabilities of k predictions and return their log-odds, (k, n, c) to (n, c)."""
    import torch  # slow to import, and most of what a link does needs none of it
    from torch.nn import functional

    present, absent = (torch.logsumexp(functional.logsigmoid(sign * logits), dim=0) for sign in (1, -1))
    return present - absent


def truth(targets: NDArray[np.generic], count: int) -> NDArray[np.bool_]:
    """Write indicators (n, c) in {0, 1} as booleans."""
    return np.asarray(targets == 1)


def strata(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the sets of labels of n examples in the order of a Gray code.

    Sets that follow each other differ in frequent labels rather than in rare ones.
    """
    rarest_first = targets[:, np.argsort(targets.sum(axis=0), kind="stable")]
    place = np.packbits(np.cumsum(rarest_first, axis=1) % 2 == 1, axis=1)
    return np.unique(place, axis=0, return_inverse=True)[1].ravel()


def most_probable(probs: Floats) -> NDArray[np.bool_]:
    """Decide for the labels with a probability of 0.5 or more, both (n, c)."""
    return np.asarray(probs >= 0.5)


def confusion_tables(targets: NDArray[np.int64], logits: Floats, probs: Floats) -> list[NDArray[np.integer] | Floats]:
    """Count truths (n, c) and labels with a probability of 0.5 or more: a (2, 2) table for each label that is there."""
    present, decided = truth(targets, targets.shape[1]), most_probable(probs)
    return [
        confusion.confusion_matrix(present[:, index], decided[:, index], 2)
        for index in np.flatnonzero(present.any(axis=0))
    ]


def prior_of_counts(counts: ArrayLike, total: float) -> Floats:
    """Turn label counts into a prior in which no label is impossible or certain.

    A label with count 0 is counted as 0.5, and one that every example has as its count less 0.5, so that log-odds
    stay finite; other counts are unchanged.

    Args:
        counts: (c,) non-negative counts.
        total: Number of examples.

    Returns:
        (c,) shares, each between 0 and 1.

    Raises:
        ValueError: A count is negative or larger than the total, or there are no examples.

    Example:
        >>> prior_of_counts([3, 0], 4)
        array([0.75 , 0.125])
    """
    array = np.asarray(counts, dtype=np.float64)
    if array.ndim != 1 or not len(array) or (array < 0).any():
        raise ValueError(f"expected non-negative counts of at least one class, some positive; found {array}")
    if total < 1 or array.max() > total:
        raise ValueError(f"expected counts of at most the number of examples, {total:g}; found {array}")
    return np.asarray(np.clip(array, 0.5, total - 0.5) / total)


def ratios(prior: Floats) -> Floats:
    """Compute the odds (c,), which a line of the ledger multiplies label by label."""
    return np.asarray(prior / (1 - prior))


def shares(ratios: Floats) -> Floats:
    """Write odds (c,) as probabilities."""
    return np.asarray(ratios / (1 + ratios))


def offset(before: ArrayLike, after: ArrayLike) -> Floats:
    """Compute the log-odds of `after` less those of `before`, from Bayes' rule label by label.

    Args:
        before: (c,) prior under which logits hold.
        after: (c,) prior under which they should.

    Returns:
        (c,) in nats.

    Raises:
        ValueError: A prior does not lie between 0 and 1.

    Source: Saerens, Latinne, Decaestecker (2002), Adjusting the outputs of a classifier, equation 2.4, for two classes.

    Example:
        >>> bool(np.allclose(offset([0.5], [0.2]), np.log([0.25])))
        True
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    for name, prior in (("before", old), ("after", new)):
        if not ((prior > 0) & (prior < 1)).all():
            raise ValueError(f"prior {name!r} must lie between 0 and 1 for each label, found {prior}")
    return np.asarray(np.log(new) - np.log1p(-new) - np.log(old) + np.log1p(-old))


def initial_logits(prior: Floats, *, held_by_loss: bool) -> Floats:
    """Compute the log-odds of a prior (c,), whatever the loss holds: of rare labels few steps would not learn them."""
    return np.asarray(np.log(prior) - np.log1p(-prior))


def moved(prior: ArrayLike, index: int, share: float) -> Floats:
    """Give one label another share, in (0, 1), and leave the others of a prior (c,) alone.

    Example:
        >>> moved([0.6, 0.2], 1, 0.5)
        array([0.6, 0.5])
    """
    result = np.array(prior, dtype=np.float64)
    result[index] = share
    return result


def refuses(shares: Mapping[str, float]) -> str | None:
    """Refuse shares that are not between 0 and 1; they need not sum to anything.

    Example:
        >>> refuses({"a": 0.7, "b": 1.2})
        "must be shares between 0 and 1, found {'a': 0.7, 'b': 1.2}"
    """
    if not all(0 < share < 1 for share in shares.values()):
        return f"must be shares between 0 and 1, found {dict(shares)}"
    return None


def stated(shares: Mapping[str, float], classes: Sequence[str], natural: Floats) -> Floats:
    """Read shares stated by class name; a label without one keeps its natural share (c,).

    Raises:
        ValueError: `refuses` finds a fault.
    """
    if fault := refuses(shares):
        raise ValueError(fault)
    return np.array([shares.get(name, own) for name, own in zip(classes, natural, strict=True)])


def class_weights(scheme: str, counts: ArrayLike, total: float, beta: float) -> Floats:
    """Weigh the positive entries of each label: see `imbalance.class_weights.label_weights`."""
    return schemes.label_weights(scheme, counts, total)
