"""Augmented views of a tile with its boxes: what is done to the pixels is done to the boxes.

The transforms are those of albumentations, in an order in which only the last ones move anything out of the picture.
The visible share of a box is measured once, at the end, against the whole box: two crops of 60 % each leave 36 %.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.dataset import augmentation
from counterpoise.images import RGB

Boxes = NDArray[np.float64]
Ints = NDArray[np.int64]

GREY = (114, 114, 114)
"""What fills the corners of a turned picture, in 0..255: a mirrored border would show objects without a box."""
LEAST_CROP = 0.6
"""A crop that keeps the rare box has sides of at least this share of the picture's, and is enlarged to its size."""


@dataclass(frozen=True)
class BoxView:
    """One view of a tile.

    Attributes:
        image: uint8 (height, width, 3).
        boxes: (k, 4) x0, y0, x1, y1 in pixels of the view, clipped to it.
        labels: (k,) class of each.
        source: (k,) which of the n given boxes each one was, rising.
        visible_frac: (k,) share of the whole box that lies in the view, in (0, 1]. Whoever trains ignores boxes below
            `tile.min_visible`: they are neither objects nor background.
    """

    image: RGB
    boxes: Boxes
    labels: Ints
    source: Ints
    visible_frac: NDArray[np.float64]


def _affine(a: Any, **ranges: Any) -> Any:  # noqa: ANN401 - albumentations, which has no types
    # By the corners of a box, a turn of 45 degrees makes a box of 20 px one of 28; by the ellipse in it, it stays 20.
    return a.Affine(border_mode=0, fill=GREY, rotate_method="ellipse", **ranges)


def _standard(a: Any) -> list[Any]:  # noqa: ANN401
    return [
        a.D4(p=1.0),
        _affine(a, scale=(0.9, 1.1), translate_percent=(-0.05, 0.05), rotate=(-10, 10), p=0.8),
        a.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.15, p=0.8),
    ]


def _strong(a: Any) -> list[Any]:  # noqa: ANN401
    return [
        a.D4(p=1.0),
        a.GridDistortion(num_steps=4, distort_limit=0.12, border_mode=0, fill=GREY, p=0.4),
        _affine(a, scale=(0.8, 1.25), translate_percent=(-0.1, 0.1), rotate=(-45, 45), shear=(-8, 8), p=0.9),
        a.RandomBrightnessContrast(brightness_limit=0.3, contrast_limit=0.3, p=0.9),
        a.GaussNoise(std_range=(0.01, 0.05), p=0.5),
    ]


POLICIES: dict[str, Callable[[Any], list[Any]]] = {
    **{name: augmentation.POLICIES[name] for name in ("none", "flips", "dihedral")},
    "standard": _standard,
    "strong": _strong,
}
"""The policies of `augmentation`, safe for boxes. `strong` has turns up to 45 degrees, shear, a slight warp, and a crop
that keeps the rare box; it has no holes, which would hide small objects whole."""
CROPPING = ("strong",)
"""The policies that crop around the rare box first."""


@cache
def _composed(policy: str) -> Any:  # noqa: ANN401
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # do not look for a new version online
    import albumentations
    import cv2

    cv2.setNumThreads(0)  # workers share the cores already, and a fork of a thread pool would hang

    class Visible(albumentations.DualTransform):  # type: ignore[misc]
        """Write into the last column of the boxes which share of each one is visible, before they are clipped."""

        def __init__(self) -> None:
            super().__init__(p=1.0)

        def apply(self, img: RGB, **params: Any) -> RGB:  # noqa: ANN401
            return img

        def apply_to_bboxes(self, bboxes: Boxes, **params: Any) -> Boxes:  # noqa: ANN401
            if not len(bboxes):
                return bboxes  # without the columns of the labels
            sides = bboxes[:, 2:4] - bboxes[:, :2]
            inside = np.clip(bboxes[:, 2:4], 0, 1) - np.clip(bboxes[:, :2], 0, 1)
            marked = bboxes.copy()
            marked[:, 5] *= np.prod(inside, axis=1) / np.maximum(np.prod(sides, axis=1), 1e-12)
            return marked

    return albumentations.Compose(
        [*POLICIES[policy](albumentations), Visible()],
        bbox_params=albumentations.BboxParams(
            "pascal_voc", label_fields=["box", "visible"], min_area=1, clip=True, check_each_transform=False
        ),
    )


