"""`data/splits.csv`: the split of every image, sorted by `image_id`, or of every block of every scene.

Where `split.blocks` cuts scenes, each block counts as an image from here on: its `image_id` is `<scene_id>#<number>`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import storage
from counterpoise.artifacts import manifest

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
BLOCK_COLUMNS = {
    "scene_id": str,  # the image of the manifest
    "labels": str,  # of the block, joined by `|`
    "x0_px": int,  # what is left of the block between guard bands; left and top inclusive, right and bottom exclusive
    "y0_px": int,
    "x1_px": int,
    "y1_px": int,
}
"""What the table also has where scenes are cut into blocks; without blocks it lacks these columns."""


def write(root: Path, table: pd.DataFrame) -> None:
    """Check and write the splits.

    Raises:
        storage.ArtifactError: A split has an unknown name, an image occurs twice, or a block has no area.
    """
    columns = COLUMNS | BLOCK_COLUMNS if has_blocks(table) else COLUMNS
    storage.check_table(root / PATH, table, columns)
    _check(root, table)
    storage.write_table(root / PATH, table, columns, root / SUMS)


def read(root: Path) -> pd.DataFrame:
    """Read and check the splits.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    path = storage.verified(root / PATH, root / SUMS)
    with path.open(encoding="utf-8") as file:
        in_blocks = has_blocks(file.readline().strip().split(","))
    table = storage.read_table(path, COLUMNS | BLOCK_COLUMNS if in_blocks else COLUMNS, root / SUMS)
    _check(root, table)
    return table


def has_blocks(table: pd.DataFrame | list[str]) -> bool:
    """Say whether a table, or its columns, is one of blocks."""
    return "scene_id" in table


def join(root: Path, images: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add the split to the rows of images; a block becomes an image with its own `image_id` and labels.

    Args:
        root: The repository.
        images: The manifest.
        table: The splits.

    Returns:
        The columns of the manifest with the split in place of that of the raw labels, and with the other columns of
        blocks if there are some; sorted by the image, then by number of the block.

    Raises:
        storage.ArtifactError: The tables list different images.
    """
    key = "scene_id" if has_blocks(table) else "image_id"
    storage.check_partners(root / PATH, table[key], root / manifest.PATH, images["image_id"])
    storage.check_partners(root / manifest.PATH, images["image_id"], root / PATH, table[key])
    images = images.drop(columns="split")  # it may differ from that of the raw labels
    if key == "image_id":
        return images.merge(table, on=key, validate="one_to_one")
    images = images.drop(columns="labels").rename(columns={"image_id": key})
    joined = images.merge(table, on=key, validate="one_to_many")
    return joined[["image_id", *joined.columns.drop("image_id")]]


def _check(root: Path, table: pd.DataFrame) -> None:
    storage.check_unique(root / PATH, table, ["image_id"])
    unknown = sorted(set(table["split"]) - {*NAMES, "unused"})
    if unknown:
        raise storage.ArtifactError(f"{PATH}: unknown splits {unknown}; expected {[*NAMES, 'unused']}")
    if has_blocks(table):
        small = table[(table["x1_px"] <= table["x0_px"]) | (table["y1_px"] <= table["y0_px"])]
        if len(small):
            raise storage.ArtifactError(f"{PATH}: block {small['image_id'].iloc[0]!r} has no area")
