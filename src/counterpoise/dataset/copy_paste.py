"""Copy-paste of rare objects onto other training tiles.

It is in place of generative methods, which would invent new objects: here every pasted object is a real one, at another
place. It adds no new appearance, but many backgrounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.images import RGB

Boxes = NDArray[np.float64]
Ints = NDArray[np.int64]

TRIES = 50
"""Random places that are tried for each object."""


@dataclass(frozen=True)
class Patch:
    """An object cut out of a training tile, with what surrounds it.

    Attributes:
        image: uint8 (h, w, 3), the box and a margin.
        box: (4,) the box in the patch, in pixels.
        label: Its class.
        margin_px: Over how many pixels around the box the patch fades out.
    """

    image: RGB
    box: NDArray[np.float64]
    label: int
    margin_px: int


def cut(image: RGB, box: NDArray[np.float64], label: int, margin_px: int = 4) -> Patch:
    """Cut an object out of a tile.

    Args:
        image: uint8 (height, width, 3).
        box: (4,) x0, y0, x1, y1 in pixels, wholly inside.
        label: Its class.
        margin_px: Pixels around the box that come along and fade out, 0 or more; fewer at the border of the tile.

    Raises:
        ValueError: The box has no area or does not lie inside, or the margin is negative.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = map(float, box)
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height) or margin_px < 0:
        raise ValueError(f"expected a box within {width} x {height} px and a margin of 0 or more, found {box}")
    left, top = max(int(x0) - margin_px, 0), max(int(y0) - margin_px, 0)
    right, bottom = min(int(np.ceil(x1)) + margin_px, width), min(int(np.ceil(y1)) + margin_px, height)
    moved = np.array([x0 - left, y0 - top, x1 - left, y1 - top])
    return Patch(image[top:bottom, left:right].copy(), moved, label, margin_px)


def paste(
    image: RGB, boxes: Boxes, labels: Ints, ignored: Boxes, patches: list[Patch], seed: int
) -> tuple[RGB, Boxes, Ints]:
    """Paste objects at random places of a tile.

    A patch, with its margin, never touches a box of the tile, an ignored region or another patch. Where no place is
    found in `TRIES` attempts, the object is left out. Each object is turned by a random multiple of 90 degrees and
    mirrored or not, so that its box stays exact.

    Args:
        image: uint8 (height, width, 3), of train.
        boxes: (n, 4) x0, y0, x1, y1 of its objects in pixels.
        labels: (n,) their classes.
        ignored: (m, 4) regions in which nobody knows what is there, cut objects among them.
        patches: What to paste, in this order.
        seed: Decides places and turns.

    Returns:
        A new image, and boxes (n + k, 4) and labels (n + k,), the k pasted ones last.

    Source: Ghiasi et al. (2021), Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation.
        Departures: boxes in place of masks, so a margin comes along and fades out; no scaling; never over an object.
    """
    rng, result = np.random.default_rng(seed), image.copy()
    placed, kinds = [*np.asarray(boxes, dtype=np.float64).reshape(-1, 4)], [*np.asarray(labels, dtype=np.int64)]
    taken = [*placed, *np.asarray(ignored, dtype=np.float64).reshape(-1, 4)]
    for patch in patches:
        turned, box, weight = _turn(patch, int(rng.integers(4)), bool(rng.integers(2)))
        size = np.array(turned.shape[1::-1])
        room = np.array(image.shape[1::-1]) - size
        places = rng.integers(0, np.maximum(room, 0) + 1, (TRIES, 2))
        free = (place for place in places if _is_free(np.concatenate([place, place + size]), taken))
        place = next(free, None) if (room >= 0).all() else None
        if place is None:
            continue
        x, y = place
        below = result[y : y + size[1], x : x + size[0]]
        mixed = below + (turned.astype(np.float64) - below) * weight[:, :, None]
        below[:] = np.round(mixed).astype(np.uint8)
        taken.append(np.concatenate([place, place + size]).astype(np.float64))
        placed.append(box + np.tile(place, 2))
        kinds.append(np.int64(patch.label))
    return result, np.array(placed).reshape(-1, 4), np.array(kinds, dtype=np.int64)


def _is_free(window: NDArray[np.int64], taken: list[NDArray[np.float64]]) -> bool:
    """Say whether a window has no pixel in common with any box."""
    boxes = np.array(taken).reshape(-1, 4)
    apart = (boxes[:, 2:] <= window[:2]) | (boxes[:, :2] >= window[2:])
    return bool(apart.any(axis=1).all())


def _feather(patch: Patch) -> NDArray[np.float64]:
    """Return the (h, w) weights of a patch: 1 in the box, falling to 0 over the margin, smoothly."""
    height, width = patch.image.shape[:2]
    x0, y0, x1, y1 = patch.box
    columns, rows = np.arange(width) + 0.5, np.arange(height) + 0.5
    beyond_x = np.maximum(np.maximum(x0 - columns, columns - x1), 0)
    beyond_y = np.maximum(np.maximum(y0 - rows, rows - y1), 0)
    beyond = np.hypot(beyond_x[None, :], beyond_y[:, None]) / max(patch.margin_px, 1)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.minimum(beyond, 1)))


def _turn(patch: Patch, quarters: int, mirrored: bool) -> tuple[RGB, NDArray[np.float64], NDArray[np.float64]]:
    """Turn a patch by quarters against the clock, after mirroring it left to right."""
    image, box, weight = patch.image, patch.box, _feather(patch)
    if mirrored:
        width = image.shape[1]
        image, weight, box = image[:, ::-1], weight[:, ::-1], np.array([width - box[2], box[1], width - box[0], box[3]])
    for _ in range(quarters):
        width = image.shape[1]
        image, weight = np.rot90(image), np.rot90(weight)
        box = np.array([box[1], width - box[2], box[3], width - box[0]])
    return image, box, weight
