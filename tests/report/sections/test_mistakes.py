from types import SimpleNamespace
from typing import Any

import numpy as np

from counterpoise.report.sections import mistakes

NAMES = ("a", "b", "rare")


def facts(borne: list[list[int]], probs: list[list[float]], *, many: bool = True) -> Any:
    """Stand-in for the facts of a run: thresholds of 0.5."""
    ids = tuple(f"{row}.png" for row in range(len(borne)))
    truth, scores = np.array(borne, dtype=bool), np.array(probs)
    return SimpleNamespace(
        borne=truth,
        probs=scores,
        decided=scores >= 0.5,
        positive=2,
        positive_name="rare",
        names=NAMES,
        many=many,
        noun="label",
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
    assert missed.text.startswith("2 of 2 such images")
    first = missed.mistakes[0]
    assert first.picture == "data:1.png"
    assert first.alt == "1.png: actual a, rare, decided b"
    assert [(kind.word, [named.name for named in kind.classes]) for kind in first.kinds] == [
        ("missed", ["rare", "a"]),
        ("wrong", ["b"]),
    ]
    assert others.mistakes[0].alt == "3.png: actual nothing, decided b"


def test_an_image_with_very_many_wrong_labels_names_the_most_probable() -> None:
    one = facts([[0, 0, 0]], [[0.6, 0.9, 0.7]])
    one.names = ("a", "b", "c")
    many = facts([[0] * 9], [[0.5 + 0.05 * k for k in range(9)]])
    many.names = tuple("abcdefghi")
    kind = mistakes.galleries(many, 1, str)[0].mistakes[0].kinds[0]
    assert [named.name for named in kind.classes] == ["c", "i", "h"]  # the class that matters, then by probability
    assert kind.more == 6
    assert mistakes.galleries(one, 1, str)[0].mistakes[0].kinds[0].more == 0
