"""The section of the report that shows the worst mistakes as pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.report.facts import Facts, counted, quote

MOST_NAMES = 3
"""Largest number of labels of one kind that are named under a picture."""


@dataclass(frozen=True)
class ClassProbability:
    """A class with its probability; `None` where it has none."""

    name: str
    prob: float | None


@dataclass(frozen=True)
class Outcome:
    """Classes of one image with the same outcome: `found`, `missed` or `alarm`; `more` of them are not named."""

    word: str
    style: str
    classes: tuple[ClassProbability, ...]
    more: int


@dataclass(frozen=True)
class Mistake:
    """A wrongly decided image: its id, its classes by outcome, a text alternative, and a data URI."""

    image_id: str
    outcomes: tuple[Outcome, ...]
    alt: str
    picture: str


@dataclass(frozen=True)
class Gallery:
    """Mistakes of one kind, with a heading; `wide` shows large pictures."""

    heading: str
    text: str
    mistakes: tuple[Mistake, ...]
    wide: bool = False


def worst(facts: Facts, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pick the worst mistakes.

    Args:
        facts: The artifacts of the run.
        most: Largest number of images.

    Returns:
        Two lists of rows of test. The first has missed images of the class that matters, the lowest probability of it
        first, up to half of `most` (more, if there are too few other mistakes). The second has other images with a
        false alarm, the highest probability of the wrong class first.
    """
    k = facts.positive
    missed = np.flatnonzero(facts.targets[:, k] & ~facts.decided[:, k])
    missed = missed[np.argsort(facts.probs[missed, k], kind="stable")]
    confidence = np.where(facts.decided & ~facts.targets, facts.probs, -1.0).max(axis=1)
    confidence[missed] = -1.0
    others = np.flatnonzero(confidence >= 0)
    others = others[np.argsort(-confidence[others], kind="stable")]
    others = others[: most - min(len(missed), most // 2)]
    return missed[: most - len(others)], others


def galleries(facts: Facts, most: int, picture: Callable[[str], str]) -> tuple[Gallery, ...]:
    """Show the worst mistakes.

    Args:
        facts: The artifacts of the run.
        most: Largest number of pictures.
        picture: Returns the data URI of an image id.

    Returns:
        Up to two galleries; empty ones are left out.
    """
    missed, others = worst(facts, most)
    k, wrongly = facts.positive, facts.decided & ~facts.targets
    lost = facts.targets[:, k] & ~facts.decided[:, k]
    kinds = (
        (
            f"Missed: {quote(facts.positive_name)}",
            missed,
            int(lost.sum()),
            f"lowest probability of this {facts.words.noun}",
        ),
        (
            "Other wrong decisions" if lost.any() else "Wrong decisions",
            others,
            int((wrongly.any(axis=1) & ~lost).sum()),
            f"highest probability of the {facts.words.wrong}",
        ),
    )
    return tuple(
        Gallery(
            heading,
            f"{len(rows)} of {counted(total, 'image')}, {which} first.",
            tuple(_mistake(facts, int(row), picture) for row in rows),
        )
        for heading, rows, total, which in kinds
        if len(rows)
    )


def _mistake(facts: Facts, row: int, picture: Callable[[str], str]) -> Mistake:
    targets, decided, probs = facts.targets[row], facts.decided[row], facts.probs[row]
    image_id = facts.test.image_ids[row]
    right, missed, wrong = facts.words.mistake_kinds
    outcomes = []
    for word, style, which in (
        (right, "found", targets & decided),
        (missed, "missed", targets & ~decided),
        (wrong, "alarm", decided & ~targets),
    ):
        indices = sorted(np.flatnonzero(which), key=lambda k: (k != facts.positive, -probs[k], k))
        if indices:
            shown = tuple(ClassProbability(facts.names[k], float(probs[k])) for k in indices[:MOST_NAMES])
            outcomes.append(Outcome(word, style, shown, len(indices) - len(shown)))
    actual, called = (
        ", ".join(facts.names[k] for k in np.flatnonzero(which)) or "nothing" for which in (targets, decided)
    )
    return Mistake(image_id, tuple(outcomes), f"{image_id}: actual {actual}, decided {called}", picture(image_id))
