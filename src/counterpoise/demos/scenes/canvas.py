"""What a scene is painted on: turned shapes, paint, ground, places that are free, and the camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE_PX = 640
FINE = 2
"""Scenes are drawn this many times as large, then averaged down."""

Floats = NDArray[np.float64]
Rectangle = tuple[Floats, float, float, float]
"""Middle (2,), length, width, and angle in radians of its length."""


@dataclass
class Scene:
    """A scene while it is drawn.

    Attributes:
        picture: (FINE * SIDE_PX, FINE * SIDE_PX, 3) float32, 0..255.
        rng: Decides everything in it.
        angle: Direction of the streets in radians.
        sun: (2,) unit vector in which shadows fall.
        wealth: Of the district, in 0..1.
        objects: Class and (4,) hull of each object, not clipped.
        built: Middle, length, width and angle of each part of a roof, which nothing may touch.
        taken: Middle and radius of each smaller object, which nothing may cover.
    """

    picture: NDArray[np.float32]
    rng: np.random.Generator
    angle: float
    sun: Floats
    wealth: float
    objects: list[tuple[str, Floats]] = field(default_factory=list)
    built: list[Rectangle] = field(default_factory=list)
    taken: list[tuple[Floats, float]] = field(default_factory=list)


def place(scene: Scene, along: float, across: float) -> Floats:
    """Turn coordinates along and across the streets into pixels."""
    return turned(np.array([along, across]), scene.angle) + SIDE_PX / 2


def rectangle(middle: Floats, width: float, height: float, angle: float) -> Floats:
    """Return the (4, 2) corners of a turned rectangle."""
    return turned(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array([width, height]) / 2, angle) + middle


def turned(points: Floats, angle: float) -> Floats:
    """Turn points (..., 2) about the origin."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]))


def ellipse(middle: Floats, width: float, height: float, angle: float, wave: float = 0.0) -> Floats:
    """Return points on an ellipse, dented on one side by a share of its radius (a kidney)."""
    steps = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = 1 - wave * np.exp(-3 * (1 - np.cos(steps - np.pi / 2)))
    points = np.column_stack([np.cos(steps) * width, np.sin(steps) * height]) / 2 * radius[:, None]
    return turned(points, angle) + middle


def fill(scene: Scene, points: Floats, colour: Any, strength: float = 1.0) -> None:  # noqa: ANN401 - 3 numbers
    """Paint a polygon over the picture; a strength below 1 lets what is below show through."""
    import cv2

    fine = points * FINE - 0.5  # OpenCV counts from the middle of the first pixel
    low = np.maximum(np.floor(fine.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(fine.max(axis=0)).astype(int) + 2, FINE * SIDE_PX)
    if (high <= low).any():
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), dtype=np.uint8)
    cv2.fillPoly(mask, [np.round((fine - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    share = mask[:, :, None].astype(np.float32) * np.float32(strength / 255)
    part = scene.picture[low[1] : high[1], low[0] : high[0]]
    part += (np.asarray(colour, dtype=np.float32) - part) * share


def add(scene: Scene, label: str, points: Floats) -> None:
    """Note an object, of which the box is the hull of the points."""
    low, high = points.min(axis=0), points.max(axis=0)
    scene.objects.append((label, np.concatenate([low, high])))
    if label != "roof":
        scene.taken.append(((low + high) / 2, float((high - low).max()) / 2))


def is_free(scene: Scene, middle: Floats, radius: float, roofs: float = 1.0) -> bool:
    """Say whether a disc touches no small object and, by that share of its radius, no roof."""
    for centre, long, wide, turn in scene.built:
        if abs(middle[0] - centre[0]) > long + radius:
            continue
        along, across = turned(middle - centre, -turn)
        beyond = np.maximum([abs(along) - long / 2, abs(across) - wide / 2], 0)
        if np.hypot(*beyond) < radius * roofs:
            return False
    return all(np.hypot(*(middle - other)) >= radius + size for other, size in scene.taken)


def _cloud(rng: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """Return smooth noise about 0 over the whole picture."""
    import cv2

    coarse = rng.normal(size=(cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def ground(rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint grass and bare soil."""
    grass = np.array([92, 108, 66], dtype=np.float32) + rng.normal(0, 8, 3).astype(np.float32)
    soil = np.array([150, 132, 104], dtype=np.float32) + rng.normal(0, 8, 3).astype(np.float32)
    dry = 1 / (1 + np.exp(-2 * (_cloud(rng, 9) + 0.6 * _cloud(rng, 40) + rng.normal(-0.4, 0.5))))
    picture = grass + (soil - grass) * dry[:, :, None]
    picture += (5 * _cloud(rng, 160) + 4 * _cloud(rng, 420))[:, :, None]
    return np.asarray(picture, dtype=np.float32).repeat(FINE, axis=0).repeat(FINE, axis=1)


def photograph(scene: Scene) -> NDArray[np.uint8]:
    """Take the picture: averaged down, with the blur, haze, contrast, colour cast and noise of a camera."""
    import cv2

    rng = scene.rng
    small = cv2.resize(scene.picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    picture = np.asarray(cv2.GaussianBlur(small, (0, 0), rng.uniform(0.35, 0.95)), dtype=np.float64)
    haze, contrast, cast = rng.uniform(0, 22), rng.uniform(0.8, 1.12), rng.normal(1, 0.03, 3)
    picture = (picture * cast - 110) * contrast + 110 + haze + rng.normal(0, 6)
    grain = rng.normal(0, rng.uniform(2.5, 7), (SIDE_PX, SIDE_PX, 1)) + rng.normal(0, 1.5, picture.shape)
    return np.asarray(np.clip(np.round(picture + grain), 0, 255), dtype=np.uint8)
