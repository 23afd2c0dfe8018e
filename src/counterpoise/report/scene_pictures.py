"""Pictures of places in scenes, put together from tiles, with boxes drawn over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from counterpoise import images
from counterpoise.artifacts.tiles import Tiles
from counterpoise.boxes.geometry import Boxes
from counterpoise.report.charts import theme

SHORTEST_PX = 64
"""Smallest side of a place: less of the scene would show nothing."""
AROUND = 3.0
"""Side of the place around a box over its longer side."""
SHOWN_PX = 320
"""Side of a picture of a small place, which is enlarged."""
MOST_PX = 640
"""Side of a picture of a large place."""
HALO = "#ffffff"


@dataclass(frozen=True)
class Picture:
    """A picture: its data URI, what it shows for those who do not see it, and the words below it."""

    uri: str
    alt: str
    words: str


class Drawn(NamedTuple):
    """Boxes of one kind.

    Attributes:
        boxes: (n, 4) in pixels of the scene.
        style: `found`, `missed` or `alarm`.
        width: Of the lines, in pixels of the picture.
    """

    boxes: Boxes
    style: str
    width: int = 2


def around(box: Boxes, width: float, height: float) -> tuple[int, int, int, int]:
    """Choose a square place around a box (4,), inside the scene as far as it can be.

    Example:
        >>> around(np.array([10.0, 10, 50, 30]), 640, 640)
        (0, 0, 120, 120)
    """
    side = max(AROUND * float(max(box[2] - box[0], box[3] - box[1])), SHORTEST_PX)
    corners = []
    for low, high, end in ((box[0], box[2], width), (box[1], box[3], height)):
        first = min(max(float(low + high - side) / 2, 0.0), max(end - side, 0.0))
        corners.append((round(first), round(min(first + side, end))))
    (left, right), (top, bottom) = corners
    return left, top, right, bottom


def place(tiles: Tiles, image_id: str, window: tuple[int, int, int, int]) -> Image.Image:
    """Put a place of a scene together from the tiles that show it."""
    left, top, right, bottom = window
    canvas = Image.new("RGB", (right - left, bottom - top), "#808080")
    table = tiles.table
    seen = (table["x0_px"] < right) & (table["x1_px"] > left) & (table["y0_px"] < bottom) & (table["y1_px"] > top)
    for row in np.flatnonzero((table["image_id"] == image_id) & seen):
        x, y, x1, y1 = (int(table[name].iloc[row]) for name in ("x0_px", "y0_px", "x1_px", "y1_px"))
        tile = Image.fromarray(images.decode(tiles.load(int(row)))).convert("RGB")
        if tile.size != (x1 - x, y1 - y):
            tile = tile.crop((0, 0, x1 - x, y1 - y))
        canvas.paste(tile, (x - left, y - top))
    return canvas


def draw(tiles: Tiles, image_id: str, window: tuple[int, int, int, int], layers: Sequence[Drawn]) -> Image.Image:
    """Show a place of a scene with boxes: found with full lines, missed dashed, false alarms thick.

    Each line lies on a white one, so that it is seen on any ground.

    Args:
        tiles: Of the split.
        image_id: The scene.
        window: Left, top, right and bottom in pixels of the scene.
        layers: Boxes, in the order of drawing.

    Returns:
        A picture whose longer side is from `SHOWN_PX` to `MOST_PX`.
    """
    return outlined(place(tiles, image_id, window), (window[0], window[1]), layers)


def outlined(picture: Image.Image, corner: tuple[int, int], layers: Sequence[Drawn]) -> Image.Image:
    """Draw boxes over a picture, which is enlarged or shrunk before.

    Args:
        picture: The picture.
        corner: Its left and top in the pixels of the boxes.
        layers: Boxes, in the order of drawing.

    Returns:
        A picture whose longer side is from `SHOWN_PX` to `MOST_PX`.
    """
    factor = min(max(max(picture.size), SHOWN_PX), MOST_PX) / max(picture.size)
    method = Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.LANCZOS
    shown = picture.resize([max(round(side * factor), 1) for side in picture.size], method)
    pen = ImageDraw.Draw(shown)
    for layer in layers:
        for box in (layer.boxes - np.array([*corner, *corner])) * factor:
            _box(pen, box.tolist(), layer)
    return shown


def _box(pen: ImageDraw.ImageDraw, box: Sequence[float], layer: Drawn) -> None:
    x0, y0, x1, y1 = box
    color = theme.LIGHT["found" if layer.style == "missed" else layer.style]
    sides = (((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x1, y1), (x0, y1)), ((x0, y1), (x0, y0)))
    for (ax, ay), (bx, by) in sides:
        pen.line([(ax, ay), (bx, by)], fill=HALO, width=layer.width + 2)
    for (ax, ay), (bx, by) in sides:
        length = max(abs(bx - ax), abs(by - ay), 1e-9)
        dash, gap = (7.0, 5.0) if layer.style == "missed" else (length, 1.0)
        for start in np.arange(0.0, length, dash + gap):
            low, high = start / length, min(start + dash, length) / length
            ends = [(ax + (bx - ax) * t, ay + (by - ay) * t) for t in (low, high)]
            pen.line(ends, fill=color, width=layer.width)
