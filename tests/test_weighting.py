"""Class weights against published numbers, scikit-learn, and their limits."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from counterpoise.config import Weighting
from counterpoise.weighting import SCHEMES, class_weights

PUBLISHED = [0.5281, 0.8411, 0.9619, 0.8634, 0.8477, 0.9577]
"""Weights of system C, each one minus the share of its class."""
SYSTEM_C = [781, 263, 63, 226, 252, 70]
"""The smallest counts that have those shares to four digits."""


def test_system_cs_published_weights_come_out_up_to_one_factor():
    weights = class_weights("one_minus_share", SYSTEM_C)
    shares = np.array(SYSTEM_C) / sum(SYSTEM_C)
    factor = 1 / (shares * (1 - shares)).sum()
    np.testing.assert_allclose(weights / factor, PUBLISHED, atol=5e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(counts=st.lists(st.integers(0, 100_000), min_size=2, max_size=12), beta=st.floats(0, 0.9999))
def test_every_scheme_averages_one_over_the_drawn_examples(scheme, counts, beta):
    assume(sum(count > 0 for count in counts) >= 2)
    weights = class_weights(scheme, counts, beta=beta)
    assert np.average(weights, weights=counts) == pytest.approx(1, rel=1e-9)
    assert (weights[np.array(counts) > 0] > 0).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@given(counts=st.lists(st.integers(1, 10_000), min_size=2, max_size=12), beta=st.floats(0, 0.9999))
def test_no_scheme_gives_a_rarer_class_less_weight(scheme, counts, beta):
    weights = class_weights(scheme, sorted(counts, reverse=True), beta=beta)
    assert (np.diff(weights) >= -1e-9 * weights.max()).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_equal_counts_give_weights_of_one(scheme):
    np.testing.assert_allclose(class_weights(scheme, [7, 7, 7]), [1, 1, 1])


@pytest.mark.parametrize("counts", [[30, 10], [100, 50, 20], SYSTEM_C])
def test_balanced_equals_scikit_learn(counts):
    targets = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=targets)
    np.testing.assert_allclose(class_weights("balanced", counts), expected)


def test_square_root_weights_are_in_the_ratio_of_the_roots():
    weights = class_weights("square_root", [100, 25, 4])
    np.testing.assert_allclose(weights / weights[0], [1, 2, 5])


def test_effective_number_is_none_at_beta_zero_and_balanced_as_beta_goes_to_one():
    np.testing.assert_allclose(class_weights("effective_number", [100, 50, 20], beta=0), [1, 1, 1])
    limit = class_weights("effective_number", [100, 50, 20], beta=1 - 1e-7)
    np.testing.assert_allclose(limit, class_weights("balanced", [100, 50, 20]), rtol=1e-5)


def test_effective_number_has_the_form_that_cui_et_al_published():
    counts, beta = np.array([500.0, 50.0, 5.0]), 0.99
    theirs = (1 - beta) / (1 - beta**counts)
    theirs *= len(counts) / theirs.sum()
    ours = class_weights("effective_number", counts, beta=beta)
    np.testing.assert_allclose(ours * len(counts) / ours.sum(), theirs)
    assert (1 - beta**5) / (1 - beta) == pytest.approx(4.90099501)  # E_5 = 1 + b + b^2 + b^3 + b^4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_class_that_is_never_drawn_gets_no_weight_and_changes_no_other(scheme):
    weights = class_weights(scheme, [30, 0, 10])
    assert weights[1] == 0
    np.testing.assert_allclose(weights[[0, 2]], class_weights(scheme, [30, 10]))


def test_the_parameter_offers_exactly_the_schemes_there_are():
    assert Weighting.model_json_schema()["properties"]["scheme"]["enum"] == list(SCHEMES)


@pytest.mark.parametrize(
    ("scheme", "counts", "beta", "message"),
    [
        ("balance", [1, 2], 0.9, r"weighting.scheme is 'balance'; expected one of \['none', 'balanced'"),
        ("effective_number", [1, 2], 1.0, r"weighting.beta is 1.0; expected a number in \[0, 1\)"),
        ("effective_number", [1, 2], -0.1, "weighting.beta is -0.1"),
        ("none", [0, 0], 0.9, "at least one drawn example"),
        ("one_minus_share", [5, 0], 0.9, "gives no class a weight"),
    ],
)
def test_what_makes_no_weights_is_refused(scheme, counts, beta, message):
    with pytest.raises(ValueError, match=message):
        class_weights(scheme, counts, beta=beta)
