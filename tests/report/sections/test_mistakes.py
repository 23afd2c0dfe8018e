from types import SimpleNamespace
from typing import Any

import numpy as np

from counterpoise.report.sections import mistakes
from counterpoise.report.tasks import multilabel

NAMES = ("a", "b", "rare")


def facts(targets: list[list[int]], probs: list[list[float]]) -> Any:
    """Stand-in for the facts of a run: thresholds of 0.5."""
    ids = tuple(f"{row}.png" for row in range(len(targets)))
    scores = np.array(probs)
    return SimpleNamespace(
        targets=np.array(targets, dtype=bool),
        probs=scores,
        decided=scores >= 0.5,
        positive=2,
        positive_name="rare",
        names=NAMES,
        words=multilabel.WORDS,
        test=SimpleNamespace(image_ids=ids),
    )


MISTAKES = facts(
    [[1, 0, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0]],
    [[0.9, 0.1, 0.3], [0.2, 0.8, 0.1], [0.6, 0.9, 0.1], [0.1, 0.95, 0.0], [0.9, 0.0, 0.0]],
)


def test_the_surest_misses_and_the_surest_false_alarms_come_first() -> None:
    missed, others = mistakes.worst(MISTAKES, 10)
    assert missed.tolist() == [1, 0]
    assert others.tolist() == [3, 2]


def test_misses_take_up_to_half_of_the_places() -> None:
    assert [rows.tolist() for rows in mistakes.worst(MISTAKES, 2)] == [[1], [3]]
    assert [rows.tolist() for rows in mistakes.worst(MISTAKES, 0)] == [[], []]


def test_a_picture_says_what_was_found_missed_and_wrong() -> None:
    missed, others = mistakes.galleries(MISTAKES, 10, lambda image_id: f"data:{image_id}")
    assert missed.heading == "Missed: “rare”"
    assert others.heading == "Other wrong decisions"
    assert missed.text.startswith("2 of 2 images, lowest probability of this label first")
    first = missed.mistakes[0]
    assert first.picture == "data:1.png"
    assert first.alt == "1.png: actual a, rare, decided b"
    assert [(outcome.word, [one.name for one in outcome.classes]) for outcome in first.outcomes] == [
        ("missed", ["rare", "a"]),
        ("false alarm", ["b"]),
    ]
    assert others.mistakes[0].alt == "3.png: actual nothing, decided b"


def test_an_image_with_very_many_wrong_labels_names_the_most_probable() -> None:
    one = facts([[0, 0, 0]], [[0.6, 0.9, 0.7]])
    one.names = ("a", "b", "c")
    many = facts([[0] * 9], [[0.5 + 0.05 * k for k in range(9)]])
    many.names = tuple("abcdefghi")
    outcome = mistakes.galleries(many, 1, str)[0].mistakes[0].outcomes[0]
    assert [one.name for one in outcome.classes] == ["c", "i", "h"]  # the class that matters, then by probability
    assert outcome.more == 6
    assert mistakes.galleries(one, 1, str)[0].mistakes[0].outcomes[0].more == 0
