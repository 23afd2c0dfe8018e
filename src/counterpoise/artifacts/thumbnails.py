"""`data/thumbnails.npy`: a small grey picture of every image, in the order of the manifest, uint8 (n, s, s)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterpoise import storage

PATH = "data/thumbnails.npy"


def write(root: Path, thumbnails: NDArray[np.uint8]) -> None:
    """Check and write the thumbnails.

    Raises:
        storage.ArtifactError: They are no uint8 array of shape (n, s, s).
    """
    _check(thumbnails)
    with storage.replacing(root / PATH) as temporary, temporary.open("wb") as file:
        np.save(file, thumbnails, allow_pickle=False)


def read(root: Path) -> NDArray[np.uint8]:
    """Map the thumbnails into memory, read only.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    try:
        thumbnails: NDArray[np.uint8] = np.load(root / PATH, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise storage.ArtifactError(f"{PATH} does not exist; run `dvc repro`") from error
    except (ValueError, EOFError) as error:
        raise storage.ArtifactError(f"{PATH} is damaged: {error}") from error
    _check(thumbnails)
    return thumbnails


def _check(thumbnails: NDArray[np.uint8]) -> None:
    if thumbnails.dtype != np.uint8 or thumbnails.ndim != 3 or thumbnails.shape[1] != thumbnails.shape[2]:
        raise storage.ArtifactError(f"{PATH}: expected uint8 (n, s, s), found {thumbnails.dtype} {thumbnails.shape}")
