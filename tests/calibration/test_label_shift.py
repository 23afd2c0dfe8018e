"""Shares of classes that only unlabelled predictions show: on gaussians whose truth is known."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import binom

from counterpoise.calibration import label_shift

Array = np.ndarray[Any, Any]

TWO = np.array([[0.0, 0.0], [1.6, 0.8]])
THREE = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])


def draw(means: Array, shares: Array, size: int, rng: np.random.Generator, moved: float = 0.0) -> tuple[Array, Array]:
    """Draw features and classes; `moved` shifts the first feature, whatever the class."""
    targets = rng.choice(len(means), size=size, p=shares)
    x = means[targets] + rng.normal(size=(size, 2))
    x[:, 0] += moved
    return x, targets


def posterior(x: Array, means: Array, shares: Array) -> Array:
    likelihood = -((x[:, None] - means) ** 2).sum(axis=2) / 2
    result: Array = np.exp(log_softmax(likelihood + np.log(shares), axis=1))
    return result


def confusion_inverted(unlabelled: Array, val: Array, targets: Array, shares: Array) -> Array:
    """Estimate shares as Lipton, Wang, Smola (2018) do: by the confusion of hard decisions on validation."""
    count = len(shares)
    table = np.zeros((count, count))
    np.add.at(table, (val.argmax(axis=1), targets), 1 / len(targets))
    ratios = np.linalg.solve(table, np.bincount(unlabelled.argmax(axis=1), minlength=count) / len(unlabelled))
    return ratios * np.bincount(targets, minlength=count) / len(targets)


@pytest.mark.parametrize(
    ("means", "here", "there"),
    [
        (TWO, [10 / 11, 1 / 11], [0.5, 0.5]),
        (TWO, [0.5, 0.5], [100 / 101, 1 / 101]),
        (TWO, [100 / 101, 1 / 101], [10 / 11, 1 / 11]),
        (THREE, [0.7, 0.2, 0.1], [0.1, 0.2, 0.7]),
    ],
)
def test_shares_are_found_and_an_independent_estimator_agrees(means, here, there):
    rng = np.random.default_rng(0)
    here, there = np.array(here), np.array(there)
    (x, targets), (elsewhere, _) = draw(means, here, 40_000, rng), draw(means, there, 40_000, rng)
    val, unlabelled = posterior(x, means, here), posterior(elsewhere, means, here)
    found = label_shift.estimate(unlabelled, here)
    assert found.converged
    np.testing.assert_allclose(found.prior, there, atol=0.012)
    np.testing.assert_allclose(found.prior, confusion_inverted(unlabelled, val, targets, here), atol=0.03)


def test_the_estimate_is_where_the_likelihood_is_largest():
    rng = np.random.default_rng(0)
    here = np.array([0.7, 0.2, 0.1])
    probs = posterior(draw(THREE, np.array([0.2, 0.3, 0.5]), 500, rng)[0], THREE, here)

    def likelihood(prior: Array) -> float:
        return float(np.log((probs / here) @ prior).sum())

    found = label_shift.estimate(probs, here).prior
    for _ in range(50):
        other = np.abs(found + rng.normal(scale=0.02, size=3))
        assert likelihood(other / other.sum()) <= likelihood(found)


def test_one_step_by_hand():
    # Ratios of 2 : 0.5 and 0.5 : 2 at even shares: posteriors 0.8, 0.2 of the first class, whose mean is 0.5.
    probs = np.array([[0.8, 0.2], [0.2, 0.8], [0.2, 0.8]])
    first = label_shift.estimate(probs, np.array([0.5, 0.5]), max_iterations=1)
    np.testing.assert_allclose(first.prior, [0.4, 0.6])
    assert (first.iterations, first.converged) == (1, False)


def test_a_class_that_is_not_there_keeps_half_an_image():
    probs = np.tile([0.999999, 0.000001], (50, 1))
    found = label_shift.estimate(probs, np.array([0.5, 0.5]))
    np.testing.assert_allclose(found.prior, [0.99, 0.01], rtol=0.02)
    with pytest.raises(ValueError, match="no images"):
        label_shift.estimate(np.zeros((0, 2)), np.array([0.5, 0.5]))


def test_separation_is_one_for_a_sure_model_and_zero_for_one_that_cannot_tell():
    targets, shares = np.array([0, 1, 2] * 5), np.array([0.6, 0.3, 0.1])
    assert label_shift.separation(np.eye(3)[targets], targets, shares) == pytest.approx(1)
    blind = np.tile(shares, (15, 1))
    assert label_shift.separation(blind, targets, shares) == pytest.approx(0, abs=1e-9)


def checks(
    means: Array, here: list[float], there: list[float], size: int, moved: float, times: int, n: int = 800
) -> tuple[list[label_shift.Check], Array]:
    found, inside = [], []
    for seed in range(times):
        rng = np.random.default_rng(seed)
        x, targets = draw(means, np.array(here), size, rng)
        elsewhere, _ = draw(means, np.array(there), n, rng, moved)
        val, unlabelled = posterior(x, means, np.array(here)), posterior(elsewhere, means, np.array(here))
        prior = label_shift.estimate(unlabelled, np.array(here)).prior
        one = label_shift.check(unlabelled, val, targets, np.arange(size).astype(str), np.array(here), prior)
        found.append(one)
        inside.append((one.low <= there) & (np.array(there) <= one.high))
    return found, np.array(inside)


SHIFTS = [
    pytest.param(TWO, [10 / 11, 1 / 11], [0.5, 0.5], 10_000, id="10 : 1 to 1 : 1"),
    pytest.param(TWO, [0.5, 0.5], [100 / 101, 1 / 101], 3000, id="1 : 1 to 100 : 1"),
    pytest.param(THREE, [0.7, 0.2, 0.1], [1 / 3, 1 / 3, 1 / 3], 6000, id="three classes"),
]
RUNS = 120


@pytest.mark.parametrize(("means", "here", "there", "size"), SHIFTS)
def test_under_moved_shares_intervals_cover_and_the_check_rejects_one_in_a_hundred(means, here, there, size):
    found, inside = checks(means, here, there, size, 0.0, RUNS)
    rejected = sum(one.p_value < 0.01 for one in found)
    assert rejected <= binom.ppf(0.999, RUNS, 0.01)
    for covered in inside.sum(axis=0):
        assert covered >= binom.ppf(0.001, RUNS, 0.95)
    assert inside.mean() < 1


@pytest.mark.slow
@pytest.mark.parametrize("size", [400, 2000])
def test_with_few_images_of_a_class_in_validation_the_check_keeps_its_level(size):
    found, inside = checks(TWO, [10 / 11, 1 / 11], [0.5, 0.5], size, 0.0, 1000)
    assert 0.0 <= np.mean([one.p_value < 0.01 for one in found]) < 0.02
    assert 0.02 < np.mean([one.p_value < 0.05 for one in found]) < 0.07
    assert inside.mean() > 0.94


@pytest.mark.parametrize("moved", [-0.8, 0.8])
@pytest.mark.parametrize(("means", "here", "there", "size"), SHIFTS)
def test_where_classes_look_otherwise_the_check_rejects(means, here, there, size, moved):
    found, _ = checks(means, here, there, size, moved, 20, n=2000)
    share = np.mean([one.p_value < 0.01 for one in found])
    assert share >= 0.8


def test_groups_count_as_one_image_each():
    rng = np.random.default_rng(0)
    here = np.array([0.5, 0.5])
    x, targets = draw(TWO, here, 400, rng)
    order = np.argsort(targets, kind="stable")
    val, targets = posterior(x[order], TWO, here), targets[order]
    unlabelled = posterior(draw(TWO, here, 400, rng)[0], TWO, here)
    prior = label_shift.estimate(unlabelled, here).prior
    alone, grouped = (
        label_shift.check(unlabelled, val, targets, (np.arange(400) // size).astype(str), here, prior)
        for size in (1, 8)
    )
    assert (grouped.high - grouped.low > alone.high - alone.low).all()


def test_a_small_shift_of_all_scores_is_noticed_mostly_and_weaker_positives_are_not():
    """As `benchmarks/label_shift.py`: 525 images of validation, 15 % positives; 3000 unlabelled ones, 5 %."""
    benchmark: Any = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/label_shift.py"))
    worlds = benchmark["WORLDS"]
    shifted, weaker = (benchmark["simulate"](worlds[name], 525, 60) for name in ("all scores +0.3", "positives 50 %"))
    assert shifted.refused > 0.5
    assert shifted.estimate > 0.15
    assert weaker.refused < 0.1
    assert weaker.estimate < 0.025
