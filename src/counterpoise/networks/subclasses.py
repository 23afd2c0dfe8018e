"""A class split into visual types: told apart by the network, summed back in probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from counterpoise.config import PATH, InputError, suggest

RESTARTS = 10
"""Of k-means; the tightest clustering is kept."""


def parents(classes: Sequence[str], split: Mapping[str, int]) -> tuple[int, ...]:
    """Say to which class each output of a network belongs.

    Args:
        classes: The c class names.
        split: Class name -> number of types.

    Returns:
        Class indices in rising order: one for a class that is not split, k for one that is split into k.

    Raises:
        InputError: A name is no class.

    Example:
        >>> parents(("roof", "solar"), {"solar": 3})
        (0, 1, 1, 1)
    """
    for name in split:
        if name not in classes:
            raise InputError(f"{PATH}: model.subclasses names {name!r}, which is no class; {suggest(name, classes)}")
    return tuple(index for index, name in enumerate(classes) for _ in range(split.get(name, 1)))


class Sums(nn.Module):
    """From logits of types to logits of classes, log of the sum of exp, when predicting; as they are while training.

    The softmax of the result is the sum of the types' probabilities, exactly.

    Example:
        >>> sums = Sums((0, 1, 1)).eval()
        >>> sums(torch.tensor([[0.0, 0.0, 0.0]])).softmax(dim=1)
        tensor([[0.3333, 0.6667]])
    """

    def __init__(self, class_of_type: Sequence[int]) -> None:
        super().__init__()
        self.class_of_type = tuple(class_of_type)

    def forward(self, logits: Tensor) -> Tensor:
        """Map (n, s) to (n, s) while training, else to (n, c)."""
        if self.training:
            return logits
        class_of_type = torch.tensor(self.class_of_type, device=logits.device)
        classes = range(self.class_of_type[-1] + 1)
        return torch.stack(
            [torch.logsumexp(logits.float()[:, class_of_type == index], dim=1) for index in classes], dim=1
        )


def log_shares(targets: Tensor, class_of_type: Sequence[int]) -> Tensor:
    """Compute the log of the share of each type in the examples of its class.

    Args:
        targets: (n,) types.
        class_of_type: (s,) the class of each type, as `parents` returns it.

    Returns:
        (s,) float32; a type without an example counts as half an example.
    """
    counts = torch.bincount(targets, minlength=len(class_of_type)).double().clamp(min=0.5)
    classes = torch.tensor(class_of_type)
    totals = torch.zeros(class_of_type[-1] + 1, dtype=torch.float64).index_add(0, classes, counts)
    return (counts / totals[classes]).log().float()


def find(
    values: NDArray[np.float32], targets: NDArray[np.int64], classes: Sequence[str], split: Mapping[str, int], seed: int
) -> NDArray[np.int64]:
    """Find the type of each training example, by k-means within its class.

    Each feature is divided by its standard deviation over train, as the batch norm of the head does.

    Args:
        values: (n, d) features.
        targets: (n,) class indices.
        classes: The c class names.
        split: Class name -> number of types.
        seed: Decides where k-means begins.

    Returns:
        (n,) index among the outputs that `parents` lists; of a class's types the largest comes first.

    Raises:
        InputError: A name is no class, or a class has fewer different examples than types are asked for.
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
                f"{PATH}: model.subclasses splits {name!r} into {count} types, but train has {different} different "
                f"examples of it; ask for at most {different}, or leave the class whole"
            )
        means = KMeans(n_clusters=count, n_init=RESTARTS, random_state=seed % 2**32).fit(own)
        sizes = np.bincount(means.labels_, minlength=count)
        rank = np.empty(count, dtype=np.int64)
        rank[np.argsort(-sizes, kind="stable")] = np.arange(count)
        types[rows] += rank[means.labels_]
    return types
