"""How often a tile is drawn: numbers by hand, LVIS's formula, and rounding without bias."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.sampling import REPEATING, STRATEGIES, repeats
from counterpoise.stages.oversample import Oversample

Array = np.ndarray[Any, Any]

SYSTEM_C = [100, 50, 20]


def targets_of(counts: Sequence[int]) -> Array:
    return np.repeat(np.arange(len(counts)), counts)


def draws(strategy: str, counts: Sequence[int], seed: int = 0, *, threshold: float = 0.1) -> Array:
    """Return the draws of each class."""
    targets = targets_of(counts)
    repeated = repeats(strategy, targets, len(counts), np.random.default_rng(seed), threshold=threshold)
    return np.bincount(targets, weights=repeated, minlength=len(counts))


def test_none_draws_every_tile_once():
    assert repeats("none", targets_of(SYSTEM_C), 3, np.random.default_rng(0)).tolist() == [1] * 170


def test_under_turns_100_50_20_into_20_20_20():
    assert draws("under", SYSTEM_C).tolist() == [20, 20, 20]


def test_under_draws_no_tile_twice():
    assert set(repeats("under", targets_of(SYSTEM_C), 3, np.random.default_rng(0)).tolist()) == {0, 1}


def test_over_draws_every_class_as_often_as_the_largest():
    assert draws("over", [100, 50, 30]).tolist() == [100, 100, 100]


def test_over_spreads_the_draws_evenly_over_the_tiles_of_a_class():
    repeated = repeats("over", targets_of([100, 30]), 2, np.random.default_rng(0))
    assert set(repeated[:100].tolist()) == {1}
    assert np.bincount(repeated[100:]).tolist() == [0, 0, 0, 20, 10]  # 20 * 3 + 10 * 4 = 100


def test_square_root_draws_the_geometric_mean_of_a_classs_size_and_the_largest():
    assert draws("square_root", [100, 25, 4]).tolist() == [100, 50, 20]


def test_square_root_is_off_by_less_than_one_where_the_mean_is_no_whole_number():
    expected = np.sqrt(np.array(SYSTEM_C) * 100)
    assert (np.abs(draws("square_root", SYSTEM_C) - expected) < 1).all()


def test_repeat_factor_follows_lvis():
    # r = max(1, sqrt(t / f)): shares 0.90, 0.09, 0.01 at t = 0.36 give 1, 2 and 6.
    repeated = repeats("repeat_factor", targets_of([900, 90, 10]), 3, np.random.default_rng(0), threshold=0.36)
    assert repeated.tolist() == [1] * 900 + [2] * 90 + [6] * 10


def test_repeat_factor_repeats_no_class_above_the_threshold():
    assert draws("repeat_factor", SYSTEM_C, threshold=0.1).tolist() == SYSTEM_C


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(
    counts=st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(any),
    seed=st.integers(0, 2**32),
    threshold=st.floats(0.001, 1),
)
def test_draws_are_off_by_less_than_one_from_what_the_strategy_wants(strategy, counts, seed, threshold):
    n = np.array(counts, dtype=float)
    shares = np.where(n > 0, n, 1) / n.sum()
    wanted = {
        "none": n,
        "over": np.where(n > 0, n.max(), 0),
        "under": np.where(n > 0, n[n > 0].min(), 0),
        "square_root": np.sqrt(n * n.max()),
        "repeat_factor": n * np.maximum(1, np.sqrt(threshold / shares)),
    }[strategy]
    drawn = draws(strategy, counts, seed, threshold=threshold)
    if strategy == "repeat_factor":
        assert abs(drawn.sum() - wanted.sum()) < 1 + 1e-6
    else:
        assert (np.abs(drawn - wanted) < 1 + 1e-6).all()
    if strategy in ("over", "under"):
        assert drawn.tolist() == wanted.tolist()
    repeated = repeats(strategy, targets_of(counts), len(counts), np.random.default_rng(seed), threshold=threshold)
    for index in np.unique(targets_of(counts)):
        own = repeated[targets_of(counts) == index]
        assert own.max() - own.min() <= 1


@pytest.mark.parametrize(
    ("strategy", "expected"), [("over", [1, 2.5]), ("under", [0.4, 1]), ("repeat_factor", [1, np.sqrt(0.5 * 14 / 4)])]
)
def test_rounding_favours_no_tile(strategy, expected):
    targets, rounds = targets_of([10, 4]), 4000
    rng = np.random.default_rng(1)
    mean = np.mean([repeats(strategy, targets, 2, rng, threshold=0.5) for _ in range(rounds)], axis=0)
    np.testing.assert_allclose(mean, np.array(expected)[targets], atol=4.5 * 0.5 / np.sqrt(rounds))


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "none"])
def test_on_skewed_counts_every_strategy_differs_from_none(strategy):
    assert draws(strategy, [90, 10], threshold=0.4).tolist() != [90, 10]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_repeating_names_the_strategies_that_draw_a_tile_twice(strategy):
    repeated = repeats(strategy, targets_of([90, 10]), 2, np.random.default_rng(0), threshold=0.5)
    assert (repeated.max() > 1) == (strategy in REPEATING)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_class_without_tiles_stays_without_draws(strategy):
    assert draws(strategy, [20, 0, 5])[1] == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equal_classes_are_drawn_as_they_are(strategy):
    assert draws(strategy, [12, 12], threshold=0.5).tolist() == [12, 12]


def test_the_parameter_offers_exactly_the_strategies_there_are():
    assert Oversample.model_json_schema()["properties"]["strategy"]["enum"] == list(STRATEGIES)


def test_an_unknown_strategy_and_an_empty_set_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"oversample.strategy is 'smote'; expected one of \['none', 'over'"):
        repeats("smote", targets_of([2, 1]), 2, rng)
    with pytest.raises(ValueError, match="no tiles to draw from"):
        repeats("over", np.array([], dtype=np.int64), 2, rng)
