"""The interval of a calibration error: sums by unit, bias, and units."""

import numpy as np
import pytest

from counterpoise.metrics import intervals


def a_gap(rng: np.random.Generator, n: int, gap: float) -> tuple[float, intervals.Interval]:
    """Draw decisions right as often as said, less a gap, all in one bin; return the plain error and the interval."""
    right = rng.random(n) < 0.8 - gap
    sums = intervals.unit_gaps(right - 0.8, np.zeros(n, dtype=int), np.arange(n), 1)
    return abs(float(sums.sum())) / n, intervals.calibration_error(sums, n, resamples=400, rng=rng)


def test_the_truth_is_covered_where_it_is_above_zero() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(600):
        _, (low, high, _) = a_gap(rng, 300, 0.1)
        held += low <= 0.1 <= high
    assert held >= 555


def test_noise_alone_may_be_no_error() -> None:
    rng = np.random.default_rng(0)
    assert np.mean([a_gap(rng, 300, 0.0)[1].low == 0 for _ in range(100)]) > 0.9


def test_images_of_a_unit_that_agree_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    gaps, bins = np.repeat(rng.random(60) < 0.7, 5) - 0.8, np.zeros(300, dtype=int)
    alone, grouped = (
        intervals.calibration_error(
            intervals.unit_gaps(gaps, bins, units, 1), 300, resamples=1000, rng=np.random.default_rng(0)
        )
        for units in (np.arange(300), np.repeat(np.arange(60), 5))
    )
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_a_single_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="found 1 units and resamples 10; expected at least 2 and 1"):
        intervals.calibration_error(np.ones((1, 3)), 4, resamples=10, rng=np.random.default_rng(0))
