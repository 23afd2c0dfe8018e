"""From the boxes that a detector finds in tiles to the tables of a split: in the pixels of each scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.detections import CORNERS, FOUND, THERE
from counterpoise.boxes import scenes
from counterpoise.boxes.geometry import Boxes, Floats
from counterpoise.boxes.merging import Integers
from counterpoise.boxes.scenes import Merging

if TYPE_CHECKING:
    import pandas as pd

WINDOW = ["x0_px", "y0_px", "x1_px", "y1_px"]
HIGHEST_SCORE = 1 - 1e-7
"""Scores above have no finite log-odds in float32."""


@dataclass(frozen=True)
class TileBoxes:
    """Boxes found in tiles.

    Attributes:
        boxes: (n, 4) x0, y0, x1, y1 in pixels of their tile.
        scores: (n,) in (0, 1].
        labels: (n,) classes.
        tile: (n,) row of each one's tile.
    """

    boxes: Boxes
    scores: Floats
    labels: Integers
    tile: Integers


def found_in_scenes(table: pd.DataFrame, found: TileBoxes, names: Sequence[str], how: Merging) -> pd.DataFrame:
    """Merge the boxes of the tiles of each scene.

    Args:
        table: Index of the tiles of a split.
        found: What was found in them.
        names: The c classes in their order.
        how: How boxes are merged.

    Returns:
        Rows with the columns `artifacts.detections.FOUND`.
    """
    import pandas as pd

    windows = table[WINDOW].to_numpy(dtype=np.float64)
    image_of = table["image_id"].to_numpy().astype(str)
    parts = []
    for image_id, rows in sorted(table.groupby("image_id").indices.items()):
        own = np.flatnonzero(np.isin(found.tile, rows))
        place = np.zeros(len(image_of), dtype=np.int64)
        place[rows] = np.arange(len(rows))
        width, height = windows[rows, 2:].max(axis=0)
        merged = scenes.scene_boxes(
            found.boxes[own],
            found.scores[own],
            found.labels[own],
            place[found.tile[own]],
            windows=windows[rows],
            scene=(float(width), float(height)),
            how=how,
        )
        scores = np.clip(merged.scores, 1 - HIGHEST_SCORE, HIGHEST_SCORE)
        columns = {
            "image_id": [str(image_id)] * len(scores),
            "label": [names[label] for label in merged.labels],
            **dict(zip(CORNERS, merged.boxes.T.astype(np.float32), strict=True)),
            "logit": (np.log(scores) - np.log1p(-scores)).astype(np.float32),
        }
        parts.append(pd.DataFrame(columns)[list(FOUND)])
    rows_of_all = pd.concat(parts, ignore_index=True)
    sides = rows_of_all[["x1_px", "y1_px"]].to_numpy() - rows_of_all[["x0_px", "y0_px"]].to_numpy()
    kept: pd.DataFrame = rows_of_all[(sides > 0).all(axis=1)].reset_index(drop=True)  # float32 may leave no area
    return kept


def there_in_scenes(table: pd.DataFrame, boxes: pd.DataFrame, units: Mapping[str, str]) -> pd.DataFrame:
    """Put the boxes of tiles together again: the hull of what the tiles of a scene show of each.

    Where every tile ignores a box, it is ignored. A scene of which only blocks belong to the split has the parts there.

    Args:
        table: Index of the tiles of a split.
        boxes: Their boxes, as `artifacts.tile_boxes` has them.
        units: image_id -> unit.

    Returns:
        Rows with the columns `artifacts.detections.THERE`.
    """
    offset = table.set_index("tile_id")[["x0_px", "y0_px"]].loc[boxes["tile_id"]].to_numpy(dtype=np.float64)
    moved = boxes.copy()
    moved[list(CORNERS)] = boxes[list(CORNERS)].to_numpy(dtype=np.float64) + np.tile(offset, 2)
    lows, highs = dict.fromkeys(CORNERS[:2], "min"), dict.fromkeys(CORNERS[2:], "max")
    hull = moved.groupby(["image_id", "box"], as_index=False).agg({"label": "first", **lows, **highs, "ignore": "min"})
    hull["group"] = [units[image_id] for image_id in hull["image_id"]]
    return hull[list(THERE)]


def image_logits(
    found: pd.DataFrame, image_ids: Sequence[str], names: Sequence[str], min_score: float
) -> NDArray[np.float32]:
    """Return the highest logit of the boxes of each class in each image, (n, c); that of `min_score` without any."""
    least = np.log(min_score) - np.log1p(-min_score)
    logits = np.full((len(image_ids), len(names)), least, dtype=np.float32)
    image = {image_id: number for number, image_id in enumerate(image_ids)}
    label = {name: number for number, name in enumerate(names)}
    rows = [image[image_id] for image_id in found["image_id"]]
    columns = [label[name] for name in found["label"]]
    np.maximum.at(logits, (rows, columns), found["logit"].to_numpy(dtype=np.float32))
    return logits
