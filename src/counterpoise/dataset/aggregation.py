"""Aggregation of the predictions of tiles to predictions of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def aggregate(logits: NDArray[np.float32], image: NDArray[np.int64], how: str) -> NDArray[np.float32]:
    """Aggregate the logits of tiles to logits of images, for each class.

    Args:
        logits: (n, c) logits of tiles.
        image: (n,) number of the image of each tile. Every number from 0 to the maximum occurs.
        how: `mean` or `max`.

    Returns:
        float32 (images, c).

    Example:
        >>> aggregate(np.array([[1.0], [3.0], [5.0]], dtype=np.float32), np.array([0, 0, 1]), "mean").tolist()
        [[2.0], [5.0]]
    """
    shape = (int(image.max()) + 1, logits.shape[1])
    if how == "max":
        highest = np.full(shape, -np.inf, dtype=np.float32)
        np.maximum.at(highest, image, logits)
        return highest
    total = np.zeros(shape, dtype=np.float64)
    np.add.at(total, image, logits)
    mean: NDArray[np.float32] = (total / np.bincount(image)[:, None]).astype(np.float32)
    return mean
