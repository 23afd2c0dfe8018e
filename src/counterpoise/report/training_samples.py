"""Pictures of what training sees of tiles with boxes: a tile unchanged, then samples that show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from counterpoise import images
from counterpoise.dataset import box_examples
from counterpoise.dataset.box_examples import Example, Views
from counterpoise.report.scene_pictures import Drawn, outlined

if TYPE_CHECKING:
    import pandas as pd

    from counterpoise.artifacts.tiles import Tiles

TILES = 4
"""Tiles that are shown."""
SAMPLES = 3
"""Samples of each that are shown beside it, at most."""


@dataclass(frozen=True)
class Lesson:
    """What decides the samples of an epoch.

    Attributes:
        draws: `data/draws.csv`; its rows are the examples.
        names: The c classes in their order.
        views: What decides the views of tiles.
        again: Policy that changes a view each time that it is shown (`train.augment`).
        seed: Seed of the training.
        epochs: Numbers of the epochs to show, from 0, with these draws; the first is shown first.
    """

    draws: pd.DataFrame
    names: tuple[str, ...]
    views: Views
    again: str
    seed: int
    epochs: tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """A picture with boxes, and what it is, in words."""

    picture: Image.Image
    words: str


def choose(boxes: pd.DataFrame, draws: pd.DataFrame, most: int = TILES) -> list[str]:
    """Choose tiles that are drawn and show objects: one of the rarest class, one of the next, and so on in turn.

    Of the tiles of a class, those of images that are not shown yet come first, then those that are drawn most often.

    Args:
        boxes: Boxes of the tiles of train.
        draws: The samples of one epoch.
        most: How many to choose at most.

    Example:
        >>> import pandas as pd
        >>> boxes = pd.DataFrame({"tile_id": list("aabc"), "image_id": "x", "label": list("rrrc"), "ignore": 0})
        >>> choose(boxes, pd.DataFrame({"tile_id": ["a", "b", "b", "c"]}))
        ['c', 'b', 'a']
    """
    times = draws["tile_id"].value_counts()
    objects = boxes[(boxes["ignore"] == 0) & boxes["tile_id"].isin(times.index)]
    counts = objects["label"].value_counts()
    image_of = dict(zip(objects["tile_id"], objects["image_id"], strict=True))
    chosen: list[str] = []
    for _ in range(most):
        for name in sorted(counts.index, key=lambda name: (counts[name], name)):
            shown = Counter(image_of[tile] for tile in chosen)
            waiting = set(objects.loc[objects["label"] == name, "tile_id"]) - set(chosen)
            if waiting and len(chosen) < most:
                chosen.append(min(waiting, key=lambda tile: (shown[image_of[tile]], -times[tile], tile)))
    return chosen


def seen(tiles: Tiles, boxes: pd.DataFrame, lesson: Lesson) -> list[list[Seen]]:
    """Make the pictures, a row for each tile: unchanged, and as samples show it.

    Where an epoch has too few samples of a tile, those of further epochs follow, unless they would be the same.

    Args:
        tiles: Of train.
        boxes: Their boxes.
        lesson: What decides the samples.
    """
    row_of = {tile_id: row for row, tile_id in enumerate(tiles.table["tile_id"])}
    found = []
    for tile_id in choose(boxes, lesson.draws):
        image = images.decode(tiles.load(row_of[tile_id]))
        tile = box_examples.of_tile(image, boxes[boxes["tile_id"] == tile_id], lesson.names)
        row = [_drawn(tile, f"{tile_id}, unchanged", lesson.names)]
        for epoch, number, view in _samples(tile_id, lesson):
            draw = (lesson.seed, epoch, 0)
            sample = box_examples.sample(tile, tile_id, (number, view), lesson.views, lesson.again, draw)
            words = f"epoch {epoch + 1}" + (f", view {view}" if view else "")
            row.append(_drawn(sample, words, lesson.names))
        found.append(row)
    return found


def _samples(tile_id: str, lesson: Lesson) -> list[tuple[int, int, int]]:
    """List epoch, number and view of the samples of a tile to show, changed views first."""
    numbers = np.flatnonzero(lesson.draws["tile_id"] == tile_id)
    views = lesson.draws["view"].to_numpy()[numbers]
    order = np.argsort(views == 0, kind="stable")
    own = list(zip(numbers[order].tolist(), views[order].tolist(), strict=True))
    epochs = lesson.epochs[:1] if lesson.again == "none" else lesson.epochs
    return [(epoch, number, view) for epoch in epochs for number, view in own][:SAMPLES]


def _drawn(example: Example, words: str, names: Sequence[str]) -> Seen:
    layers = [Drawn(example.boxes[example.ignore], "missed"), Drawn(example.boxes[~example.ignore], "found")]
    counts = np.bincount(example.labels[~example.ignore], minlength=len(names)).tolist()
    shown = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True) if count)
    return Seen(outlined(Image.fromarray(example.image), (0, 0), layers), f"{words}: {shown or 'no object'}")
