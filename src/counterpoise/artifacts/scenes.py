"""`data/scenes.csv`: where the ground is that each image shows, sorted by `image_id`; no row where that is unknown.

Labels without boxes have no rows: nothing is counted per ground area there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import storage
from counterpoise.artifacts import splits

if TYPE_CHECKING:
    import pandas as pd

PATH = "data/scenes.csv"
SUMS = "data/ingest.sums"
TRANSFORM = ("a", "b", "c", "d", "e", "f")
"""x = a column + b row + c and y = d column + e row + f are the coordinates of a corner of a pixel."""
COLUMNS = {
    "image_id": str,
    "crs": str,  # of x and y: a name such as `EPSG:25832`, otherwise WKT
    **dict.fromkeys(TRANSFORM, float),
    "pixel_square_m": float,  # mean ground area of a pixel of the image, on the ellipsoid
}


def write(root: Path, table: pd.DataFrame) -> None:
    """Check and write the table.

    Raises:
        storage.ArtifactError: Columns or types are wrong, rows are not sorted, an image occurs twice or has no
            reference system, or its pixels have no area.
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


def empty() -> pd.DataFrame:
    """Give a table without rows."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=object if kind is str else kind) for name, kind in COLUMNS.items()})


def square_km(table: pd.DataFrame, images: pd.DataFrame, image_ids: Sequence[str]) -> NDArray[np.float64] | None:
    """Compute the ground area that images show, or blocks of images.

    Args:
        table: The columns of this file.
        images: What `splits.join` returns.
        image_ids: The n images or blocks.

    Returns:
        (n,) in square kilometres, for a block that of the part between guard bands; `None` if one of them is unknown.
    """
    rows = images.set_index("image_id").loc[list(image_ids)]
    in_blocks = splits.has_blocks(images)
    pixel = table.set_index("image_id")["pixel_square_m"].reindex(rows["scene_id"] if in_blocks else rows.index)
    if not len(rows) or pixel.isna().any():
        return None
    width, height = (
        (rows["x1_px"] - rows["x0_px"], rows["y1_px"] - rows["y0_px"])
        if in_blocks
        else (rows["width_px"], rows["height_px"])
    )
    area = pixel.to_numpy(dtype=np.float64) * width.to_numpy() * height.to_numpy()
    return np.asarray(area / 1e6)


def _check(root: Path, table: pd.DataFrame) -> None:
    storage.check_unique(root / PATH, table, ["image_id"])
    if not table["image_id"].is_monotonic_increasing:
        raise storage.ArtifactError(f"{PATH}: rows are not sorted by image_id")
    wrong = table[~(table["pixel_square_m"] > 0) | (table["crs"] == "")]
    if len(wrong):
        raise storage.ArtifactError(
            f"{PATH}: image {wrong.iloc[0]['image_id']!r} has no reference system, or its pixels have no area"
        )
