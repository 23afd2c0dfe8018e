"""The prior ledger: closed forms, and gaussian classes whose posteriors are known."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy.special import softmax
from scipy.stats import norm

from counterpoise.calibration import calibrators, links
from counterpoise.calibration.prior_ledger import Line, factors, offset, seen
from counterpoise.imbalance import class_weights

Array = np.ndarray[Any, Any]

MEANS = np.array([-1.0, 0.5, 2.0])


def from_counts(counts: list[Any]) -> Array:
    """Return the prior of classes that exclude each other, whose counts sum to the total."""
    return links.find("softmax").prior_of_counts(counts, float(np.sum(counts)))


def posterior(x: Array, prior: Array) -> Array:
    """Return p(class | x) of three gaussians of unit variance by Bayes' rule."""
    joint = norm.pdf(x[:, None] - MEANS) * prior
    result: Array = joint / joint.sum(axis=1, keepdims=True)
    return result


def test_prior_of_counts_gives_a_class_without_images_half_an_image():
    np.testing.assert_allclose(from_counts([3, 0]), [6 / 7, 1 / 7])


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=10))
def test_prior_of_counts_gives_the_shares(counts):
    np.testing.assert_allclose(from_counts(counts), np.array(counts) / sum(counts))


@pytest.mark.parametrize("counts", [[], [0, 0], [-1, 2], [[1, 2]]])
def test_prior_of_counts_refuses_what_is_no_count(counts):
    with pytest.raises(ValueError, match="expected non-negative counts"):
        from_counts(counts)


def test_the_ledger_of_split_draws_and_weights_ends_at_the_prior_of_the_weighted_draws():
    natural, train, drawn = [2862, 138, 40], [1700, 80, 24], [1700, 850, 24]
    weights = class_weights.class_weights("square_root", drawn)
    ledger = [
        Line("split", "train", factors(natural, train, (sum(natural), sum(train)), task="multiclass")),
        Line("oversample.strategy", "over", factors(train, drawn, (sum(train), sum(drawn)), task="multiclass")),
        Line("weighting.scheme", "square_root", tuple(weights)),
    ]
    result = seen(from_counts(natural), ledger, task="multiclass")
    assert result is not None
    np.testing.assert_allclose(result, np.array(drawn) * weights / np.sum(drawn * weights))


def test_balanced_weights_make_every_drawn_class_equally_likely():
    weights = class_weights.class_weights("balanced", [90, 9, 1])
    result = seen(from_counts([90, 9, 1]), [Line("weighting.scheme", "balanced", tuple(weights))], task="multiclass")
    assert result is not None
    np.testing.assert_allclose(result, [1 / 3] * 3)


def test_an_empty_ledger_leaves_the_natural_prior():
    assert seen([0.9, 0.1], [], task="multiclass") == pytest.approx([0.9, 0.1])


def test_one_unknown_line_makes_the_whole_unknown():
    assert (
        seen([0.9, 0.1], [Line("split", "train", (1.0, 1.0)), Line("loss", "focal", None)], task="multiclass") is None
    )


@pytest.mark.parametrize("wrong", [(1.0,), (1.0, 0.0), (1.0, -2.0)])
def test_factors_that_are_too_few_or_not_positive_are_refused(wrong):
    with pytest.raises(ValueError, match=r"weighting.scheme: expected 2 positive factors"):
        seen([0.9, 0.1], [Line("weighting.scheme", "balanced", wrong)], task="multiclass")


def test_seen_leaves_its_argument_alone():
    natural = np.array([0.9, 0.1])
    seen(natural, [Line("split", "train", (1.0, 5.0))], task="multiclass")
    assert natural.tolist() == [0.9, 0.1]


@pytest.mark.parametrize("given_factors", [(0.5, 2.0), None])
def test_a_line_survives_json(given_factors):
    line = Line("weighting.scheme", "balanced", given_factors)
    assert TypeAdapter(Line).validate_json(json.dumps(asdict(line)), strict=True) == line


def test_the_offset_of_pos_weight_turns_p_into_wp_over_wp_plus_1_minus_p():
    # System D: weight 10.79 = negatives / positives, so that 0.5 of the weighted model means p = 1 / 11.79.
    w, p = 10.79, np.linspace(0.01, 0.99, 9)
    natural = from_counts([10.79, 1])
    weighted = seen(natural, [Line("weighting.scheme", "stated", (1.0, w))], task="multiclass")
    assert weighted is not None
    logits = np.log(np.stack([1 - p, p], axis=1)) + offset(natural, weighted, task="multiclass")
    np.testing.assert_allclose(softmax(logits, axis=1)[:, 1], w * p / (w * p + 1 - p))
    at_half = softmax(offset(weighted, natural, task="multiclass"))[1]
    assert at_half == pytest.approx(1 / (1 + w))


@given(st.lists(st.integers(1, 1000), min_size=3, max_size=3), st.lists(st.integers(1, 1000), min_size=3, max_size=3))
def test_going_there_and_back_is_no_offset_and_steps_add_up(one, other):
    a, b, flat = from_counts(one), from_counts(other), np.full(3, 1 / 3)
    np.testing.assert_allclose(offset(a, b, task="multiclass") + offset(b, a, task="multiclass"), 0, atol=1e-12)
    np.testing.assert_allclose(
        offset(a, flat, task="multiclass") + offset(flat, b, task="multiclass"),
        offset(a, b, task="multiclass"),
        atol=1e-12,
    )


def test_the_two_steps_give_the_exact_posterior_under_the_target():
    seen_prior, val, target = np.full(3, 1 / 3), np.array([0.6, 0.3, 0.1]), np.array([0.95, 0.04, 0.01])
    x = np.linspace(-4, 5, 50)
    logits = np.log(posterior(x, seen_prior)) + 7.0  # a constant is no matter to softmax
    step_1 = offset(seen_prior, val, task="multiclass")
    at_val = calibrators.apply(logits, np.ones(3), np.zeros(3), step_1, task="multiclass")
    np.testing.assert_allclose(at_val, posterior(x, val), rtol=1e-9)
    at_target = calibrators.apply(
        logits, np.ones(3), np.zeros(3), step_1 + offset(val, target, task="multiclass"), task="multiclass"
    )
    np.testing.assert_allclose(at_target, posterior(x, target), rtol=1e-9)


@pytest.mark.parametrize("wrong", [[0.5, 0.6], [1.0, 0.0], [1.5, -0.5], [np.nan, 0.5]])
def test_what_is_no_prior_is_refused(wrong):
    with pytest.raises(ValueError, match="prior 'before' must be positive and sum to 1"):
        offset(wrong, [0.5, 0.5], task="multiclass")
    with pytest.raises(ValueError, match="prior 'after' must be positive and sum to 1"):
        offset([0.5, 0.5], wrong, task="multiclass")
