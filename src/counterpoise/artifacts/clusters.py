"""`data/clusters.csv`: which images must stay on one side of a split, sorted by `image_id`, one row per image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

    from counterpoise.artifacts.tiles import Tiles

PATH = "data/clusters.csv"
SUMS = "data/split.sums"
COLUMNS = {
    "image_id": str,
    "unit": str,  # images of one unit are never separated: one group, or groups joined by duplicates
    "centre": str,  # the image of which this one is a duplicate; itself where it is none
    "kind": str,  # single, exact (another image has the same bytes) or near (confirmed by pixel correlation)
    "correlation": float,  # with the centre, in [-1, 1]; 1 where the pictures are equal, so for single
}


def write(root: Path, table: pd.DataFrame) -> None:
    """Check and write the table."""
    storage.check_unique(root / PATH, table, ["image_id"])
    storage.write_table(root / PATH, table, COLUMNS, root / SUMS)


def read(root: Path) -> pd.DataFrame:
    """Read and check the table.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    table = storage.read_table(root / PATH, COLUMNS, root / SUMS)
    storage.check_unique(root / PATH, table, ["image_id"])
    return table


def units(root: Path, *of: Tiles) -> dict[str, str]:
    """Read to which unit each image belongs.

    Args:
        root: The repository.
        of: Tiles, each of whose images must have a unit.

    Raises:
        storage.ArtifactError: The file is missing or damaged, or lacks an image.
    """
    table = read(root)
    for part in of:
        storage.check_partners(root / PATH, table["image_id"], part.index, part.table["image_id"])
    return dict(zip(table["image_id"], table["unit"], strict=True))
