"""`data/manifest.csv`: every usable image, sorted by `image_id`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

PATH = "data/manifest.csv"
SPLITS = ("train", "val", "test")
SUMS = "data/ingest.sums"
COLUMNS = {
    "image_id": str,  # path below `ingest.root`, unique
    "path": str,  # path below the repository
    "labels": str,  # class names joined by `|`; empty = none
    "raw_labels": str,  # before classes were merged or grouped, joined likewise
    "group": str,  # images of one group are never split up; never empty
    "split": str,  # the split that the raw labels give: train, val or test; empty = none
    "width_px": int,  # after EXIF rotation
    "height_px": int,
    "sha256": str,  # of the file's bytes
}


def write(root: Path, table: pd.DataFrame) -> None:
    """Check and write the manifest.

    Raises:
        storage.ArtifactError: Columns or types are wrong, an image occurs twice or has no group, a split has an
            unknown name, or rows are not sorted.
    """
    storage.check_table(root / PATH, table, COLUMNS)
    _check(root, table)
    storage.write_table(root / PATH, table, COLUMNS, root / SUMS)


def read(root: Path) -> pd.DataFrame:
    """Read and check the manifest.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    table = storage.read_table(root / PATH, COLUMNS, root / SUMS)
    _check(root, table)
    return table


def _check(root: Path, table: pd.DataFrame) -> None:
    storage.check_unique(root / PATH, table, ["image_id"])
    if not table["image_id"].is_monotonic_increasing:
        raise storage.ArtifactError(f"{PATH}: rows are not sorted by image_id")
    alone = table[table["group"] == ""]
    if len(alone):
        raise storage.ArtifactError(f"{PATH}: image {alone.iloc[0]['image_id']!r} has no group")
    unknown = sorted(set(table["split"]) - {"", *SPLITS})
    if unknown:
        raise storage.ArtifactError(f"{PATH}: unknown splits {unknown}; expected {list(SPLITS)}, or nothing")
