"""The mistakes of the report page: which to show, and what is said of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.report.facts import Facts, counted, quote

MOST_NAMES = 3
"""So many labels of a kind are named under a picture."""


@dataclass(frozen=True)
class ClassProbability:
    """A class with its probability."""

    name: str
    prob: float


@dataclass(frozen=True)
class Outcome:
    """Classes of one image that share a fate: `found`, `missed` or `alarm`; `more` of them are not named."""

    word: str
    style: str
    classes: tuple[ClassProbability, ...]
    more: int


@dataclass(frozen=True)
class Mistake:
    """A wrongly decided image: its id, its classes by what became of them, a text alternative, and a data URI."""

    image_id: str
    outcomes: tuple[Outcome, ...]
    alt: str
    picture: str


@dataclass(frozen=True)
class Gallery:
    """Mistakes of one kind under a heading."""

    heading: str
    text: str
    mistakes: tuple[Mistake, ...]


def worst(facts: Facts, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pick the most confident mistakes.

    Args:
        facts: The run.
        most: How many at most.

    Returns:
        Rows of test: missed images of the class that matters, by rising probability of it, up to half of `most` (or
        more, where other mistakes are too few); and other images with a class that they do not bear, by falling
        probability of it.
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
        facts: The run.
        most: How many pictures at most.
        picture: From an image id to a data URI.

    Returns:
        Up to two galleries; empty ones are left out.
    """
    missed, others = worst(facts, most)
    k, wrongly = facts.positive, facts.decided & ~facts.targets
    lost = facts.targets[:, k] & ~facts.decided[:, k]
    kinds = (
        (f"Missed: {quote(facts.positive_name)}", missed, int(lost.sum()), "those given the least probability of it"),
        (
            "Wrong with most confidence",
            others,
            int((wrongly.any(axis=1) & ~lost).sum()),
            f"those with the highest probability of a wrong {facts.words.noun}",
        ),
    )
    return tuple(
        Gallery(
            heading,
            f"{len(rows)} of {counted(total, 'such image')}, {which} first.",
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
