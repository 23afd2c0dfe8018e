"""Intervals of rates against tables of the Poisson distribution, and how often they hold where counts cluster."""

import numpy as np
import pytest

from counterpoise.metrics.intervals import garwood


def test_without_events_and_with_independent_counts_it_is_near_the_table() -> None:
    assert garwood(np.zeros(10), np.ones(10), np.arange(10)).high == pytest.approx(0.36889, abs=1e-5)
    ten = np.tile([0.0, 1.0], 500)[:1000]  # as regular as counts can be: no dispersion
    low, high, _ = garwood(ten * 0.02, np.ones(1000), np.arange(1000))  # ten events
    assert (low, high) == pytest.approx((4.795e-3, 18.39e-3), rel=5e-3)


def test_exposures_scale_the_rate() -> None:
    counts, units = np.array([3.0, 1.0, 0.0, 4.0]), np.arange(4)
    one, other = (garwood(counts, np.full(4, exposure), units) for exposure in (1.0, 2.0))
    np.testing.assert_allclose([one.low / 2, one.high / 2], [other.low, other.high])


def test_images_of_a_unit_count_as_one() -> None:
    counts = np.array([2.0, 0.0, 1.0, 3.0])
    alone = garwood(counts, np.ones(4), np.arange(4))
    copied = garwood(np.repeat(counts, 5), np.ones(20), np.repeat(np.arange(4), 5))
    np.testing.assert_allclose([alone.low, alone.high], [copied.low, copied.high])


def test_it_contains_the_rate_of_clustered_counts_often_enough() -> None:
    rng, inside = np.random.default_rng(0), 0
    for _ in range(300):
        counts = rng.poisson(rng.gamma(1, 0.5, 20)).astype(float)
        interval = garwood(counts, np.ones(20), np.arange(20))
        inside += interval.low <= 0.5 <= interval.high
    assert inside / 300 > 0.93


def test_one_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        garwood(np.ones(3), np.ones(3), [1, 1, 1])
