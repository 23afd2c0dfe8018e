"""Imaginary units, which make the variance of a figure possible where no real unit of a class differs from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise.metrics.arguments import distinct

Units = NDArray[np.int64]


def instead(own: NDArray[np.number], every: NDArray[np.number], index: int) -> int:
    """Find the class that images of one class most often get instead; without any, that of most other images.

    Args:
        own: Decisions for the images of the class, (c,) counts.
        every: Decisions for all images, (c,) counts.
        index: The class.

    Example:
        >>> instead(np.array([5, 1, 2]), np.array([9, 9, 9]), 0), instead(np.array([5, 0, 0]), np.array([5, 8, 3]), 0)
        (2, 1)
    """
    counts = next(counts for counts in (own, every + 1) if np.delete(counts, index).any())
    return int(np.where(np.arange(len(counts)) == index, -1, counts).argmax())


def doubted(
    targets: Units, decided: Units, classes: Units, units: Units, table: NDArray[np.number]
) -> tuple[Units, Units, Units, Units]:
    """Add a right and a wrong imaginary unit, as large as its mean unit, to each class always or never right.

    The influence values of such a class have no variance, although its next unit may differ. With 10 units of a class
    that is found in 5 %, an interval of macro F1 that claims 95 % covers 42 % without these units, and 100 % with them.

    Args:
        targets: (n,) true classes.
        decided: (n,) decided classes.
        classes: (n,) strata; a class that shares the stratum of another one gets no units.
        units: (n,) unit of each image, numbered from 0.
        table: (c, c) number of images by true and decided class.

    Returns:
        Targets, decisions, strata and units, with the imaginary images behind the real ones. They are for the variance
        alone.

    Source: Agresti & Coull 1998, "Approximate is better than 'exact' for interval estimation of binomial proportions".

    Example:
        >>> truth, units = np.array([0, 0, 0, 1, 1]), np.arange(5)
        >>> doubted(truth, np.array([0, 0, 1, 0, 0]), truth, units, np.array([[2, 1], [2, 0]]))[:2]
        (array([0, 0, 0, 1, 1, 1, 1]), array([0, 0, 1, 0, 0, 1, 0]))
    """
    parts = [(targets, decided, classes, units)]
    fresh = int(units.max()) + 1
    for index in distinct(targets):
        own = targets == index
        if table[index, index] in (0, own.sum()) and (classes[own] == index).all():
            size = round(own.sum() / len(distinct(units[own])))
            other = instead(table[index], table.sum(axis=0), int(index))
            same = np.full(2 * size, index)
            parts.append((same, np.repeat([index, other], size), same, np.repeat([fresh, fresh + 1], size)))
            fresh += 2
    columns = zip(*parts, strict=True)
    return tuple(np.concatenate(column) for column in columns)  # type: ignore[return-value]
