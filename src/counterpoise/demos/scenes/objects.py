"""What a scene shows: streets, houses, gardens, cars, trees, and what only looks like an object."""

from __future__ import annotations

import numpy as np

from counterpoise.demos.scenes.canvas import (
    SIDE_PX,
    Floats,
    Rectangle,
    Scene,
    add,
    ellipse,
    fill,
    is_free,
    place,
    rectangle,
    turned,
)

ROOFS = [(152, 84, 62), (128, 74, 58), (104, 102, 104), (82, 80, 86), (138, 120, 100), (176, 172, 164), (66, 62, 64)]
CARS = [(210, 210, 208), (40, 42, 48), (120, 122, 126), (150, 34, 36), (44, 66, 122), (226, 226, 226), (86, 84, 72)]


def street(scene: Scene, across: float) -> None:
    """Paint a street of two lanes with pavements and patches."""
    rng, long = scene.rng, 2.0 * SIDE_PX
    middle = place(scene, 0, across)
    if abs(across) > 0.75 * SIDE_PX:  # outside the picture, however it is turned
        return
    grey = rng.uniform(96, 128)
    fill(scene, rectangle(middle, long, 34, scene.angle), [grey + 44] * 3, 0.8)
    fill(scene, rectangle(middle, long, 26, scene.angle), [grey, grey, grey + 3])
    for _ in range(14):
        patch = rectangle(
            place(scene, rng.uniform(-SIDE_PX, SIDE_PX), across + rng.uniform(-8, 8)),
            rng.uniform(12, 60),
            rng.uniform(2, 8),
            scene.angle,
        )
        fill(scene, patch, [grey + rng.normal(0, 14)] * 3, 0.6)


def car(scene: Scene, middle: Floats, angle: float) -> None:
    """Paint a car of 10 to 15 px, with its shadow and windows."""
    rng = scene.rng
    long, wide, turn = rng.uniform(10.5, 14), rng.uniform(4.6, 6), angle + rng.normal(0, 0.05)
    if (np.abs(middle - SIDE_PX / 2) > SIDE_PX / 2 + 4).any() or not is_free(scene, middle, 7):
        return
    colour = np.array(CARS[rng.integers(len(CARS))]) + rng.normal(0, 10, 3)
    body = rectangle(middle, long, wide, turn)
    fill(scene, body + scene.sun * 1.6, (20, 22, 26), 0.5)
    fill(scene, body, colour)
    ahead = turned(np.array([1.0, 0.0]), turn)
    for shift, size in ((0.18, 0.16), (-0.3, 0.12)):
        fill(scene, rectangle(middle + ahead * long * shift, long * size, wide * 0.8, turn), (34, 40, 48), 0.85)
    fill(scene, rectangle(middle - ahead * long * 0.05, long * 0.28, wide * 0.74, turn), colour * 1.12, 0.9)
    add(scene, "car", body)


def garden(scene: Scene, middle: Floats, side: int, corner: int, depth_px: float, look_alikes: float) -> None:
    """Place what lies around a house: a pool or what looks like one, a car in the drive or what looks like one."""
    rng = scene.rng
    away, along = side * turned(np.array([0.0, 1.0]), scene.angle), turned(np.array([1.0, 0.0]), scene.angle)
    garden = middle + away * (depth_px * 0.15 + rng.uniform(0, 14)) - along * corner * rng.uniform(0, 16)
    if rng.random() < 0.04 + 0.5 * scene.wealth**2:
        _pool(scene, garden)
    elif rng.random() < look_alikes * 0.25 and is_free(scene, garden, 10):
        _trampoline(scene, garden)
    drive = middle + along * corner * 30 - away * depth_px * 0.1
    if rng.random() < 0.3:
        car(scene, drive, scene.angle + np.pi / 2)
    elif rng.random() < look_alikes * 0.3 and is_free(scene, drive, 9):
        shed = rectangle(drive + rng.normal(0, 4, 2), rng.uniform(7, 15), rng.uniform(5, 9), scene.angle)
        fill(scene, shed + scene.sun * 2.5, (18, 20, 24), 0.5)
        fill(scene, shed, np.array(CARS[rng.integers(len(CARS))]) * 0.9 + rng.normal(0, 10, 3))


