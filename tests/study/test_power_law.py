"""Power laws through curves whose truth is known, and how often their intervals hold it."""

from typing import Any

import numpy as np
import pytest

from counterpoise.metrics import intervals
from counterpoise.study import power_law

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
Array = np.ndarray[Any, Any]


def law(m: float | Array, a: float, b: float, c: float) -> Array:
    return np.asarray(a + b * np.asarray(m, dtype=np.float64) ** -c)


@pytest.mark.parametrize(("a", "b", "c"), [(0.1, 0.2, 0.5), (0.0, 0.1, 0.25), (0.3, 0.05, 1.0), (0.2, 0.0, 0.5)])
def test_a_curve_without_noise_is_recovered(a: float, b: float, c: float) -> None:
    fit = power_law.fit(SHARES, law(np.array(SHARES), a, b, c)[None])
    assert fit.level[0] == pytest.approx(a + b)
    assert fit.gain[0] == pytest.approx(float(law(1, a, b, c) - law(2, a, b, c)), abs=1e-9)
    np.testing.assert_allclose(fit.at([0.3, 1, 2])[0], law(np.array([0.3, 1, 2]), a, b, c), atol=1e-9)
    assert b == 0 or fit.exponent[0] == pytest.approx(c)


def test_it_is_the_best_of_a_search_with_scipy() -> None:
    from scipy.optimize import curve_fit

    rng = np.random.default_rng(0)
    errors = law(np.array(SHARES), 0.1, 0.2, 0.6) + rng.normal(size=(20, 4)) * 0.005
    fit = power_law.fit(SHARES, errors)
    squares = ((fit.at(SHARES) - errors) ** 2).sum(axis=1)
    for number, curve in enumerate(errors):
        best, _ = curve_fit(law, SHARES, curve, p0=(0.1, 0.2, 0.5), bounds=([0, -1, 1 / 16], [1, 1, 2]))
        least = float(((law(np.array(SHARES), *best) - curve) ** 2).sum())
        assert squares[number] <= least + 1e-6  # the exponents that are tried lie 2 % apart


def test_more_labels_that_harm_have_a_gain_below_0() -> None:
    assert power_law.fit(SHARES, [[0.1, 0.12, 0.13, 0.14]]).gain[0] < -0.001


def test_a_curve_that_would_fall_below_0_has_no_fit_and_neither_has_one_with_gaps() -> None:
    fit = power_law.fit(SHARES, [[1.0, 0.1, 0.0, 0.0], [0.3, np.nan, 0.2, 0.15], [0.3, 0.25, 0.2, 0.18]])
    assert np.isnan(fit.gain).tolist() == np.isnan(fit.level).tolist() == [True, True, False]


@pytest.mark.parametrize("shares", [(0.5, 1.0), (0.5, 0.5, 1.0), (0.0, 0.5, 1.0), (0.5, 1.0, 2.0)])
def test_too_few_shares_or_such_out_of_range_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="at least three different shares"):
        power_law.fit(shares, np.zeros((1, len(shares))))


def test_resampled_means_vary_as_means_of_new_replicates_do() -> None:
    rng = np.random.default_rng(0)
    spreads = [power_law.resampled(np.repeat(rng.normal(size=(4, 1, 1)), 300, axis=2), rng).var() for _ in range(300)]
    assert np.mean(spreads) == pytest.approx(1 / 4, rel=0.1)
    one = np.random.default_rng(1).random((1, 3, 5))
    np.testing.assert_allclose(power_law.resampled(one, rng), one[0].T)


def simulated(truth: tuple[float, float, float], rng: np.random.Generator, replicates: int = 5) -> Array:
    """Draw curves of networks that err on the harder of 400 images of validation, which are the same for all of them.

    Returns:
        (r, f, 200) errors in resamples of validation.
    """
    images, difficulty = 400, rng.random(400)
    weights = rng.multinomial(images, np.full(images, 1 / images), size=200)
    errors = np.empty((replicates, len(SHARES), 200))
    for index in np.ndindex(replicates, len(SHARES)):
        share = SHARES[index[1]]
        rate = float(law(share, *truth)) + rng.normal() * 0.01 / share**0.5
        wrong = np.where(rng.random(images) < 0.3, rng.random(images), difficulty) < rate
        errors[index] = weights @ wrong / images
    return errors


@pytest.mark.parametrize("truth", [(0.1, 0.2, 0.5), (0.3, 0.0, 0.5), (0.05, 0.1, 1.0)])
def test_the_interval_holds_the_true_gain_of_nearly_all_simulated_curves(truth: tuple[float, float, float]) -> None:
    rng, gain = np.random.default_rng(0), float(law(1, *truth) - law(2, *truth))
    gains = []
    for _ in range(100):
        fitted = power_law.fit(SHARES, power_law.resampled(simulated(truth, rng), rng))
        gains.append(intervals.percentile(fitted.gain))
    assert np.mean([low <= gain <= high for low, high, _ in gains]) >= 0.9
    assert np.mean([high - low for low, high, _ in gains]) < 0.06
    if gain:
        assert np.mean([low > 0 for low, _, _ in gains]) > 0.9
