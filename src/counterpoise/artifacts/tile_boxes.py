"""`data/tiles/<split>/boxes.csv`: the boxes that each tile shows, in the order of its tiles; no rows without boxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage
from counterpoise.artifacts import tiles

if TYPE_CHECKING:
    import pandas as pd

FILE = "boxes.csv"
COLUMNS = {
    "tile_id": str,
    "image_id": str,
    "box": int,  # as in `data/boxes.csv`
    "label": str,
    "x0_px": float,  # in the tile, clipped to it; left and top inclusive, right and bottom exclusive
    "y0_px": float,
    "x1_px": float,
    "y1_px": float,
    "visible_frac": float,  # share of the area of the box that lies in the tile, in (0, 1]
    "ignore": int,  # 1 where it is neither an object nor background
}


def write(root: Path, split: str, table: pd.DataFrame) -> None:
    """Check and write the boxes of a split, once its tiles are there."""
    place = root / tiles.path(split) / FILE
    storage.check_table(place, table, COLUMNS)
    storage.check_unique(place, table, ["tile_id", "box"])
    storage.write_table(place, table, COLUMNS, root / tiles.sums_path(split))


def read(root: Path, split: str) -> pd.DataFrame:
    """Read and check the boxes of a split.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    place = root / tiles.path(split) / FILE
    table = storage.read_table(place, COLUMNS, root / tiles.sums_path(split))
    storage.check_unique(place, table, ["tile_id", "box"])
    return table
