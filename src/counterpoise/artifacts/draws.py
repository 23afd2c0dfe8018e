"""`data/draws.csv`: what one epoch of training consists of, sorted by tile and view; one row = one draw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

PATH = "data/draws.csv"
COLUMNS = {
    "tile_id": str,
    "view": int,  # 0 = the unchanged tile, 1..views = an augmented view of it
}


def write(root: Path, table: pd.DataFrame) -> None:
    """Check and write the draws.

    Raises:
        storage.ArtifactError: Nothing is drawn, or a view is negative.
    """
    storage.check_table(root / PATH, table, COLUMNS)
    _check(table)
    storage.write_table(root / PATH, table, COLUMNS)


def read(root: Path) -> pd.DataFrame:
    """Read and check the draws.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    table = storage.read_table(root / PATH, COLUMNS)
    _check(table)
    return table


def _check(table: pd.DataFrame) -> None:
    if not len(table) or int(table["view"].min()) < 0:
        raise storage.ArtifactError(f"{PATH}: expected at least one draw, with views of 0 or more")
