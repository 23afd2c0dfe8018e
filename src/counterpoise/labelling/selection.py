"""Which images to label next for a rare class: likely ones that differ from each other and from what is labelled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise.dataset.near_duplicates import find_duplicates

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SPREAD_AMONG = 3
"""For n images to label, so many times n of the most likely ones are chosen from."""


def without_duplicates(
    thumbnails: NDArray[np.uint8],
    sha256: NDArray[np.str_],
    labelled: NDArray[np.uint8],
    labelled_sha256: NDArray[np.str_],
    *,
    max_distance: int,
    min_correlation: float,
) -> tuple[Ints, Ints]:
    """Leave out images that look like a labelled one, or like an image before them.

    Args:
        thumbnails: (n, 32, 32) of the images, the best one first.
        sha256: (n,) hash of each file.
        labelled: (m, 32, 32) of the labelled images.
        labelled_sha256: (m,) hash of each file.
        max_distance: As `split.duplicates.max_distance`.
        min_correlation: As `split.duplicates.min_correlation`.

    Returns:
        Rows that stay, and rows that look like a labelled image. The other rows look like one that stays.
    """
    known = len(labelled)
    found = find_duplicates(
        np.concatenate([labelled, thumbnails]),
        np.concatenate([labelled_sha256, sha256]),
        max_distance=max_distance,
        min_correlation=min_correlation,
    )
    partners: dict[int, list[int]] = {}
    for one, other in found.crossing.tolist():
        partners.setdefault(one, []).append(other)
        partners.setdefault(other, []).append(one)
    taken, clusters = set(range(known)), set(found.cluster[:known].tolist())
    of_labelled = clusters.copy()
    kept, like_labelled = [], []
    for row in range(len(thumbnails)):
        place, cluster = known + row, int(found.cluster[known + row])
        if cluster in of_labelled or any(other < known for other in partners.get(place, ())):
            like_labelled.append(row)
        elif cluster not in clusters and taken.isdisjoint(partners.get(place, ())):
            kept.append(row)
            taken.add(place)
            clusters.add(cluster)
    return np.array(kept, dtype=np.int64), np.array(like_labelled, dtype=np.int64)


def spread(features: NDArray[np.floating], weights: Floats, count: int, seed: int) -> Ints:
    """Choose images that have large weights and are far from each other.

    They are the first centres of k-means++, which draws each next one in proportion to its weight times its squared
    distance to the nearest one chosen, and keeps the best of a few draws. Features are scaled as `Head.standardise`
    does, so that nearly constant ones count little.

    Args:
        features: (n, d).
        weights: (n,) positive.
        count: Images to choose, at most n.
        seed: Of the draws.

    Returns:
        (count,) rows, the largest weight first.

    Source: Arthur and Vassilvitskii (2007), k-means++: The Advantages of Careful Seeding; BADGE (Ash et al. 2020, Deep
        Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds) chooses batches to label by it. Departure:
        features with weights take the place of the gradients of the last layer.

    Example:
        >>> spread(np.array([[0.0], [0.1], [9.0]]), np.array([1.0, 1.0, 0.5]), 2, seed=0).tolist()
        [1, 2]
    """
    from sklearn.cluster import kmeans_plusplus

    values = features.astype(np.float64) - features.mean(axis=0)
    variance = values.var(axis=0)
    values /= np.sqrt(variance + variance.mean()) + np.finfo(np.float64).tiny
    _, rows = kmeans_plusplus(values, count, sample_weight=weights, random_state=seed % 2**32)
    chosen = np.unique(rows)  # where images are equal, one may be drawn twice
    rest = np.setdiff1d(np.argsort(-weights, kind="stable"), chosen, assume_unique=True)
    every = np.concatenate([chosen, rest[: count - len(chosen)]])
    return np.asarray(every[np.argsort(-weights[every], kind="stable")])