def apply_boxes(
    policy: str, image: RGB, boxes: Boxes, labels: Ints, seed: int, class_counts: Ints | None = None
) -> BoxView:
    """Augment one tile with its boxes.

    Args:
        policy: Name of a policy of `augmentation`.
        image: uint8 (height, width, 3).
        boxes: (n, 4) x0, y0, x1, y1 in pixels, inside the image; also those that are ignored.
        labels: (n,) class index of each, which decides the box that a crop keeps; none that is negative.
        seed: Seed of all random choices.
        class_counts: (c,) boxes of each class in train. A crop keeps a box of the class that is rarest by them, or,
            without them, rarest in this tile.

    Returns:
        The view. Equal arguments give equal results. Boxes with less than one pixel left are gone. A turned box is the
        hull of the ellipse in it, so that boxes do not grow with every turn.

    Raises:
        KeyError: The policy does not exist.
        ValueError: A box is no finite box with an area inside the image.

    Example:
        >>> view = apply_boxes("none", np.zeros((8, 8, 3), np.uint8), np.array([[1.0, 2, 3, 4]]), np.array([0]), 0)
        >>> view.boxes.tolist(), view.visible_frac.tolist()
        ([[1.0, 2.0, 3.0, 4.0]], [1.0])
    """
    whole = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    kinds, source, visible = np.asarray(labels, dtype=np.int64), np.arange(len(whole)), np.ones(len(whole))
    _check(whole, image)
    compose, rng = _composed(policy) if policy != "none" else None, np.random.default_rng(seed)
    if compose is None:
        return BoxView(image, whole, kinds, source, visible)
    if policy in CROPPING and (kinds >= 0).any():
        image, whole, source, visible = _crop(image, whole, _rarest(kinds, class_counts, rng), rng)
    # One random stream for all transforms: see `augmentation.apply`.
    compose.set_random_state(rng, random.Random(seed))
    found = compose(image=image, bboxes=whole, box=source, visible=visible)
    kept = np.asarray(found["box"], dtype=np.int64)
    placed = np.asarray(found["bboxes"], dtype=np.float64).reshape(-1, 4)
    shares = np.clip(np.asarray(found["visible"], dtype=np.float64), 1e-9, 1)
    shares[shares > 1 - 1e-5] = 1.0  # albumentations computes in float32
    return BoxView(found["image"], placed, kinds[kept], kept, shares)


def _check(boxes: Boxes, image: RGB) -> None:
    height, width = image.shape[:2]
    inside = (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
    if not np.isfinite(boxes).all() or not inside or not (boxes[:, 2:] > boxes[:, :2]).all():
        raise ValueError(f"expected boxes x0 < x1, y0 < y1 within {width} x {height} px, found {boxes.tolist()[:5]}")


def _rarest(labels: Ints, class_counts: Ints | None, rng: np.random.Generator) -> int:
    """Choose one box of the rarest class that the tile shows."""
    present = np.unique(labels[labels >= 0])
    counts = np.bincount(labels[labels >= 0]) if class_counts is None else np.asarray(class_counts)
    return int(rng.choice(np.flatnonzero(labels == present[counts[present].argmin()])))


def _crop(
    image: RGB, boxes: Boxes, kept: int, rng: np.random.Generator
) -> tuple[RGB, Boxes, Ints, NDArray[np.float64]]:
    """Cut a random window that has one box whole, and enlarge it to the size of the image.

    Returns:
        The image, the boxes that are in it, clipped, which ones they are, and which share of each is visible.
    """
    import cv2

    size = np.array(image.shape[1::-1], dtype=np.float64)
    share = rng.uniform(LEAST_CROP, 1)
    low, high = np.floor(boxes[kept, :2]), np.ceil(boxes[kept, 2:])
    sides = np.maximum(np.ceil(size * share), high - low).astype(np.int64)
    first = np.maximum(high - sides, 0)
    start = np.floor(rng.uniform(first, np.minimum(low, size - sides) + 1)).astype(np.int64)
    start = np.minimum(start, np.minimum(low, size - sides).astype(np.int64))
    x, y = start
    part = np.ascontiguousarray(image[y : y + sides[1], x : x + sides[0]])
    enlarged = np.asarray(cv2.resize(part, tuple(image.shape[1::-1]), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    moved = boxes - np.tile(start, 2)
    clipped = np.clip(moved, 0, np.tile(sides, 2))
    extent = np.clip(clipped[:, 2:] - clipped[:, :2], 0, None)
    visible = np.prod(extent, axis=1) / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    present = np.flatnonzero(np.prod(extent, axis=1) >= 1)
    return enlarged, clipped[present] * np.tile(size / sides, 2), present, visible[present]