def _pool(scene: Scene, middle: Floats) -> None:
    rng = scene.rng
    long, wide = rng.uniform(16, 26), rng.uniform(9, 13)
    turn = scene.angle + rng.uniform(-0.4, 0.4)
    if not is_free(scene, middle, long / 2, 0.9):
        return
    water = np.array([70, 158, 178]) + rng.normal(0, 14, 3)
    round_ = rng.random() < 0.5
    wave = rng.uniform(0, 0.35)
    terrace = rectangle(middle, long + 8, wide + 8, turn)
    basin = ellipse(middle, long, wide, turn, wave) if round_ else rectangle(middle, long, wide, turn)
    fill(scene, terrace, np.full(3, rng.uniform(160, 205)), 0.85)
    fill(scene, basin, water)
    fill(scene, (basin - middle) * 0.7 + middle, water * rng.uniform(0.8, 1.1), 0.6)
    add(scene, "pool", basin)


def _trampoline(scene: Scene, middle: Floats) -> None:
    """Paint what looks like a pool: a trampoline or a tarpaulin."""
    rng = scene.rng
    blue = np.array([60, 104, 150]) + rng.normal(0, 18, 3)
    if rng.random() < 0.5:
        size = rng.uniform(9, 14)
        fill(scene, ellipse(middle + scene.sun * 2, size, size, 0), (20, 22, 26), 0.4)
        fill(scene, ellipse(middle, size, size, 0), blue)
        fill(scene, ellipse(middle, size * 0.75, size * 0.75, 0), (44, 46, 52))
    else:
        fill(scene, rectangle(middle, rng.uniform(11, 24), rng.uniform(7, 13), rng.uniform(0, np.pi)), blue, 0.95)


def house(
    scene: Scene, lot: Floats, side: int, corner: int, depth_px: float, panel_frac: float, look_alikes: float
) -> None:
    """Paint a house with a flat, gabled or hipped roof, in an L or a rectangle, and what is on it."""
    rng = scene.rng
    turn = scene.angle + rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.12)
    ahead, right = turned(np.eye(2), turn)
    if rng.random() < 0.6:
        drive = lot + turned(np.array([corner * 30, -side * depth_px * 0.1]), scene.angle)
        fill(scene, rectangle(drive, 10, depth_px * 0.16, scene.angle), [rng.uniform(120, 165)] * 3, 0.9)
    # Over districts of all kinds, the mean of wealth squared is 2 / (2.6 * 3.6).
    panels = rng.random() < panel_frac * (0.2 + 0.8 * scene.wealth**2 * 2.6 * 3.6 / 2)
    middle, long, wide = lot, rng.uniform(34, 56), rng.uniform(24, 34)
    colour = np.array(ROOFS[rng.integers(len(ROOFS))]) * rng.uniform(0.85, 1.15) + rng.normal(0, 4, 3)
    parts: list[Rectangle] = [(middle, long, wide, turn)]
    if rng.random() < 0.4:
        wing = middle + ahead * long * rng.choice([-0.3, 0.3]) + right * wide * rng.choice([-0.6, 0.6])
        parts.insert(0, (wing, wide, long * 0.4, turn + np.pi / 2))
    corners = np.concatenate([rectangle(*part) for part in parts])
    if not all(is_free(scene, point, 1.0) for point in (middle, *corners)):
        return  # a wing would cover a neighbour, and what is on its roof
    scene.built += parts
    height = rng.uniform(5, 10)
    for part in parts:
        outline = rectangle(*part)
        for step in np.linspace(0.25, 1, 4):
            fill(scene, outline + scene.sun * height * step, (14, 18, 26), 0.26)
    outlines = [rectangle(*part) for part in parts]
    flat = rng.random() < 0.25
    hip = 0.0 if rng.random() < 0.5 else rng.uniform(0.5, 0.9)
    for part, outline in zip(parts, outlines, strict=True):
        _roof(scene, part, outline, colour, None if flat else hip)
    add(scene, "roof", np.concatenate(outlines))
    slope = rng.choice([-1, 1])
    spot = middle + right * slope * wide * 0.23
    if panels:
        _panels(scene, spot + ahead * rng.uniform(-0.12, 0.12) * long, long, wide, turn)
    for _ in range(rng.poisson(look_alikes * 0.6)):
        # The other slope, so that nothing covers the panels.
        where = middle - right * slope * wide * 0.23 + ahead * rng.uniform(-0.36, 0.36) * long
        if rng.random() < 0.3:
            _glass(scene, where, turn)
        else:
            _skylights(scene, where, ahead, turn)
    if rng.random() < 0.5:
        chimney = rectangle(middle + ahead * rng.uniform(-0.35, 0.35) * long, 3.2, 3.2, turn)
        fill(scene, chimney + scene.sun * 2.5, (16, 18, 22), 0.5)
        fill(scene, chimney, colour * 0.75)


