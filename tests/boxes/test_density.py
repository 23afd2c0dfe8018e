"""Precision at another density."""

import numpy as np
import pytest

from counterpoise.boxes.density import precision_at


def test_precision_falls_with_density_and_is_that_of_the_sample_at_its_own() -> None:
    assert [round(precision_at(0.8, 0.1, density), 4) for density in (0.5, 0.05)] == [0.8, 0.2857]
    found, false, objects, images = 30, 10, 40, 50
    assert precision_at(found / objects, false / images, objects / images) == pytest.approx(found / (found + false))


def test_limits() -> None:
    assert precision_at(0.8, 0.0, 0.1) == 1
    assert precision_at(0.8, 0.1, 0.0) == 0
    assert np.isnan(precision_at(0.0, 0.0, 0.1))
