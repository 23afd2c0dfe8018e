"""New splits of the images of a built problem, to see whether a result holds for other images too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterpoise import config
from counterpoise.artifacts import classes, features, manifest, splits, thumbnails, tiles
from counterpoise.stages import split
from counterpoise.study.experiment import Data, Split


@dataclass(frozen=True)
class Images:
    """What decides which images may lie where.

    Attributes:
        manifest: One row per image.
        thumbnails: uint8 (n, s, s), in its order.
        splits: (n,) the split of each image as it was built.
    """

    manifest: pd.DataFrame
    thumbnails: NDArray[np.uint8]
    splits: NDArray[np.str_]


def read(root: Path) -> Images:
    """Read what `dvc repro` built.

    Raises:
        ArtifactError: The pipeline was not run yet.
    """
    table, built = manifest.read(root), splits.read(root)
    if splits.has_blocks(built):
        raise config.InputError(
            f"{config.PATH}: split.blocks.size_px is not null, and blocks cannot be given new splits, since the "
            "tiles between them depend on the split; set it to null, and build again"
        )
    split_of = dict(zip(built["image_id"], built["split"], strict=True))
    names = np.array([split_of[image_id] for image_id in table["image_id"]])
    return Images(table, thumbnails.read(root, len(table)), names)


def shuffle_split(
    images: Images, known: classes.Classes, content: Mapping[str, Any], seed: int, *, keep_test: bool
) -> dict[str, str]:
    """Assign images to new splits, near duplicates together.

    Args:
        images: All of them.
        known: Their classes.
        content: Parameters, of which `task` and section `split` are used.
        seed: Decides which image goes where.
        keep_test: Keep test as it was built, and assign only train and val, in their proportions.

    Returns:
        image_id -> split.
    """
    params = config.validate(split.Split, content["split"], "split")
    pool = [name for name in splits.NAMES if name != "test" or not keep_test]
    if keep_test:
        val_frac = params.val_frac / (1 - params.test_frac)
        params = params.model_copy(update={"val_frac": val_frac, "test_frac": 0.0})
    rows = np.flatnonzero(np.isin(images.splits, pool))
    table = images.manifest.iloc[rows].reset_index(drop=True)
    units, crossing = split.find_units(table, images.thumbnails[rows], params.duplicates)
    dealt = split.assign(
        table, known, units, crossing, np.arange(len(table)), params, seed, task=content["task"]
    ).splits
    split_of = dict(zip(dealt["image_id"], dealt["split"], strict=True))
    if keep_test:
        in_test = images.splits == "test"
        split_of |= dict.fromkeys(images.manifest["image_id"][in_test], "test")
    return split_of


def resplit(data: Data, split_of: Mapping[str, str]) -> Data:
    """Give every tile the split that its image has now.

    Args:
        data: Artifacts of some splits; only their images are given new ones.
        split_of: image_id -> split; other images, and those of other splits than these three, are left out.

    Returns:
        The same tiles and features, those of a split in the order of their image_ids.
    """
    whole = _pooled(data)
    order = np.argsort(whole.tiles.table["image_id"].to_numpy().astype(str), kind="stable")
    names = np.array([split_of.get(image_id, "") for image_id in whole.tiles.table["image_id"]])[order]
    return replace(data, splits={name: _select(whole, order[names == name]) for name in splits.NAMES})


def _pooled(data: Data) -> Split:
    """Put the tiles of the splits there are into one table, whose shards lie below the folder of all splits."""
    parts = [data.splits[name] for name in splits.NAMES if name in data.splits]
    folder = parts[0].tiles.folder.parent
    tables = [part.tiles.table.assign(shard=part.tiles.folder.name + "/" + part.tiles.table["shard"]) for part in parts]
    stored = [part.features for part in parts if part.features is not None]
    pooled = None
    if stored:
        index = pd.concat([part.index for part in stored], ignore_index=True)
        pooled = features.Features(index, np.concatenate([part.values for part in stored]), stored[0].runtime)
    return Split(tiles.Tiles(pd.concat(tables, ignore_index=True), folder), pooled)


def _select(whole: Split, rows: NDArray[np.int64]) -> Split:
    """Take some tiles, in the order of `rows`, and their features in every view, in the same order."""
    table = whole.tiles.table.iloc[rows].reset_index(drop=True)
    part = replace(whole.tiles, table=table)
    if whole.features is None:
        return Split(part, None)
    place = {tile_id: number for number, tile_id in enumerate(table["tile_id"])}
    rank = np.array([place.get(tile_id, -1) for tile_id in whole.features.index["tile_id"]])
    order = np.argsort(rank, kind="stable")
    order = order[rank[order] >= 0]
    index = whole.features.index.iloc[order].reset_index(drop=True)
    return Split(part, replace(whole.features, index=index, values=whole.features.values[order]))
