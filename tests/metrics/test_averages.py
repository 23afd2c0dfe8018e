"""One safe division, and the means that stand on it."""

import numpy as np

from counterpoise.metrics.averages import mean_over_present, ratio, weighted_mean


def test_what_is_divided_by_nothing_is_undefined_and_nothing_warns() -> None:
    np.testing.assert_array_equal(ratio(np.array([1.0, 0.0, 0.0]), np.array([2.0, 0.0, 3.0])), [0.5, np.nan, 0.0])
    assert np.isnan(ratio(np.float64(0.0), np.float64(0.0)))
    assert isinstance(ratio(np.float64(1.0), np.float64(4.0)), float)


def test_absent_classes_enter_no_mean_whatever_their_value() -> None:
    values, present = np.array([[1.0, 0.5, np.nan], [9.0, 9.0, 9.0]]), np.array([[True, True, False], [False] * 3])
    np.testing.assert_array_equal(mean_over_present(values, present), [0.75, np.nan])


def test_a_weighted_mean_without_weight_is_undefined() -> None:
    values = np.array([1.0, 3.0])
    assert weighted_mean(values, None) == 2
    np.testing.assert_array_equal(weighted_mean(values, [[1, 3], [0, 0]]), [2.5, np.nan])
