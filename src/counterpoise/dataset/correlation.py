"""Correlation of thumbnails, once what all of them share is taken out."""

import numpy as np
from numpy.typing import NDArray

from counterpoise.images import THUMBNAIL_PX

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Moments = tuple[Floats, Floats, Floats, float, Floats]

BLOCK_IMAGES = 8192
_BLOCK_PAIRS, _GREY_IMAGES = 4096, 100


def moments_of(thumbnails: NDArray[np.uint8]) -> Moments:
    """Per image: mean, norm of the centred pixels (inf if flat), product with the mean image; its square, itself."""
    rows = thumbnails.reshape(-1, THUMBNAIL_PX**2)
    blocks = [slice(start, start + BLOCK_IMAGES) for start in range(0, len(rows), BLOCK_IMAGES)]
    level, along = rows.mean(axis=1, dtype=np.float64), np.zeros(len(rows))
    norm, total = np.full(len(rows), np.inf), np.zeros(rows.shape[1])
    for block in blocks:
        centred = rows[block] - level[block, None]
        length = np.linalg.norm(centred, axis=1)
        norm[block] = np.where(length > 0, length, np.inf)
        total += (centred / norm[block, None]).sum(axis=0)
    shared = total / (len(rows) + _GREY_IMAGES)
    for block in blocks:
        along[block] = (rows[block] - level[block, None]) @ shared / norm[block]
    return level, norm, along, float(shared @ shared), shared


def correlate(thumbnails: NDArray[np.uint8], pairs: Ints, moments: Moments) -> Floats:
    """Correlate the pixels of pairs of images, once what all images share is taken out.

    Each image is centred and scaled to norm 1; the mean image (of all, and of 100 grey ones, so that small
    sets and sets full of copies keep their pictures) is subtracted; r is the cosine of what is left.
    Untouched pixels say little: in ELPV, whose solar cells share a grid, 1,054 of 4,442 candidates pass
    0.98; here 163 do, most of them neighbouring cells with the same crystals or streaks. Products are sums of exact
    integers: (u - m)(v - m) = uv - um - vm + mm.

    Args:
        thumbnails: (n, 32, 32) uint8, grey, 0 to 255.
        pairs: (m, 2) integer indices below n.
        moments: Of all thumbnails, by `moments_of`, since their mean counts.

    Returns:
        r (m,), -1 to 1, rounded to 6 decimals. Equal thumbnails have r = 1; a flat image has r = 0 with every other.

    Example:
        >>> ramp = np.tile(np.arange(32, dtype=np.uint8), (32, 1))
        >>> images = np.stack([ramp, 3 * ramp + 50, ramp * 0])
        >>> correlate(images, np.array([[0, 1], [0, 2], [2, 2]]), moments_of(images)).tolist()
        [1.0, 0.0, 1.0]
    """
    level, norm, along, square, _ = moments
    rows = thumbnails.reshape(-1, THUMBNAIL_PX**2)
    correlation = np.zeros(len(pairs))
    for start in range(0, len(pairs), _BLOCK_PAIRS):
        i, j = pairs[start : start + _BLOCK_PAIRS].T
        one, other = rows[i].astype(np.int32), rows[j].astype(np.int32)
        covariance = np.einsum("ij,ij->i", one, other) - rows.shape[1] * level[i] * level[j]
        left, right = (1 - 2 * along[k] + square for k in (i, j))
        r = (covariance / norm[i] / norm[j] - along[i] - along[j] + square) / np.sqrt(left * right)
        r = np.where(np.isinf(norm[i] + norm[j]), 0.0, r)
        r = np.where((one == other).all(axis=1), 1.0, r)
        correlation[start : start + len(r)] = np.clip(np.round(r, 6), -1, 1)
    return correlation


def residuals(thumbnails: NDArray[np.uint8], items: Ints, moments: Moments) -> NDArray[np.float32]:
    """Compute the vectors of norm 1 whose cosine is `correlate`, to 6 decimals: float32 (len(items), 1024)."""
    level, norm, along, square, shared = moments
    rows = thumbnails.reshape(-1, THUMBNAIL_PX**2)[items].astype(np.float32) - level[items, None].astype(np.float32)
    rows /= norm[items, None].astype(np.float32)
    rows -= shared.astype(np.float32)
    rows /= np.sqrt(1 - 2 * along[items, None] + square).astype(np.float32)
    return rows
