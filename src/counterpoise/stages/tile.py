"""Cut images into tiles, and store the tiles of each split.

Reads `data/manifest.csv`, `data/splits.csv`, `data/pixels.json` and the images. Writes `data/tiles/{train,val,test}/`.
An image of 8 bits that fits into one tile is copied byte for byte; windows of larger ones, and images of other values,
are stored as PNG.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from tqdm import tqdm

from counterpoise import config, images
from counterpoise.artifacts import manifest, pixels, splits, tiles
from counterpoise.config import InputError, Section
from counterpoise.dataset import tiling
from counterpoise.stages import run
from counterpoise.storage import check_partners

if TYPE_CHECKING:
    import pandas as pd


class Tile(Section):
    """Section `tile`."""

    size_px: int = Field(ge=16, le=16_384)
    """Side of a tile in pixels, in 16..16,384 (then one tile takes 0.8 GB). Larger images are cut into
    windows of this size."""
    overlap_px: int = Field(ge=0, lt=16_384)
    """Minimum overlap of neighbouring windows in pixels, from 0 to below `size_px`."""


class Params(Section):
    """What this stage reads."""

    tile: Tile


def cut(row: pd.Series, data: bytes, params: Tile, found: images.Pixels) -> Iterator[tiles.Tile]:
    """Cut one image into tiles.

    Args:
        row: Row of the image in the manifest.
        data: Bytes of its file.
        params: Section `tile`.
        found: How values become 8-bit RGB.

    Yields:
        The tiles of the image, each with the labels of the image.
    """
    windows = tiling.windows(row["width_px"], row["height_px"], params.size_px, params.overlap_px)
    if len(windows) == 1:
        own = data if images.is_as_shown(data, found) else images.encode_png(images.decode(data, found))
        yield tiles.Tile(row["image_id"], row["image_id"], row["labels"], windows[0], own)
        return
    image = images.decode(data, found)
    for x0, y0, x1, y1 in windows:
        encoded = images.encode_png(image[y0:y1, x0:x1])
        yield tiles.Tile(f"{row['image_id']}@{x0},{y0}", row["image_id"], row["labels"], (x0, y0, x1, y1), encoded)


def load(root: Path, path: str, sha256: str) -> bytes:
    """Read the file of an image, and check that it has not changed since `ingest`.

    Raises:
        InputError: The file is missing, or its content has changed.
    """
    try:
        data = (root / path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: the image has been removed since ingest read it; run `dvc repro`") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"{path}: the image has changed since ingest read it; run `dvc repro`")
    return data


def main(root: Path, params: Params) -> None:
    """Cut the images of each split, and write the tiles."""
    if params.tile.overlap_px >= params.tile.size_px:
        raise InputError(
            f"{config.PATH}: tile.overlap_px is {params.tile.overlap_px}; expected a number below tile.size_px, "
            f"{params.tile.size_px}"
        )
    images_of = manifest.read(root).drop(columns="split")  # `splits.csv` may differ from the split of the raw labels
    split_of, found = splits.read(root), pixels.read(root)
    check_partners(root / splits.PATH, split_of["image_id"], root / manifest.PATH, images_of["image_id"])
    check_partners(root / manifest.PATH, images_of["image_id"], root / splits.PATH, split_of["image_id"])
    table = images_of.merge(split_of, on="image_id", validate="one_to_one")
    for split in splits.NAMES:
        part = table[table["split"] == split]
        with tiles.writing(root, split) as append:
            for _, row in tqdm(
                part.iterrows(), total=len(part), desc=f"tile {split}", unit="image", delay=1, mininterval=1
            ):
                for tile in cut(row, load(root, row["path"], row["sha256"]), params.tile, found):
                    append(tile)


if __name__ == "__main__":
    run(main, Params)
