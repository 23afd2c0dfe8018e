"""The class that matters: stated, or the rarest one that validation and test can measure."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from counterpoise import config
from counterpoise.artifacts.classes import Classes
from counterpoise.artifacts.positive import Positive
from counterpoise.dataset.positive_class import ENOUGH, choose, measurable_units


def chosen(sides: Mapping[str, Sequence[str]], *, stated: str | None = None, grouped: Sequence[str] = ()) -> Positive:
    """Choose for images given as labels by split; all images of the classes `grouped` in one split are one unit."""
    rows = [(side, label) for side, labels in sides.items() for label in labels]
    names = sorted({label for _, label in rows})
    names.sort(key=lambda name: -sum(label == name for _, label in rows))
    counts = tuple(sum(label == name for _, label in rows) for name in names)
    members = np.array([[label == name for name in names] for _, label in rows])
    units = [f"{side}/{label}" if label in grouped else str(number) for number, (side, label) in enumerate(rows)]
    unit = np.unique(units, return_inverse=True)[1]
    split = np.array([side for side, _ in rows], dtype=object)
    return choose(stated, Classes(tuple(names), counts, len(rows)), split, members, unit, {})


def images(**counts: int) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]


def test_without_a_stated_class_it_is_the_rarest_that_both_hold_in_enough_units():
    held = images(ok=20, crack=8, hole=ENOUGH, dent=ENOUGH - 1)
    found = chosen({"train": images(ok=40, crack=20, hole=15, dent=9), "val": held, "test": held})
    assert found.name == "hole"
    assert found.reason.startswith("as the rarest class with at least 5 units in validation and in test (rarer, but in")
    assert "fewer: dent)" in found.reason


def test_images_of_one_unit_count_once():
    held = images(ok=20, crack=8, hole=7)
    assert chosen({"val": held, "test": held}).name == "hole"
    assert chosen({"val": held, "test": held}, grouped=["hole"]).name == "crack"


def test_of_two_classes_it_is_the_rarer_one_even_in_few_units():
    held = images(ok=20, bad=1)
    found = chosen({"train": images(ok=60, bad=3), "val": held, "test": held})
    assert found.name == "bad"
    assert "its figures are hardly known" in found.reason


def test_of_equally_rare_classes_it_is_the_last():
    held = images(a=6, b=6)
    assert chosen({"val": held, "test": held}).name == "b"


def test_a_rarer_class_that_test_lacks_is_passed_over():
    found = chosen({"train": images(ok=9, bad=9, gone=4), "val": images(ok=9, bad=9), "test": images(ok=9, bad=8)})
    assert found.name == "bad"


def test_a_stated_class_is_taken_and_said_to_be_stated():
    held = images(ok=20, bad=6)
    assert chosen({"val": held, "test": held}, stated="ok") == Positive("ok", "as evaluate.positive states it")


@pytest.mark.parametrize("side", ["val", "test"])
def test_a_stated_class_that_a_split_lacks_is_refused(side: str):
    held = {"train": images(ok=9, bad=9), "val": images(ok=9, bad=2), "test": images(ok=9, bad=2)}
    with pytest.raises(config.InputError, match=rf"evaluate\.positive is 'bad', but {side} has no image of it"):
        chosen(held | {side: images(ok=9)}, stated="bad")


def test_a_stated_class_that_every_image_of_test_has_is_refused():
    held = {"val": images(ok=9, bad=2), "test": images(ok=9)}
    with pytest.raises(config.InputError, match=r"evaluate\.positive is 'ok', but every image of test has it"):
        chosen(held, stated="ok")


def test_where_no_class_can_be_measured_it_says_what_to_do():
    held = {"train": images(ok=9, bad=2), "val": images(ok=9), "test": images(ok=9)}
    with pytest.raises(config.InputError, match=r"no class can be measured: val has 9 images .* Label more images"):
        chosen(held)


def test_measurable_units_are_those_with_or_those_without_a_class_whichever_are_fewer():
    members = np.array([[True, False], [True, True], [False, True], [True, True]])
    assert measurable_units(members, np.array([0, 1, 2, 3])).tolist() == [1, 1]
    assert measurable_units(members, np.array([0, 0, 1, 1])).tolist() == [1, 1]  # each pair has one without the class
    assert measurable_units(members[:0], np.array([], dtype=np.int64)).tolist() == [0, 0]


def test_objects_that_every_image_shows_are_measured_and_labels_that_every_image_has_are_not():
    split = np.array(["train", "val", "test"], dtype=object)
    labelled, everywhere, unit = Classes(("plane",), (3,), 3), np.ones((3, 1), dtype=bool), np.arange(3)
    assert choose(None, labelled, split, everywhere, unit, {}, against_absence=False).name == "plane"
    with pytest.raises(config.InputError, match="no class can be measured"):
        choose(None, labelled, split, everywhere, unit, {})
