"""Student's interval on the scale of log-odds: by hand, limits, and refusals."""

import math

import pytest
from scipy.stats import t

from counterpoise.metrics import intervals


def test_an_interval_by_hand() -> None:
    half = float(t.ppf(0.975, 7)) * 0.05 / (0.8 * 0.2)
    ends = [1 / (1 + math.exp(-(math.log(4) + side * half))) for side in (-1, 1)]
    assert intervals.logit_t(0.8, 0.05**2, 7)[:2] == pytest.approx(ends)


def test_many_units_and_a_small_variance_are_a_normal_interval() -> None:
    assert intervals.logit_t(0.5, 1e-6, 1e9)[:2] == pytest.approx((0.5 - 1.96e-3, 0.5 + 1.96e-3), rel=1e-4)


def test_a_range_is_kept() -> None:
    low, high, _ = intervals.logit_t(0.9, 0.5, 1, low=-1)
    assert -1 <= low < 0.9 < high <= 1
    shifted = intervals.logit_t(0.95, 0.5 / 4, 1)
    assert (low, high) == pytest.approx((2 * shifted.low - 1, 2 * shifted.high - 1))


@pytest.mark.parametrize(("value", "variance", "freedom"), [(1.0, 0.1, 3), (0.0, 0.1, 3), (0.5, 0.0, 3), (0.5, 0.1, 0)])
def test_what_has_no_interval_is_refused(value: float, variance: float, freedom: float) -> None:
    with pytest.raises(ValueError, match="expected a value between"):
        intervals.logit_t(value, variance, freedom)
