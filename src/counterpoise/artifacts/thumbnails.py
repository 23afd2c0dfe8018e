"""`data/thumbnails.npy`: a small grey picture of every image, in the order of the manifest, uint8 (n, 32, 32)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterpoise import storage
from counterpoise.images import THUMBNAIL_PX

PATH = "data/thumbnails.npy"
SUMS = "data/ingest.sums"


def write(root: Path, thumbnails: NDArray[np.uint8]) -> None:
    """Check and write the thumbnails.

    Raises:
        storage.ArtifactError: They are no uint8 array of shape (n, 32, 32).
    """
    _check(thumbnails)
    with storage.replacing(root / PATH, sums=root / SUMS) as temporary, temporary.open("wb") as file:
        np.save(file, thumbnails, allow_pickle=False)


def read(root: Path, count: int | None = None) -> NDArray[np.uint8]:
    """Map the thumbnails into memory, read only.

    Args:
        root: The repository.
        count: Images in the manifest to which they should belong; `None` leaves that to the caller.

    Raises:
        storage.ArtifactError: The file is missing or damaged, or has another number of pictures.
    """
    path = storage.verified(root / PATH, root / SUMS)
    try:
        thumbnails: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise storage.ArtifactError(f"{PATH} is damaged: {error}; run `dvc repro`") from error
    _check(thumbnails)
    if count is not None and len(thumbnails) != count:
        raise storage.ArtifactError(f"{PATH}: {len(thumbnails)} pictures of {count} images; run `dvc repro`")
    return thumbnails


def _check(thumbnails: NDArray[np.uint8]) -> None:
    if thumbnails.dtype != np.uint8 or thumbnails.ndim != 3 or thumbnails.shape[1:] != (THUMBNAIL_PX, THUMBNAIL_PX):
        expected = f"uint8 (n, {THUMBNAIL_PX}, {THUMBNAIL_PX})"
        raise storage.ArtifactError(f"{PATH}: expected {expected}, found {thumbnails.dtype} {thumbnails.shape}")
