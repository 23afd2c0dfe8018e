"""`data/boxes.csv`: every box of every usable image, sorted by `image_id` and `box`; no rows where labels have none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage

if TYPE_CHECKING:
    import pandas as pd

PATH = "data/boxes.csv"
SUMS = "data/ingest.sums"
COLUMNS = {
    "image_id": str,
    "box": int,  # number of the box in its image, from 0
    "label": str,  # empty where its class was left out: the place is ignored for every class
    "raw_label": str,  # before classes were merged or grouped
    "x0_px": float,  # of the picture after EXIF rotation; left and top inclusive, right and bottom exclusive
    "y0_px": float,
    "x1_px": float,
    "y1_px": float,
    "ignore": int,  # 1 where the place is neither an object nor background
    "where": str,  # where the box was read, in words
}


def write(root: Path, table: pd.DataFrame) -> None:
    """Check and write the table.

    Raises:
        storage.ArtifactError: Columns or types are wrong, rows are not sorted, or a box occurs twice, has no area, or
            has no label and is not ignored.
    """
    storage.check_table(root / PATH, table, COLUMNS)
    _check(root, table)
    storage.write_table(root / PATH, table, COLUMNS, root / SUMS)


def read(root: Path) -> pd.DataFrame:
    """Read and check the table.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    table = storage.read_table(root / PATH, COLUMNS, root / SUMS)
    _check(root, table)
    return table


def _check(root: Path, table: pd.DataFrame) -> None:
    storage.check_unique(root / PATH, table, ["image_id", "box"])
    keys = list(zip(table["image_id"], table["box"], strict=True))
    if keys != sorted(keys):
        raise storage.ArtifactError(f"{PATH}: rows are not sorted by image_id and box")
    if not set(table["ignore"]) <= {0, 1} or ((table["label"] == "") & (table["ignore"] == 0)).any():
        raise storage.ArtifactError(f"{PATH}: expected 0 or 1 under 'ignore', and 1 where there is no label")
    small = table[(table["x1_px"] <= table["x0_px"]) | (table["y1_px"] <= table["y0_px"])]
    if len(small):
        raise storage.ArtifactError(f"{PATH}: box {small.iloc[0][['image_id', 'box']].tolist()} has no area")


def empty() -> pd.DataFrame:
    """Give a table without rows, as labels without boxes have it."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=object if kind is str else kind) for name, kind in COLUMNS.items()})
