"""Tests of units that are added for the variance alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from counterpoise.evaluation import estimates
from counterpoise.evaluation.imaginary_units import doubted
from counterpoise.metrics import confusion

COUNTS = np.array([300, 10])
RARELY_FOUND = np.array([[0.99, 0.01], [0.95, 0.05]])
"""Share of decisions by true class: the rare one is often never found in a sample."""


@pytest.mark.parametrize(
    ("figure", "truth"), [(estimates.macro_f1, confusion.macro_f1), (estimates.matthews, confusion.matthews)]
)
def test_a_class_that_was_never_found_does_not_count_as_certain(
    figure: Callable[..., estimates.Score], truth: Callable[..., float]
) -> None:
    rng, expected = np.random.default_rng(0), float(truth(RARELY_FOUND * COUNTS[:, None]))
    targets, covered, judged = np.repeat([0, 1], COUNTS), 0, 0
    for _ in range(40):
        decided = (rng.random(len(targets)) < RARELY_FOUND[targets, 1]).astype(np.int64)
        interval = figure(targets, decided, 2, np.arange(len(targets)))[1]
        judged += not interval.reason
        covered += interval.low <= expected <= interval.high
    assert judged > 30
    assert covered / judged > 0.9


def test_a_class_with_right_and_wrong_units_gets_none() -> None:
    truth, said = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0])
    table = confusion.confusion_matrix(truth, said, 2)
    assert [len(column) for column in doubted(truth, said, truth, np.arange(4), table)] == [4, 4, 4, 4]


def test_a_unit_is_as_large_as_the_mean_unit_of_its_class() -> None:
    truth, said, units = (
        np.array([0, 0, 0, 1, 1, 1, 1]),
        np.array([0, 0, 1, 1, 1, 1, 1]),
        np.array([0, 1, 2, 3, 3, 4, 4]),
    )
    table = confusion.confusion_matrix(truth, said, 2)
    actual, decided, classes, numbers = (column[7:].tolist() for column in doubted(truth, said, truth, units, table))
    assert actual == classes == [1, 1, 1, 1]
    assert decided == [1, 1, 0, 0]
    assert numbers == [5, 5, 6, 6]
