"""The interval of a mean of shares against its published value, and by hand."""

import numpy as np
import pytest

from counterpoise.metrics import intervals


def test_the_published_value_of_balanced_accuracy() -> None:
    found, of = np.array([13, 180]), np.array([21, 204])
    interval = intervals.mover(found / of, *intervals.wilson(found, of))
    assert (found / of).mean() == pytest.approx(0.7507, abs=5e-5)
    assert interval[:2] == pytest.approx((0.6425, 0.8394), abs=5e-5)


def test_one_figure_alone_keeps_its_interval() -> None:
    assert intervals.mover([0.3], [0.1], [0.6])[:2] == pytest.approx((0.1, 0.6))


def test_distances_add_as_squares_by_hand() -> None:
    # weights 3/4 and 1/4: mean 0.5; below sqrt(0.3^2 + 0.1^2), above sqrt(0.15^2 + 0.15^2)
    interval = intervals.mover([0.5, 0.5], [0.1, 0.1], [0.7, 1.1], weights=[0.75, 0.25])
    assert interval[:2] == pytest.approx((0.5 - np.sqrt(0.1), 0.5 + np.sqrt(0.045)))
