"""Crowds of near duplicates, as a fixed camera makes them: compared without a look at every pair.

Both functions are used only where pairs are too many, since links to a representative are fewer than all there are: of
two images that different images represent, or of which one has no representative, a confirmed pair may be missing.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from counterpoise.dataset.correlation import BLOCK_IMAGES, Ints, Moments, correlate, residuals

_CROWD = 64
"""Fewer images are compared pair by pair."""
_SAMPLED = 256
"""Images that are asked in a round."""
_CROWD_ROWS = 1024


def _sampled(is_left: NDArray[np.bool_]) -> Iterator[int]:
    """Yield images that are left, at even steps, in rounds, while a round takes away a hundredth of them."""
    is_asked = np.full(len(is_left), False)
    while True:
        left = np.flatnonzero(is_left & ~is_asked)
        for item in left[:: max(1, len(left) // _SAMPLED)].tolist():
            if is_left[item]:
                is_asked[item] = True
                yield item
        if np.count_nonzero(~is_left[left]) * 100 < max(len(left), 1):
            return


def represent(
    thumbnails: NDArray[np.uint8],
    hashes: NDArray[np.uint64],
    moments: Moments,
    max_distance: int,
    min_correlation: float,
    is_left: NDArray[np.bool_],
) -> list[Ints]:
    """Let one image represent each crowd of its near duplicates: links to it suffice, and n^2 are too many.

    An image that is a near duplicate of at least `_CROWD` images which nothing represents yet represents them from then
    on.

    Args:
        thumbnails: (n, 32, 32) uint8.
        hashes: (n,) uint64.
        moments: Of all thumbnails.
        max_distance: See `find_duplicates`.
        min_correlation: See `find_duplicates`.
        is_left: (n,) set to False where an image is represented; representatives stay.

    Returns:
        Confirmed pairs (m, 2) of each representative with all its near duplicates.
    """
    stars = []
    is_representative = np.full(len(hashes), False)
    for item in _sampled(is_left):
        close = np.flatnonzero(np.bitwise_count(hashes ^ hashes[item]) <= max_distance)
        close = close[close != item]
        if np.count_nonzero(is_left[close]) < _CROWD:
            continue
        pairs = np.stack([np.full_like(close, item), close], axis=1)
        some = pairs[:: max(1, len(pairs) // _SAMPLED)]
        if np.mean(correlate(thumbnails, some, moments) >= min_correlation) * len(pairs) < _CROWD / 2:
            continue
        pairs = pairs[correlate(thumbnails, pairs, moments) >= min_correlation]
        fresh = pairs[is_left[pairs[:, 1]] & ~is_representative[pairs[:, 1]], 1]
        if len(fresh) >= _CROWD:
            is_representative[item] = True
            is_left[fresh] = False
            stars.append(np.sort(pairs, axis=1))
    return stars


def compare(
    thumbnails: NDArray[np.uint8],
    hashes: NDArray[np.uint64],
    moments: Moments,
    max_distance: int,
    min_correlation: float,
    is_left: NDArray[np.bool_],
) -> list[Ints]:
    """Compare crowds whose hashes are close with all that are left, by products of matrices.

    Of an image, those within `max_distance` are a crowd, and what is close to any of them is within twice of that.

    Args:
        thumbnails: (n, 32, 32) uint8.
        hashes: (n,) uint64.
        moments: Of all thumbnails.
        max_distance: See `find_duplicates`.
        min_correlation: See `find_duplicates`.
        is_left: (n,) set to False for images that were compared with all others.

    Returns:
        Confirmed pairs (m, 2).
    """
    confirmed = []
    for item in _sampled(is_left):
        left = np.flatnonzero(is_left)
        distance = np.bitwise_count(hashes[left] ^ hashes[item])
        rows, others = left[distance <= max_distance], left[(distance > max_distance) & (distance <= 2 * max_distance)]
        if len(rows) < _CROWD:
            continue
        columns = np.concatenate([rows, others])
        for y in range(0, len(rows), _CROWD_ROWS):
            one = residuals(thumbnails, rows[y : y + _CROWD_ROWS], moments)
            for x in range(y, len(columns), BLOCK_IMAGES):
                other = residuals(thumbnails, columns[x : x + BLOCK_IMAGES], moments)
                i, j = np.nonzero(one @ other.T >= min_correlation - 1e-4)
                pairs = np.stack([columns[y + i], columns[x + j]], axis=1)[x + j > y + i]
                pairs = pairs[np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= max_distance]
                pairs = pairs[correlate(thumbnails, pairs, moments) >= min_correlation]
                confirmed.append(np.sort(pairs, axis=1))
        is_left[rows] = False
    return confirmed