def _roof(scene: Scene, part: Rectangle, outline: Floats, colour: Floats, hip: float | None) -> None:
    """Paint the slopes of one part of a roof, each by its angle to the sun; `hip` of `None` is a flat roof."""
    middle, long, wide, turn = part
    fill(scene, outline, colour)
    if hip is None:
        fill(scene, rectangle(middle, long - 3, wide - 3, turn), colour * 1.1)
        return
    ahead = turned(np.array([1.0, 0.0]), turn)
    reach = ahead * (long / 2 - hip * wide / 2)
    first, second = middle - reach, middle + reach
    slopes = [
        np.array([outline[0], outline[1], second, first]),
        np.array([outline[3], outline[2], second, first]),
        np.array([outline[1], outline[2], second]),
        np.array([outline[0], outline[3], first]),
    ]
    for slope in slopes:
        outward = slope[:2].mean(axis=0) - middle
        light = -float(outward @ scene.sun) / max(float(np.linalg.norm(outward)), 1e-9)
        fill(scene, slope, colour * (1 + 0.24 * light))
    fill(scene, rectangle(middle, 2 * float(np.linalg.norm(reach)), 1.2, turn), colour * 1.2, 0.7)


def _panels(scene: Scene, middle: Floats, long: float, wide: float, turn: float) -> None:
    """Paint a field of dark blue panels with thin bright seams."""
    rng = scene.rng
    cell_x, cell_y = 3.2, 5.2
    columns = int(rng.integers(3, max(4, int(long * 0.62 / cell_x))))
    rows = int(rng.integers(1, max(2, int(wide * 0.42 / cell_y)) + 1))
    field_ = rectangle(middle, columns * cell_x, rows * cell_y, turn)
    colour = np.array([34, 44, 74]) * rng.uniform(0.75, 1.35) + rng.normal(0, 4, 3)
    fill(scene, field_, colour + 40)
    ahead, right = turned(np.eye(2), turn)
    for column in range(columns):
        for row in range(rows):
            shift = ahead * (column - (columns - 1) / 2) * cell_x + right * (row - (rows - 1) / 2) * cell_y
            cell = rectangle(middle + shift, cell_x - 0.5, cell_y - 0.5, turn)
            fill(scene, cell, colour + rng.normal(0, 3))
    add(scene, "panel", field_)


def _skylights(scene: Scene, middle: Floats, ahead: Floats, turn: float) -> None:
    rng = scene.rng
    colour = np.array([58, 70, 92]) * rng.uniform(0.7, 1.9)
    width, height, number = rng.uniform(2.6, 4.6), rng.uniform(3.6, 5.6), int(rng.integers(1, 5))
    for index in range(number):
        light = rectangle(middle + ahead * (index - (number - 1) / 2) * width * 1.7, width, height, turn)
        fill(scene, light, [200] * 3, 0.6)
        fill(scene, (light - light.mean(axis=0)) * 0.8 + light.mean(axis=0), colour)


def _glass(scene: Scene, middle: Floats, turn: float) -> None:
    """Paint a dark glass roof: as large and as dark as a field of panels, without its seams."""
    rng = scene.rng
    pane = rectangle(middle, rng.uniform(8, 17), rng.uniform(5, 10), turn)
    fill(scene, pane, np.array([46, 52, 66]) * rng.uniform(0.7, 1.3) + rng.normal(0, 5, 3), 0.95)


def trees(scene: Scene) -> None:
    """Paint trees anywhere except over small objects; some reach over a roof."""
    rng = scene.rng
    for _ in range(int(rng.integers(70, 190))):
        middle, radius = rng.uniform(0, SIDE_PX, 2), rng.uniform(4, 13)
        if not is_free(scene, middle, radius * 1.15, 0.4):
            continue
        green = np.array([58, 78, 44]) * rng.uniform(0.7, 1.25) + rng.normal(0, 5, 3)
        fill(scene, ellipse(middle + scene.sun * radius * 0.6, 2 * radius, 2 * radius, 0), (14, 18, 22), 0.45)
        for size in (1.0, 0.72, 0.45):
            steps = np.linspace(0, 2 * np.pi, 18, endpoint=False)
            rough = radius * size * rng.uniform(0.8, 1.08, 18)
            points = np.column_stack([np.cos(steps), np.sin(steps)]) * rough[:, None] + middle
            fill(scene, points - scene.sun * radius * (1 - size) * 0.4, green * (1.5 - 0.5 * size), 0.85)
