"""Resamples of groups, and the coverage of known truths by percentiles."""

import math
from typing import Any

import numpy as np
import pytest

from counterpoise.metrics import intervals, ranking
from counterpoise.metrics.intervals import Percentiles


def test_bootstrap_resamples_whole_groups_as_many_as_there_are() -> None:
    groups = np.array(["a", "b", "a", "c", "b", "a"])
    weights = intervals.bootstrap_weights(groups, resamples=500, rng=np.random.default_rng(0))
    assert weights.shape == (500, 6)
    assert (weights[:, [0, 1]] == weights[:, [2, 4]]).all()
    assert (weights[:, 0] == weights[:, 5]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()


def test_bootstrap_multiplicities_have_the_moments_of_a_multinomial() -> None:
    m, b = 20, 20_000
    weights = intervals.bootstrap_weights(np.arange(m), resamples=b, rng=np.random.default_rng(0))
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.04)
    covariance = np.cov(weights.T)
    np.testing.assert_allclose(covariance, np.eye(m) - 1 / m, atol=0.06)


def test_the_same_seed_gives_the_same_resamples() -> None:
    draws = [
        intervals.bootstrap_weights([1, 1, 2, 3], resamples=9, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


@pytest.mark.parametrize(("groups", "resamples"), [([], 10), ([1, 2], 0)])
def test_a_bootstrap_of_nothing_is_refused(groups: Any, resamples: int) -> None:
    with pytest.raises(ValueError, match="expected at least 1 of both"):
        intervals.bootstrap_weights(groups, resamples=resamples, rng=np.random.default_rng(0))


def test_percentile_leaves_out_and_counts_undefined_resamples() -> None:
    values = np.r_[np.arange(101.0), np.nan, np.nan]
    assert intervals.percentile(values, level=0.5) == Percentiles(25.0, 75.0, 2)


def test_percentile_of_undefined_resamples_alone_is_nan() -> None:
    low, high, undefined = intervals.percentile([np.nan, np.nan])
    assert np.isnan([low, high]).all()
    assert undefined == 2


@pytest.mark.parametrize("values", [[], [[1.0]], 1.0])
def test_percentile_of_what_are_no_resamples_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="values: found shape"):
        intervals.percentile(values)


def test_percentile_intervals_of_a_mean_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(300):
        sample = rng.normal(size=60)
        weights = intervals.bootstrap_weights(np.arange(60), resamples=400, rng=rng)
        low, high, undefined = intervals.percentile(weights @ sample / 60)
        assert undefined == 0
        held.append(low <= 0 <= high)
    assert 0.90 <= np.mean(held) <= 0.98


def test_resampling_groups_holds_the_truth_where_resampling_examples_does_not() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    naive: list[bool] = []
    grouped: list[bool] = []
    for _ in range(200):
        sample = rng.normal(size=40)[groups] + rng.normal(size=200) / 2
        for held, units in ((naive, np.arange(200)), (grouped, groups)):
            weights = intervals.bootstrap_weights(units, resamples=200, rng=rng)
            low, high, _ = intervals.percentile(weights @ sample / weights.sum(1))
            held.append(low <= 0 <= high)
    assert np.mean(naive) < 0.8
    assert 0.88 <= np.mean(grouped) <= 0.98


def test_rare_positives_make_some_resamples_undefined_and_the_interval_says_how_many() -> None:
    positives, scores = np.arange(50) < 2, np.linspace(1, 0, 50)
    weights = intervals.bootstrap_weights(np.arange(50), resamples=2000, rng=np.random.default_rng(0))
    interval = intervals.percentile(ranking.average_precision(positives, scores, weights))
    assert interval.undefined == (weights[:, :2].sum(1) == 0).sum()
    assert interval.undefined / 2000 == pytest.approx(math.pow(1 - 2 / 50, 50), abs=0.03)
    assert (interval.low, interval.high) == (1, 1)
