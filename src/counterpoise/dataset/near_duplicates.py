"""Exact and near duplicates. A hash proposes pairs, the correlation of pixels confirms them, and clusters join them.

All functions read thumbnails: uint8 (n, 32, 32), made with Pillow's
`image.convert("L").resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)`. The functions find copies that were
re-encoded, resized or brightened. They do not find flips, rotations and crops: an image and its mirror image count as
two images, and a crop of 2 % on every side lowers the correlation to about 0.8.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.dataset import crowds
from counterpoise.dataset.correlation import BLOCK_IMAGES, Moments, correlate, moments_of
from counterpoise.images import THUMBNAIL_PX

MAX_DISTANCE = 8
MIN_CORRELATION = 0.98

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_CANDIDATES = 1 << 19
"""Of more candidate pairs than this, crowds of near duplicates are not compared pair by pair; 2 s of comparisons."""

_BLOCK_COMPARISONS = 1 << 20


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Clusters of duplicates. Every array except the last has one entry per image, in the order of the images."""

    cluster: Ints
    """(n,) number of the cluster of each image, from 0, in the order of their first images."""
    centre: Ints
    """(n,) index of the cluster centre. All images of a cluster are confirmed duplicates of its centre."""
    kind: NDArray[np.str_]
    """(n,) `single`: alone in its cluster; `exact`: another image has the same bytes; `near`: the rest."""
    correlation: Floats
    """(n,) correlation with the centre, as in `correlate`; 1 for equal thumbnails."""
    crossing: Ints
    """(k, 2) index pairs i < j of confirmed duplicates in different clusters; see `clusters`."""


def find_duplicates(
    thumbnails: NDArray[np.uint8],
    sha256: ArrayLike,
    *,
    max_distance: int = MAX_DISTANCE,
    min_correlation: float = MIN_CORRELATION,
) -> Duplicates:
    """Find images that must stay in the same split.

    Equal thumbnails are one item from the start (thousands of black images make no pairs), and candidates
    are confirmed block by block, so memory grows with the confirmed pairs alone. Where a fixed camera makes
    more than `MOST_CANDIDATES` candidates, the images of a crowd are linked to a few of them: see `crowds`.

    Args:
        thumbnails: (n, 32, 32) uint8, grey, 0 to 255.
        sha256: (n,) strings, the hash of each file. Equal files must have equal thumbnails.
        max_distance: Maximum number of different bits between the hashes of a candidate pair, 0 to 15.
        min_correlation: Minimum correlation of duplicates, above 0, at most 1; see `correlate`.

    Returns:
        The clusters, and the confirmed pairs between clusters. The order of the images changes the clusters only if
        images have equally many confirmed neighbours.

    Raises:
        ValueError: A shape, dtype or range is wrong, or equal files have different thumbnails.

    Example:
        >>> ramp = np.tile(np.arange(32, dtype=np.uint8), (32, 1))
        >>> duplicates = find_duplicates(np.stack([ramp, ramp.T, ramp + 9]), ["a", "b", "c"])
        >>> duplicates.cluster.tolist(), duplicates.kind.tolist()
        ([0, 1, 0], ['near', 'single', 'near'])
    """
    _check(thumbnails, max_distance=max_distance, min_correlation=min_correlation)
    file = np.unique(np.asarray(sha256, dtype=np.str_), return_inverse=True)[1]
    if file.shape != (len(thumbnails),):
        raise ValueError(f"sha256 has shape {file.shape}; expected one hash per thumbnail, ({len(thumbnails)},)")
    rows = np.ascontiguousarray(thumbnails).reshape(-1, THUMBNAIL_PX**2).view(f"V{THUMBNAIL_PX**2}").ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    key = first[inverse]
    key_of_file = np.zeros(len(file), dtype=np.int64)
    key_of_file[file] = key
    if (odd := np.flatnonzero(key_of_file[file] != key)).size:
        raise ValueError(
            f"images {odd[:3].tolist()}: their thumbnails differ from those of files with the same sha256; run ingest "
            "again"
        )

    items = np.sort(first)
    distinct = thumbnails[items]
    moments = moments_of(distinct)
    confirmed = items[_confirm(distinct, moments, max_distance, min_correlation)]
    cluster, centre, crossing = clusters(key, confirmed)
    kind = np.where(np.bincount(cluster, minlength=1)[cluster] == 1, "single", "near")
    kind[np.bincount(file, minlength=1)[file] > 1] = "exact"
    to_centre = np.searchsorted(items, np.stack([key, key[centre]], axis=1))
    return Duplicates(cluster, centre, kind, correlate(distinct, to_centre, moments), crossing)


