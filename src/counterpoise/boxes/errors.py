"""What is wrong with each false alarm, and which objects nobody found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from counterpoise.boxes import geometry
from counterpoise.boxes.matching import SIZES, Booleans, Detections, Integers, Truth, match

KINDS = ("wrong_class", "badly_placed", "both", "duplicate", "background")
"""Of false alarms, in the order of the codes in `Errors.kind`; an object that nobody found is `missed`."""
WRONG_CLASS, BADLY_PLACED, BOTH, DUPLICATE, BACKGROUND = range(len(KINDS))
RIGHT, IGNORED = -1, -2
NEAR = 0.1
"""IoU from which on a detection has to do with an object."""


class Errors(NamedTuple):
    """What became of each detection and of each object.

    Attributes:
        kind: (n,) -1 right, -2 ignored, otherwise the place of the error in `KINDS`.
        nearest: (n,) object that the detection found, or has to do with; -1 for none.
        missed: (m,) objects that no detection found.
        unexplained: (m,) of them, those that no `wrong_class` and no `badly_placed` detection lies on: what is missed
            for no other reason.
    """

    kind: Integers
    nearest: Integers
    missed: Booleans
    unexplained: Booleans


def errors(detections: Detections, truth: Truth, iou: float = 0.5) -> Errors:
    """Say what is wrong with each detection.

    With t = `iou`, the first that holds: `badly_placed`, IoU in [0.1, t) with an object of its class and t with none;
    `wrong_class`, IoU of at least t with an object of another class; `duplicate`, IoU of at least t with an object of
    its class that another detection found; `background`, IoU below 0.1 with every object; else `both`, that is IoU in
    [0.1, t) with an object of another class.

    Args:
        detections: Those that are decided for.
        truth: What is there.
        iou: Overlap from which on an object is found, in (0.1, 1).

    Source: Bolya, Foley, Hays, Hoffman (2020), TIDE: a general toolbox for identifying object detection errors.
        Departure: a duplicate is no error of place, whatever other object lies near.

    Example:
        >>> found = Detections(np.zeros(1, int), np.ones(1, int), np.array([[0, 0, 9.0, 9]]), np.ones(1))
        >>> there = Truth(np.zeros(1, int), np.zeros(1, int), np.array([[0, 0, 9.0, 9]]), np.zeros(1, bool))
        >>> KINDS[errors(found, there).kind[0]]
        'wrong_class'
    """
    count, wanted = len(detections.image), np.flatnonzero(~truth.ignore)
    matches = match(detections, truth, ious=[iou], sizes=[SIZES["all"]], most=max(count, 1))
    found, ignored = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=bool)
    found[matches.order], ignored[matches.order] = matches.found[0, 0], matches.ignored[0, 0]
    kind = np.where(ignored, IGNORED, np.where(found >= 0, RIGHT, BACKGROUND))
    nearest = found.copy()
    for image in np.unique(detections.image[kind == BACKGROUND]):
        own = np.flatnonzero((kind == BACKGROUND) & (detections.image == image))
        theirs = wanted[truth.image[wanted] == image]
        if len(theirs):
            same = detections.label[own, None] == truth.label[None, theirs]
            kind[own], place = _kinds(geometry.iou(detections.boxes[own], truth.boxes[theirs]), same, iou)
            nearest[own] = np.where(place >= 0, theirs[place], -1)
    missed = ~truth.ignore
    missed[found[found >= 0]] = False
    unexplained = missed.copy()
    unexplained[nearest[np.isin(kind, (WRONG_CLASS, BADLY_PLACED))]] = False
    return Errors(kind, nearest, missed, unexplained)


def _kinds(pairs: geometry.Floats, same: Booleans, iou: float) -> tuple[Integers, Integers]:
    """Say what is wrong with the n false alarms of an image with m objects, and with which it has to do, (n,) both.

    Args:
        pairs: (n, m) IoU.
        same: (n, m) whether the classes are the same.
        iou: As in `errors`.
    """
    own, other = np.where(same, pairs, 0.0), np.where(same, 0.0, pairs)
    highest_own, highest_other = own.max(axis=1), other.max(axis=1)
    cases = [
        (highest_own >= NEAR) & (highest_own < iou),
        (highest_own < iou) & (highest_other >= iou),
        highest_own >= iou,
        np.maximum(highest_own, highest_other) < NEAR,
    ]
    kind = np.select(cases, [BADLY_PLACED, WRONG_CLASS, DUPLICATE, BACKGROUND], BOTH)
    of_own, of_other = own.argmax(axis=1), other.argmax(axis=1)
    place = np.select([np.isin(kind, (BADLY_PLACED, DUPLICATE)), kind != BACKGROUND], [of_own, of_other], -1)
    return kind.astype(np.int64), place.astype(np.int64)
