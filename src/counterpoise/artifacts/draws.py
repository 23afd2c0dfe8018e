"""`data/draws.csv`: what one epoch of training consists of, sorted by tile and view; one row = one draw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

    from counterpoise.artifacts.tiles import Tiles

PATH = "data/draws.csv"
SUMS = "data/oversample.sums"
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
    storage.write_table(root / PATH, table, COLUMNS, root / SUMS)


def read(root: Path, of: Tiles | None = None) -> pd.DataFrame:
    """Read and check the draws.

    Args:
        root: The repository.
        of: The tiles of train, among which each draw must be; `None` leaves that to the caller.

    Raises:
        storage.ArtifactError: The file is missing or damaged, or draws a tile that there is not.
    """
    table = storage.read_table(root / PATH, COLUMNS, root / SUMS)
    _check(table)
    if of is not None:
        storage.check_partners(of.index, of.table["tile_id"], root / PATH, table["tile_id"])
    return table


def _check(table: pd.DataFrame) -> None:
    if not len(table) or int(table["view"].min()) < 0:
        raise storage.ArtifactError(f"{PATH}: expected at least one draw, with views of 0 or more")