def perceptual_hash(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash the low frequencies of images: each bit says whether one of 8 x 8 DCT coefficients exceeds their median.

    Args:
        thumbnails: (n, 32, 32) uint8, grey, 0 to 255.

    Returns:
        (n,) uint64; 0 for an image of a single grey value. Usually 31 bits are set, so most distances are even.

    Raises:
        ValueError: The shape or dtype is wrong.

    Source:
        Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions". Departures:
        frequencies are 0 to 7 instead of 1 to 8; the constant term is not part of the median, and its bit is 0;
        coefficients are rounded to 0.001, so rounding errors set no bits.

    Example:
        >>> ramp = np.tile(np.arange(32, dtype=np.uint8), (32, 1))
        >>> [f"{h:016x}" for h in perceptual_hash(np.stack([ramp * 0, 31 - ramp, 2 * (31 - ramp) + 9]))]
        ['0000000000000000', '5500000000000000', '5500000000000000']
    """
    _check(thumbnails)
    angles = np.pi / THUMBNAIL_PX * np.arange(8)[:, None] * (np.arange(THUMBNAIL_PX) + 0.5)
    cosines = np.cos(angles) * np.sqrt(2 / THUMBNAIL_PX)
    hashes = np.zeros(len(thumbnails), dtype=np.uint64)
    for start in range(0, len(thumbnails), BLOCK_IMAGES):
        images = thumbnails[start : start + BLOCK_IMAGES].astype(np.float64)
        coefficients = np.round(cosines @ images @ cosines.T, 3).reshape(-1, 64)
        bits = coefficients > np.median(coefficients[:, 1:], axis=1, keepdims=True)
        bits[:, 0] = False
        hashes[start : start + len(images)] = np.packbits(bits, axis=1).view(">u8").ravel()
    return hashes


def clusters(keys: ArrayLike, pairs: Ints) -> tuple[Ints, Ints, Ints]:
    """Cluster images into stars: a centre and its confirmed neighbours. Chains of neighbours are not joined.

    Images with equal keys are one item. The item with the most confirmed neighbours (the earliest on ties) becomes a
    centre, and its neighbours that are not in a cluster yet join it. This repeats until no pairs are left.

    Args:
        keys: (n,) sortable values; equal values mean the same image.
        pairs: (m, 2) integer indices below n of confirmed pairs.

    Returns:
        Cluster number (n,), in the order of first images; index of the centre (n,), which is the first of its copies;
        and sorted crossing pairs (k, 2), i < j: confirmed pairs in different clusters. Each copy of one image is paired
        with the first copy of the other, which is enough because copies share a cluster.

    Raises:
        ValueError: A shape, dtype or range is wrong.

    Example:
        >>> chained = np.array([[0, 1], [1, 2], [2, 3]])
        >>> [x.tolist() for x in clusters(["a", "b", "c", "d", "a"], chained)]
        [[0, 0, 0, 1, 0], [1, 1, 1, 3, 1], [[2, 3]]]
    """
    _, first, inverse = np.unique(np.asarray(keys), return_index=True, return_inverse=True)
    _check(pairs=pairs, n=len(inverse))
    head = first[inverse].astype(np.int64)
    links = head[pairs]
    links = np.unique(np.concatenate([links, links[:, ::-1]])[np.tile(links[:, 0] != links[:, 1], 2)], axis=0)
    starts = np.searchsorted(links[:, 0], np.arange(len(head) + 1))
    degree = np.diff(starts)

    centre = np.arange(len(head))
    free = np.full(len(head), True)
    for item in np.argsort(-degree, kind="stable")[: np.count_nonzero(degree)]:
        if free[item]:
            star = np.append(links[starts[item] : starts[item + 1], 1], item)
            centre[star[free[star]]] = item
            free[star] = False
    centre = centre[head]
    _, opening, number = np.unique(centre, return_index=True, return_inverse=True)
    label = np.argsort(np.argsort(opening))[number]

    order = np.argsort(head, kind="stable")
    copies = np.split(order, np.searchsorted(head[order], np.arange(1, len(head))))
    across = links[label[links[:, 0]] != label[links[:, 1]]].tolist()
    crossing = sorted({(min(x, b), max(x, b)) for a, b in across for x in copies[a].tolist()})
    return label, centre, np.array(crossing, dtype=np.int64).reshape(-1, 2)


def _confirm(
    thumbnails: NDArray[np.uint8],
    moments: Moments,
    max_distance: int,
    min_correlation: float,
) -> Ints:
    """Confirm candidates by their pixels: index pairs (m, 2), all there are unless crowds were thinned out."""
    hashes = perceptual_hash(thumbnails)
    candidates, count = [], 0
    for block in _candidate_blocks(hashes, max_distance):
        candidates.append(block)
        if (count := count + len(block)) > MOST_CANDIDATES:
            break
    confirmed = [np.empty((0, 2), dtype=np.int64)]
    blocks: Iterable[Ints] = candidates
    if count > MOST_CANDIDATES:
        is_left = np.full(len(hashes), True)
        confirmed += crowds.represent(thumbnails, hashes, moments, max_distance, min_correlation, is_left)
        confirmed += crowds.compare(thumbnails, hashes, moments, max_distance, min_correlation, is_left)
        rest = np.flatnonzero(is_left)
        blocks = (rest[block] for block in _candidate_blocks(hashes[rest], max_distance))
    for block in blocks:
        confirmed.append(block[correlate(thumbnails, block, moments) >= min_correlation])
    return np.concatenate(confirmed)


def _cells(counts: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Enumerate (row, offset) for rows with `counts[row]` cells each, in blocks of limited size."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    for low in range(0, total, _BLOCK_COMPARISONS):
        high = min(low + _BLOCK_COMPARISONS, total)
        rows = np.arange(np.searchsorted(ends, low, side="right"), np.searchsorted(ends, high) + 1)
        begin = ends[rows] - counts[rows]
        row = np.repeat(rows, np.minimum(ends[rows], high) - np.maximum(begin, low))
        yield row, np.arange(low, high) - begin[row - rows[0]]


def _candidate_blocks(hashes: NDArray[np.uint64], max_distance: int) -> Iterator[Ints]:
    """Yield candidate pairs of images, each once, i < j, in blocks: all images of each pair of close hashes."""
    distinct, inverse, size = np.unique(hashes, return_inverse=True, return_counts=True)
    members, starts = np.argsort(inverse, kind="stable"), np.cumsum(size) - size
    repeated = np.flatnonzero(size > 1)
    for a, b in chain([(repeated, repeated)], _close(distinct, max_distance)):
        for row, offset in _cells(size[a] * size[b]):
            i = members[starts[a[row]] + offset // size[b[row]]]
            j = members[starts[b[row]] + offset % size[b[row]]]
            pairs = np.stack([i, j], axis=1)[(a[row] != b[row]) | (i < j)]
            yield np.sort(pairs, axis=1)


def _close(hashes: NDArray[np.uint64], max_distance: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield index pairs of distinct hashes within the distance, each once, at the first 16-bit band that nearly agrees.

    If two hashes differ in at most d bits, at least one of their four bands differs in at most d // 4 bits.
    """
    bands = hashes[:, None] >> np.arange(0, 64, 16, dtype=np.uint64) & np.uint64(0xFFFF)
    radius = max_distance // 4
    flips = [sum(1 << bit for bit in bits) for k in range(radius + 1) for bits in combinations(range(16), k)]
    for band, keys in enumerate(bands.T.astype(np.int64)):
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.searchsorted(keys, np.arange(1 << 16 | 1))
        for flip in flips:
            low = starts[keys ^ flip] if flip else np.arange(1, len(keys) + 1)
            counts = np.where(keys ^ flip >= keys, starts[(keys ^ flip) + 1] - low, 0)
            for row, offset in _cells(counts):
                a, b = order[row], order[low[row] + offset]
                near = np.bitwise_count(hashes[a] ^ hashes[b]) <= max_distance
                a, b = a[near], b[near]
                new = (np.bitwise_count(bands[a, :band] ^ bands[b, :band]) > radius).all(axis=1)
                yield a[new], b[new]


def _check(
    thumbnails: NDArray[np.uint8] | None = None,
    pairs: Ints | None = None,
    n: int = 0,
    *,
    max_distance: int = MAX_DISTANCE,
    min_correlation: float = MIN_CORRELATION,
) -> None:
    for name, array, shape, dtype in (
        ("thumbnails", thumbnails, (THUMBNAIL_PX, THUMBNAIL_PX), np.uint8),
        ("pairs", pairs, (2,), np.integer),
    ):
        if array is not None and (array.shape[1:] != shape or not np.issubdtype(array.dtype, dtype)):
            actual = f"shape {array.shape}, dtype {array.dtype}"
            raise ValueError(f"{name} have {actual}; expected (n, *{shape}), {dtype.__name__}")
    if pairs is not None and pairs.size and (pairs.min() < 0 or pairs.max() >= n):
        raise ValueError(f"pairs hold indices {pairs.min()} to {pairs.max()}; expected 0 to {n - 1}")
    if not 0 <= max_distance <= 15:
        raise ValueError(f"max_distance is {max_distance}; expected 0 to 15 bits")
    if not 0 < min_correlation <= 1:
        raise ValueError(f"min_correlation is {min_correlation}; expected above 0, at most 1")
