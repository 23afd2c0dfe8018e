"""Subclasses: split a class into visual types for training, and sum their probabilities for predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from counterpoise.config import PATH, InputError, suggest

RESTARTS = 10
"""Number of k-means runs; the one with the lowest inertia is used."""


def parents(classes: Sequence[str], split: Mapping[str, int]) -> tuple[int, ...]:
    """Return the class of each output of a network.

    Args:
        classes: The c class names.
        split: Class name -> number of types.

    Returns:
        Class indices in increasing order: one entry for a class that is not split, k entries for a class split into k.

    Raises:
        InputError: `split` has a name that is not a class.

    Example:
        >>> parents(("roof", "solar"), {"solar": 3})
        (0, 1, 1, 1)
    """
    for name in split:
        if name not in classes:
            raise InputError(f"{PATH}: model.subclasses has {name!r}, which is not a class; {suggest(name, classes)}")
    return tuple(index for index, name in enumerate(classes) for _ in range(split.get(name, 1)))


class Sums(nn.Module):
    """Sum types to classes in evaluation mode: the logit of a class is the log-sum-exp of the logits of its types.

    The softmax of the result is exactly the sum of the types' probabilities. In training mode logits are unchanged.

    Example:
        >>> sums = Sums((0, 1, 1)).eval()
        >>> sums(torch.tensor([[0.0, 0.0, 0.0]])).softmax(dim=1)
        tensor([[0.3333, 0.6667]])
    """

    def __init__(self, class_of_type: Sequence[int]) -> None:
        super().__init__()
        self.class_of_type = tuple(class_of_type)

    def forward(self, logits: Tensor) -> Tensor:
        """Map (n, s) to (n, s) in training mode, and to (n, c) in evaluation mode."""
        if self.training:
            return logits
        class_of_type = torch.tensor(self.class_of_type, device=logits.device)
        classes = range(self.class_of_type[-1] + 1)
        return torch.stack(
            [torch.logsumexp(logits.float()[:, class_of_type == index], dim=1) for index in classes], dim=1
        )


def log_shares(targets: Tensor, class_of_type: Sequence[int]) -> Tensor:
    """Compute the log of each type's share of the examples of its class.

    Args:
        targets: (n,) types.
        class_of_type: (s,) class of each type, from `parents`.

    Returns:
        (s,) float32. A type without examples counts as half an example.
    """
    counts = torch.bincount(targets, minlength=len(class_of_type)).double().clamp(min=0.5)
    classes = torch.tensor(class_of_type)
    totals = torch.zeros(class_of_type[-1] + 1, dtype=torch.float64).index_add(0, classes, counts)
    return (counts / totals[classes]).log().float()


def find(
    values: NDArray[np.float32], targets: NDArray[np.int64], classes: Sequence[str], split: Mapping[str, int], seed: int
) -> NDArray[np.int64]:
    """Find the type of each training example with k-means within its class.

    Each feature is divided by its standard deviation over the training set, as in the batch norm of the head.

    Args:
        values: (n, d) features.
        targets: (n,) class indices.
        classes: The c class names.
        split: Class name -> number of types.
        seed: Seed of k-means.

    Returns:
        (n,) index into the outputs that `parents` lists. Within a class, types are sorted by decreasing size.

    Raises:
        InputError: `split` has a name that is not a class, or a class has fewer distinct examples than types.
    """
    from sklearn.cluster import KMeans

    class_of_type = np.array(parents(classes, split))
    types = np.searchsorted(class_of_type, targets)
    deviation = values.std(axis=0, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1).astype(np.float32)
    for name, count in split.items():
        index = list(classes).index(name)
        rows = np.flatnonzero(targets == index)
        own = values[rows] / scale
        different = len(np.unique(own, axis=0))
        if different < count:
            raise InputError(
                f"{PATH}: model.subclasses splits {name!r} into {count} types, but the training set has only "
                f"{different} distinct examples of it; lower the number to at most {different}, or remove {name!r} "
                "from model.subclasses"
            )
        means = KMeans(n_clusters=count, n_init=RESTARTS, random_state=seed % 2**32).fit(own)
        sizes = np.bincount(means.labels_, minlength=count)
        rank = np.empty(count, dtype=np.int64)
        rank[np.argsort(-sizes, kind="stable")] = np.arange(count)
        types[rows] += rank[means.labels_]
    return types
