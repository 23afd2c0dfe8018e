"""`data/splits.csv`: the split of every image, sorted by `image_id`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

PATH = "data/splits.csv"
SUMS = "data/split.sums"
NAMES = ("train", "val", "test")
MEASURED = ("val", "test")
"""The splits on which a model is scored, not trained."""
COLUMNS = {
    "image_id": str,
    "split": str,  # train, val, test, or unused: a near duplicate is in another split, or balancing left it over
}


def write(root: Path, table: pd.DataFrame) -> None:
    """Check and write the splits.

    Raises:
        storage.ArtifactError: A split has an unknown name, or an image occurs twice.
    """
    storage.check_table(root / PATH, table, COLUMNS)
    _check(root, table)
    storage.write_table(root / PATH, table, COLUMNS, root / SUMS)


def read(root: Path) -> pd.DataFrame:
    """Read and check the splits.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    table = storage.read_table(root / PATH, COLUMNS, root / SUMS)
    _check(root, table)
    return table


def _check(root: Path, table: pd.DataFrame) -> None:
    storage.check_unique(root / PATH, table, ["image_id"])
    unknown = sorted(set(table["split"]) - {*NAMES, "unused"})
    if unknown:
        raise storage.ArtifactError(f"{PATH}: unknown splits {unknown}; expected {[*NAMES, 'unused']}")
