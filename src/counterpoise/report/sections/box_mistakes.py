"""The section of the report that shows wrong boxes, missed objects and whole scenes as pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from counterpoise.boxes import geometry
from counterpoise.boxes.geometry import Boxes
from counterpoise.report.facts import Facts, counted
from counterpoise.report.objects import Objects
from counterpoise.report.scene_pictures import Drawn, around
from counterpoise.report.sections.mistakes import ClassProbability, Gallery, Mistake, Outcome

Window: TypeAlias = tuple[int, int, int, int]
Picture: TypeAlias = Callable[[str, Window, list[Drawn]], str]
"""From an image id, a place in it and the boxes there to a data URI."""
SCENES = 4
"""Scenes that are shown as a whole."""
SCENE_PX = 640
"""Longest side of the place that is shown of a scene."""


def box_galleries(facts: Facts, of: Objects, most: int, picture: Picture) -> tuple[Gallery, ...]:
    """Show false alarms with the highest probability, missed objects, and the scenes with most errors.

    Args:
        facts: The artifacts of the run.
        of: Boxes of test.
        most: Largest number of pictures of each kind of mistake, both together.
        picture: Returns the data URI of a place.

    Returns:
        Up to three galleries; empty ones are left out.
    """
    alarms = np.flatnonzero(of.wrong)
    alarms = alarms[np.argsort(-of.probs[alarms], kind="stable")]
    lost = np.flatnonzero(of.wanted & of.fates.missed)
    area = geometry.areas(of.truth.boxes)
    lost = lost[np.lexsort((-area[lost], of.truth.label[lost] != facts.positive))]
    half = most // 2
    shown = alarms[: most - min(len(lost), half)]
    missed = lost[: most - len(shown)]
    kinds = (
        ("False alarms", f"{len(shown)} of {counted(len(alarms), 'box', 'boxes')}, highest probability first.", shown),
        (
            "Missed objects",
            f"{len(missed)} of {counted(len(lost), 'object')}, the class that matters first, then the largest.",
            missed,
        ),
    )
    galleries = [
        Gallery(heading, text, tuple(_alarm(facts, of, int(i), picture) for i in rows))
        if number == 0
        else Gallery(heading, text, tuple(_missed(facts, of, int(i), picture) for i in rows))
        for number, (heading, text, rows) in enumerate(kinds)
        if len(rows)
    ]
    return (*galleries, *_scenes(facts, of, min(most, SCENES), picture))


def _alarm(facts: Facts, of: Objects, place: int, picture: Picture) -> Mistake:
    image, name = int(of.found.image[place]), facts.names[int(of.found.label[place])]
    kind = of.kind(place)
    outcome = Outcome(kind, "alarm", (ClassProbability(name, float(of.probs[place])),), 0)
    return _shown(facts, of, image, of.found.boxes[place], (outcome,), f"false alarm ({kind}) of {name}", picture)


def _missed(facts: Facts, of: Objects, place: int, picture: Picture) -> Mistake:
    image, name = int(of.truth.image[place]), facts.names[int(of.truth.label[place])]
    box = of.truth.boxes[place]
    size = f"missed, {box[2] - box[0]:.0f} x {box[3] - box[1]:.0f} px:"
    outcome = Outcome(size, "missed", (ClassProbability(name, None),), 0)
    return _shown(facts, of, image, box, (outcome,), f"missed {name}", picture)


def _shown(
    facts: Facts, of: Objects, image: int, box: Boxes, outcomes: tuple[Outcome, ...], words: str, picture: Picture
) -> Mistake:
    image_id = facts.test.image_ids[image]
    window = around(box, *_area(facts, image_id)[2:])
    return Mistake(image_id, outcomes, f"{image_id}: {words}", picture(image_id, window, _layers(of, image, window)))


def _scenes(facts: Facts, of: Objects, most: int, picture: Picture) -> tuple[Gallery, ...]:
    count = len(facts.test.image_ids)
    wrong, right = (np.bincount(of.found.image[rows], minlength=count) for rows in (of.wrong, of.right))
    missed = np.bincount(of.truth.image[of.wanted & of.fates.missed], minlength=count)
    order = np.argsort(-(wrong + missed), kind="stable")[:most]
    order = order[(wrong + missed + right)[order] > 0]
    if not len(order):
        return ()
    mistakes = []
    for image in order.tolist():
        image_id = facts.test.image_ids[image]
        window = _worst_place(of, image, _area(facts, image_id))
        alarms = counted(int(wrong[image]), "false alarm")
        texts = ((f"{right[image]} found", "found"), (f"{missed[image]} missed", "missed"), (alarms, "alarm"))
        outcomes = tuple(Outcome(word, style, (), 0) for word, style in texts)
        words = ", ".join(outcome.word for outcome in outcomes)
        uri = picture(image_id, window, _layers(of, image, window))
        mistakes.append(Mistake(image_id, outcomes, f"{image_id}: {words}", uri))
    text = f"{len(mistakes)} of {counted(count, 'scene')}, most errors first."
    areas = np.array([_area(facts, facts.test.image_ids[image]) for image in order.tolist()])
    if (areas[:, 2:] - areas[:, :2]).max() > SCENE_PX:
        text += f" Of a larger scene, {SCENE_PX} x {SCENE_PX} px around an error are shown; the numbers count it all."
    return (Gallery("Scenes", text, tuple(mistakes), wide=True),)


def _worst_place(of: Objects, image: int, area: Window) -> Window:
    """Choose the place of a scene, or of a block, around the error with most errors near it."""
    boxes = np.concatenate(
        [
            of.found.boxes[of.wrong & (of.found.image == image)],
            of.truth.boxes[of.wanted & of.fates.missed & (of.truth.image == image)],
        ]
    )
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 if len(boxes) else np.array([[*area]]).reshape(2, 2).mean(axis=0)[None]
    near = (np.abs(centres[:, None] - centres[None]) <= SCENE_PX / 2).all(axis=2).sum(axis=1)
    x, y = centres[int(near.argmax())]
    side_x, side_y = min(area[2] - area[0], SCENE_PX), min(area[3] - area[1], SCENE_PX)
    left = round(min(max(x - side_x / 2, area[0]), area[2] - side_x))
    top = round(min(max(y - side_y / 2, area[1]), area[3] - side_y))
    return left, top, left + side_x, top + side_y


def _layers(of: Objects, image: int, window: Window) -> list[Drawn]:
    """Collect the boxes in a place: found ones, false alarms, and missed objects on top."""

    def inside(boxes: Boxes) -> NDArray[np.bool_]:
        return np.asarray((boxes[:, :2] < window[2:]).all(axis=1) & (boxes[:, 2:] > window[:2]).all(axis=1))

    here, there = of.found.image == image, of.truth.image == image
    seen, known = inside(of.found.boxes), inside(of.truth.boxes)
    return [
        Drawn(of.found.boxes[here & seen & of.right], "found"),
        Drawn(of.found.boxes[here & seen & of.wrong], "alarm", 3),
        Drawn(of.truth.boxes[there & known & of.wanted & of.fates.missed], "missed"),
    ]


def _area(facts: Facts, image_id: str) -> Window:
    """Return the part of a scene that an image is: all of it, or a block."""
    row = facts.manifest[facts.manifest["image_id"] == image_id].iloc[0]
    if "scene_id" in facts.manifest:
        return int(row["x0_px"]), int(row["y0_px"]), int(row["x1_px"]), int(row["y1_px"])
    return 0, 0, int(row["width_px"]), int(row["height_px"])
