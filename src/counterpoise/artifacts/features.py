"""`data/features/<split>/`: what the frozen backbone computed, or an index that says that it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

    from counterpoise.artifacts.tiles import Tiles

FOLDER = "data/features"
COLUMNS = {
    "tile_id": str,
    "view": int,  # 0 = the unchanged tile
}
RUNTIMES = ("torch", "onnxruntime")
"""What computed the features; they agree to rounding."""

ROWS_AT_A_TIME = 2**16
"""Rows that are checked together, since all may take more memory than there is."""


@dataclass(frozen=True)
class Features:
    """Features of the tiles of one split.

    Attributes:
        index: One row per feature vector, columns `tile_id` and `view`.
        values: float32 (n, d), mapped into memory, in the order of the index.
        runtime: Which of `RUNTIMES` computed them.
    """

    index: pd.DataFrame
    values: NDArray[np.float32]
    runtime: str = "torch"


def path(split: str) -> str:
    """Path of a split's folder below the repository."""
    return f"{FOLDER}/{split}"


def sums_path(split: str) -> str:
    """Path of the checksums in it."""
    return f"{FOLDER}/{split}/embed.sums"


def write(root: Path, split: str, features: Features | None) -> None:
    """Write the features of one split, or, for `None`, an index that says that nothing is frozen.

    Raises:
        storage.ArtifactError: Rows and values do not belong together, or a value is not finite.
    """
    if features is not None:
        _check(split, features)
    with storage.replacing(root / path(split), folder=True, sums=root / sums_path(split)) as folder:
        if features is None:
            storage.write_json(folder / "index.json", {"frozen": False})
        else:
            storage.write_json(folder / "index.json", {"frozen": True, "runtime": features.runtime})
            storage.write_table(folder / "rows.csv", features.index, COLUMNS)
            np.save(folder / "features.npy", features.values, allow_pickle=False)


def read(root: Path, split: str, of: Tiles | None = None) -> Features | None:
    """Map the features of one split into memory; `None` where the backbone is trained.

    Args:
        root: The repository.
        split: train, val or test.
        of: The tiles of the split, which must be those that the features are of; `None` leaves that to the caller.

    Raises:
        storage.ArtifactError: A file is missing or damaged, or a tile and its features lack each other.
    """
    folder, sums = root / path(split), root / sums_path(split)
    match storage.read_json(folder / "index.json", sums):
        case {"frozen": False}:
            return None
        case {"frozen": True, "runtime": str(runtime)}:
            pass
        case content:
            raise storage.ArtifactError(
                f"{path(split)}/index.json: expected whether it is frozen, and what computed it, found {content!r}; "
                "run `dvc repro`"
            )
    index = storage.read_table(folder / "rows.csv", COLUMNS, sums)
    array = storage.verified(folder / "features.npy", sums)
    try:
        values = np.load(array, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise storage.ArtifactError(f"{path(split)}/features.npy is damaged: {error}; run `dvc repro`") from error
    features = Features(index, values, runtime)
    _check(split, features)
    if of is not None:
        storage.check_partners(folder / "rows.csv", index["tile_id"], of.index, of.table["tile_id"])
        storage.check_partners(of.index, of.table["tile_id"], folder / "rows.csv", index["tile_id"])
    return features


def _check(split: str, features: Features) -> None:
    values = features.values
    if features.runtime not in RUNTIMES:
        raise storage.ArtifactError(f"{path(split)}: computed by {features.runtime!r}; expected one of {RUNTIMES}")
    if values.dtype != np.float32 or values.ndim != 2 or len(values) != len(features.index):
        raise storage.ArtifactError(
            f"{path(split)}: expected float32 ({len(features.index)}, d), found {values.dtype} {values.shape}"
        )
    pieces = (values[begin : begin + ROWS_AT_A_TIME] for begin in range(0, len(values), ROWS_AT_A_TIME))
    if not all(np.isfinite(piece).all() for piece in pieces):
        raise storage.ArtifactError(
            f"{path(split)}: the backbone gave values that are not finite; set model.precision to float32"
        )
