"""Spatial blocks: few scenes are cut into rectangles, so that each split gets some, with guard bands between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels
from counterpoise.dataset import tiling
from counterpoise.dataset.tiling import Window

if TYPE_CHECKING:
    import pandas as pd

WINDOW = ["x0_px", "y0_px", "x1_px", "y1_px"]


@dataclass(frozen=True)
class Blocks:
    """The blocks of all scenes, each of which counts as an image.

    Attributes:
        table: One row per block: the columns of the manifest, `scene_id`, and the block as it was cut. Its labels are
            those of objects that no guard band can take.
        units: The table of clusters for the blocks.
        crossing: (k, 2) rows of near duplicates in different units.
        copies: (n,) blocks with equal numbers look the same.
        whole: Scenes that were not cut, because they share a group with other scenes or look like them.
    """

    table: pd.DataFrame
    units: pd.DataFrame
    crossing: NDArray[np.int64]
    copies: NDArray[np.int64]
    whole: tuple[str, ...]


def divide(
    table: pd.DataFrame,
    boxes: pd.DataFrame,
    units: pd.DataFrame,
    crossing: NDArray[np.int64],
    copies: NDArray[np.int64],
    *,
    size_px: int,
    guard_px: int,
) -> Blocks:
    """Cut scenes into blocks, each of which is a unit of its own.

    Scenes of one group, and scenes that look alike, are not cut: their blocks would have to stay together, too.

    Args:
        table: The manifest.
        boxes: All boxes; without any, a block has the labels of its scene.
        units: The table of clusters of the n scenes.
        crossing: (k, 2) rows of near duplicates in different units.
        copies: (n,) scenes with equal numbers look the same.
        size_px: Least side of a block in px.
        guard_px: Width of the guard bands in px.
    """
    import pandas as pd

    shared = units["unit"].map(units["unit"].value_counts()).to_numpy() > 1
    shared[crossing.ravel()] = True
    sizes = table[["width_px", "height_px"]].to_numpy().tolist()
    cuts = [
        [(0, 0, width, height)] if alone else cut(width, height, size_px)
        for (width, height), alone in zip(sizes, shared.tolist(), strict=True)
    ]
    row = np.repeat(np.arange(len(table)), [len(found) for found in cuts])
    number = np.concatenate([np.arange(len(found)) for found in cuts])
    found = table.iloc[row].reset_index(drop=True)
    found["scene_id"] = found["image_id"]
    found["image_id"] = [f"{name}#{nth}" for name, nth in zip(found["scene_id"], number, strict=True)]
    found[WINDOW] = np.array([window for of_scene in cuts for window in of_scene], dtype=np.int64)
    found["group"] = np.where(shared[row], found["group"], found["image_id"])
    if len(boxes):
        cores = [
            core for of_scene in cuts for core in guarded(of_scene, [str(n) for n in range(len(of_scene))], guard_px)
        ]
        found["labels"] = _labels(found["scene_id"].tolist(), cores, boxes)
    kept = units.iloc[row].reset_index(drop=True)
    first = kept[["unit", "centre"]] + "#0"
    own = pd.DataFrame(dict.fromkeys(first, found["image_id"]))
    kept[["unit", "centre"]] = first.where(pd.Series(shared[row]), own, axis=0)
    kept["image_id"] = found["image_id"]
    start = np.searchsorted(row, np.arange(len(table)))
    unlike = len(copies) + np.arange(len(row))
    return Blocks(
        found,
        kept,
        start[crossing].astype(np.int64),
        np.where(shared[row], copies[row], unlike),
        tuple(table["image_id"][shared]),
    )


def guard(found: pd.DataFrame, split: Sequence[str], boxes: pd.DataFrame, guard_px: int) -> pd.DataFrame:
    """Shrink blocks at borders between splits, and label each by the objects that are left.

    Args:
        found: The table of blocks, as `divide` gives it.
        split: (n,) the split of each.
        boxes: All boxes; without any, labels stay unchanged.
        guard_px: Width of the bands in px.

    Returns:
        The rows of `data/splits.csv`.
    """
    table = found[["image_id", "scene_id", "labels", *WINDOW]].copy()
    table.insert(1, "split", split)
    left = [
        window
        for _, own in table.groupby("scene_id", sort=False)
        for window in guarded(list(map(tuple, own[WINDOW].to_numpy().tolist())), own["split"].tolist(), guard_px)
    ]
    table[WINDOW] = np.array(left, dtype=np.int64)
    if len(boxes):
        table["labels"] = _labels(table["scene_id"].tolist(), left, boxes)
    return table


def _labels(scene_ids: Sequence[str], windows_of: Sequence[Window], boxes: pd.DataFrame) -> list[str]:
    """Name the classes of the objects in each block, joined by `|`; ignored boxes are no objects."""
    objects = boxes[boxes["ignore"] == 0]
    of_scene = {
        scene_id: (own[WINDOW].to_numpy(dtype=np.float64), own["label"].tolist())
        for scene_id, own in objects.groupby("image_id")
    }
    nothing: tuple[NDArray[np.float64], list[str]] = (np.empty((0, 4)), [])
    return [
        labels.join(sorted(labels_of(*of_scene.get(scene_id, nothing), window)))
        for scene_id, window in zip(scene_ids, windows_of, strict=True)
    ]


def cut(width_px: int, height_px: int, block_px: int) -> list[Window]:
    """Cut a scene into blocks of about equal size.

    Args:
        width_px: Width of the scene in px.
        height_px: Height of the scene in px.
        block_px: Least side of a block in px. A scene less than twice as wide is one block across.

    Returns:
        Windows (x0, y0, x1, y1) row by row, which cover the scene once.

    Example:
        >>> cut(10, 4, 5)
        [(0, 0, 5, 4), (5, 0, 10, 4)]
    """
    columns, rows = max(1, width_px // block_px), max(1, height_px // block_px)
    edges_x = [width_px * number // columns for number in range(columns + 1)]
    edges_y = [height_px * number // rows for number in range(rows + 1)]
    return [(x0, y0, x1, y1) for y0, y1 in itertools.pairwise(edges_y) for x0, x1 in itertools.pairwise(edges_x)]


def guarded(blocks: Sequence[Window], split: Sequence[str], guard_px: int) -> list[Window]:
    """Shrink blocks of a scene where a neighbour is in another split, so that a band of `guard_px` lies between them.

    Each of two neighbours gives half of the band; a corner counts as a neighbour. Blocks of one split keep what they
    have.

    Args:
        blocks: Of one scene, as `cut` returns them.
        split: The split of each; what is in no split needs no guard.
        guard_px: Width of the band in px.

    Returns:
        What is left of each block; without area (x1 <= x0 or y1 <= y0) where nothing is.

    Example:
        >>> guarded([(0, 0, 5, 4), (5, 0, 10, 4)], ["train", "val"], 2)
        [(0, 0, 4, 4), (6, 0, 10, 4)]
    """
    halves = (guard_px - guard_px // 2, guard_px // 2)  # left or top of the border; right of it or below
    result = []
    for own, of_own in zip(blocks, split, strict=True):
        x0, y0, x1, y1 = own
        for other, of_other in zip(blocks, split, strict=True):
            if other == own or of_other == of_own or "unused" in (of_own, of_other) or not _touch(own, other):
                continue
            if other[0] >= own[2]:
                x1 = min(x1, own[2] - halves[0])
            elif other[2] <= own[0]:
                x0 = max(x0, own[0] + halves[1])
            elif other[1] >= own[3]:
                y1 = min(y1, own[3] - halves[0])
            else:
                y0 = max(y0, own[1] + halves[1])
        result.append((x0, y0, x1, y1))
    return result


def _touch(first: Window, second: Window) -> bool:
    """Say whether two blocks share an edge or a corner."""
    return first[0] <= second[2] and second[0] <= first[2] and first[1] <= second[3] and second[1] <= first[3]


def windows(block: Window, size_px: int, overlap_px: int) -> list[Window]:
    """Cover a block by windows that stay within it; none where the block has no area.

    Example:
        >>> windows((5, 0, 10, 3), 3, 0)
        [(5, 0, 8, 3), (7, 0, 10, 3)]
    """
    x0, y0, x1, y1 = block
    if x1 <= x0 or y1 <= y0:
        return []
    of_block = tiling.windows(x1 - x0, y1 - y0, size_px, overlap_px)
    return [(x0 + left, y0 + top, x0 + right, y0 + bottom) for left, top, right, bottom in of_block]


def centred_in(boxes: NDArray[np.float64], block: Window) -> NDArray[np.bool_]:
    """Say which of (n, 4) boxes have their centre in a block, (n,)."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside: NDArray[np.bool_] = np.all((centres >= block[:2]) & (centres < block[2:]), axis=1)
    return inside


def labels_of(boxes: NDArray[np.float64], names: Sequence[str], block: Window) -> set[str]:
    """Name the classes of the (n, 4) boxes whose centre lies in a block."""
    return {name for name, here in zip(names, centred_in(boxes, block).tolist(), strict=True) if here}
