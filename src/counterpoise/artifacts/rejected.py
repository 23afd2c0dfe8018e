"""`data/rejected.csv`: every row of the raw labels that became no image and no box, or a changed box, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

PATH = "data/rejected.csv"
SUMS = "data/ingest.sums"
KINDS = ("rejected", "excluded", "clipped")
COLUMNS = {
    "where": str,  # place in the raw labels, such as `labels.csv row 17`
    "image": str,  # path as the raw labels give it
    "kind": str,  # `rejected` (unusable), `excluded` (left out by a parameter) or `clipped` (a box, to its picture)
    "reason": str,
}


def write(root: Path, table: pd.DataFrame) -> None:
    """Check and write the table.

    Raises:
        storage.ArtifactError: Columns or types are wrong, or a kind is unknown.
    """
    storage.check_table(root / PATH, table, COLUMNS)
    _check(table)
    storage.write_table(root / PATH, table, COLUMNS, root / SUMS)


def read(root: Path) -> pd.DataFrame:
    """Read and check the table.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    table = storage.read_table(root / PATH, COLUMNS, root / SUMS)
    _check(table)
    return table


def _check(table: pd.DataFrame) -> None:
    unknown = sorted(set(table["kind"]) - set(KINDS))
    if unknown:
        raise storage.ArtifactError(f"{PATH}: unknown kinds {unknown}; expected {list(KINDS)}")
