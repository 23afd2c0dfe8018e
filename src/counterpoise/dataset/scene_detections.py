"""Detections and objects of scenes, from the boxes that a detector finds in tiles and those of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels
from counterpoise.artifacts import detections
from counterpoise.artifacts.detections import CORNERS
from counterpoise.boxes.scenes import Merging, scene_boxes
from counterpoise.dataset import blocks, tile_labels

if TYPE_CHECKING:
    import pandas as pd

IN_TILES = ("tile_id", "label", *CORNERS, "logit")
"""Columns of a table of detections in tiles: corners in pixels of the tile, and log-odds of the score."""
SURE = 1e-7
"""Scores are kept so far from 0 and 1 that their log-odds stay finite."""


def merged(found: pd.DataFrame, table: pd.DataFrame, classes: Sequence[str], how: Merging) -> pd.DataFrame:
    """Bring detections from tiles to scenes, and merge those of one object.

    Args:
        found: The columns `IN_TILES`.
        table: Index of all tiles of the split.
        classes: The c class names.
        how: How to merge.

    Returns:
        The columns of `detections.parquet`.

    Raises:
        ValueError: A detection is of an unknown tile or class.
    """
    import pandas as pd
    from scipy.special import expit, logit

    for column, known in (("tile_id", table["tile_id"]), ("label", classes)):
        if unknown := sorted(set(found[column]) - set(known)):
            raise ValueError(f"a detection has {column} {unknown[0]!r}, which is none of {len(known)}")
    row_of = pd.Series(np.arange(len(table)), index=table["tile_id"])
    row = row_of.loc[found["tile_id"]].to_numpy()
    names = table["image_id"].to_numpy()
    label = np.array([list(classes).index(name) for name in found["label"]], dtype=np.int64)
    corners, logits = found[list(CORNERS)].to_numpy(dtype=np.float64), found["logit"].to_numpy(dtype=np.float64)
    windows = table[list(CORNERS)].to_numpy(dtype=np.float64)
    parts = []
    for image_id in sorted(set(names[row])):
        tiles_of, own = np.flatnonzero(names == image_id), np.flatnonzero(names[row] == image_id)
        whole = scene_boxes(
            corners[own],
            np.clip(expit(logits[own]), SURE, 1 - SURE),
            label[own],
            np.searchsorted(tiles_of, row[own]),
            windows=windows[tiles_of],
            scene=tuple(windows[tiles_of, 2:].max(axis=0)),
            how=how,
        )
        boxes = whole.boxes.astype(np.float32)
        kept = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # 32 bits leave no area of the thinnest ones
        named = [classes[k] for k in whole.labels[kept].tolist()]
        part = pd.DataFrame(boxes[kept], columns=list(CORNERS)).assign(
            image_id=image_id, label=named, logit=logit(np.clip(whole.scores[kept], SURE, 1 - SURE)).astype(np.float32)
        )
        parts.append(part[list(detections.FOUND)])
    return together(parts)


def together(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put the detections of scenes together, in the order given."""
    import pandas as pd

    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else detections.empty().found


def objects(
    labelled: pd.DataFrame, table: pd.DataFrame, scene_of: Mapping[str, str], units: Mapping[str, str]
) -> pd.DataFrame:
    """List the objects of scenes, or of blocks of scenes.

    An object belongs to the block that has its centre, and is cut at the borders of the block, beyond which no tile
    looks. What other objects show in the block is ignored.

    Args:
        labelled: `data/boxes.csv`.
        table: Index of all tiles of the split.
        scene_of: `image_id` of a tile -> its image in the manifest.
        units: `image_id` of a tile -> its unit.

    Returns:
        The columns of `truth.parquet`.
    """
    import pandas as pd

    areas = table.groupby("image_id").agg({"x0_px": "min", "y0_px": "min", "x1_px": "max", "y1_px": "max"})
    of_scene = dict(list(labelled.groupby("image_id")))
    parts = []
    for image_id, area in zip(areas.index.astype(str), areas.to_numpy().tolist(), strict=True):
        own = of_scene.get(scene_of[image_id])
        if own is None:
            continue
        corners, window = own[list(CORNERS)].to_numpy(dtype=np.float64), (area[0], area[1], area[2], area[3])
        inside, visible = tile_labels.cut(corners, window)
        moved = np.where(visible[:, None] == 1, corners, inside + np.tile(window[:2], 2))
        elsewhere = ~blocks.centred_in(corners, window)
        part = own.assign(
            image_id=image_id,
            group=units[image_id],
            ignore=np.where(elsewhere, 1, own["ignore"]),
            **dict(zip(CORNERS, moved.T, strict=True)),
        )
        parts.append(part.loc[visible > 0, list(detections.THERE)])
    return pd.concat(parts, ignore_index=True) if parts else detections.empty().there


def highest(
    found: pd.DataFrame, image_ids: Sequence[str], classes: Sequence[str], min_score: float
) -> NDArray[np.float32]:
    """Find the highest log-odds of the boxes of each image and class, (n, c); those of `min_score` where none is."""
    from scipy.special import logit

    result = np.full((len(image_ids), len(classes)), logit(min_score), dtype=np.float32)
    image = {name: number for number, name in enumerate(image_ids)}
    label = {name: number for number, name in enumerate(classes)}
    rows = [image[name] for name in found["image_id"]], [label[name] for name in found["label"]]
    np.maximum.at(result, rows, found["logit"].to_numpy(dtype=np.float32))
    return result


def labels_of(there: pd.DataFrame, image_ids: Sequence[str]) -> tuple[str, ...]:
    """Join the classes of the objects of each image by `|`; ignored ones are no objects."""
    shown = there[there["ignore"] == 0].groupby("image_id")["label"].agg(set)
    return tuple(labels.join(sorted(shown.get(image_id, set()))) for image_id in image_ids)
