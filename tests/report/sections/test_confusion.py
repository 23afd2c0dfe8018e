"""The sentence about mistakes: only what one pair of classes alone shows, from enough units."""

from types import SimpleNamespace
from typing import Any

import pytest

from counterpoise.report.sections import confusion
from counterpoise.report.units import Support

MANY, FEW = Support(60, 20), Support(12, 2)


def facts(supports: tuple[Support, ...]) -> Any:
    """Make the facts of classes with these test images."""
    return SimpleNamespace(names=("plain", "usual", "rare"), supports=supports)


def test_the_mistake_with_the_most_units_is_named() -> None:
    pairs = {(0, 1): Support(9, 6), (1, 0): Support(9, 5)}
    text = confusion._most_frequent(facts((MANY, MANY, MANY)), pairs)
    assert "“plain” is taken for “usual” (9 of 60 images of 20 units)" in text


@pytest.mark.parametrize(
    ("supports", "pairs"),
    [
        ((MANY, MANY, MANY), {(0, 1): Support(6, 6), (1, 0): Support(6, 6)}),
        ((MANY, MANY, FEW), {(2, 0): Support(12, 2), (0, 1): Support(1, 1)}),
        ((MANY, MANY, MANY), {(0, 1): Support(3, 3), (1, 0): Support(2, 2)}),
    ],
)
def test_no_mistake_is_the_most_frequent_if_another_is_as_frequent_or_it_has_too_few_units(
    supports: tuple[Support, ...], pairs: dict[tuple[int, int], Support]
) -> None:
    assert confusion._most_frequent(facts(supports), pairs) == ""
