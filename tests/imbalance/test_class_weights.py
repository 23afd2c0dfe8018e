"""Class weights against published numbers, scikit-learn, and their limits."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.utils.class_weight import compute_class_weight

from counterpoise.config import Weighting
from counterpoise.imbalance.class_weights import LABEL_SCHEMES, SCHEMES, class_weights, label_weights

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
    offered = Weighting.model_json_schema()["properties"]["scheme"]["enum"]
    assert sorted(offered) == sorted({*SCHEMES, *LABEL_SCHEMES})


SYSTEM_D = [8.48, 28.99, 16.95, 46.95]
"""Positive rates in per cent, from 1 / (1 + weight) of its published negatives / positives."""


def test_system_ds_published_weights_come_out():
    published = [10.79, 2.45, 4.90, 1.13]
    rates = 1 / (1 + np.array(published))
    counts = 224_000 * rates
    np.testing.assert_allclose(label_weights("negatives_over_positives", counts, 224_000), published, rtol=1e-12)
    np.testing.assert_allclose(100 * rates, SYSTEM_D, atol=0.005)
    np.testing.assert_allclose(label_weights("inverse_share", counts, 224_000), [11.95, 3.49, 5.97, 2.16], atol=0.011)


@pytest.mark.parametrize("scheme", LABEL_SCHEMES)
def test_a_label_that_is_never_drawn_or_always_has_weight_one(scheme):
    weights = label_weights(scheme, [0, 10, 40], 40)
    assert weights[[0, 2]].tolist() == [1, 1]
    assert np.isfinite(weights).all()


@given(st.floats(0.01, 0.99), st.floats(0.01, 100))
def test_a_weighted_optimum_is_undone_by_the_threshold_w_over_one_plus_w(p, w):
    seen = w * p / (w * p + 1 - p)
    minimum = minimize_scalar(
        lambda q: -w * p * np.log(q) - (1 - p) * np.log(1 - q),
        bounds=(1e-9, 1 - 1e-9),
        method="bounded",
        options={"xatol": 1e-9},
    ).x
    assert minimum == pytest.approx(seen, abs=1e-4)
    assert (seen >= w / (1 + w)) == (p >= 0.5) or abs(p - 0.5) < 1e-9


def test_wrong_schemes_and_counts_of_many_labels_are_refused():
    with pytest.raises(ValueError, match=r"'balanced'; expected one of .* for many labels"):
        label_weights("balanced", [1], 2)
    with pytest.raises(ValueError, match="must be between 0 and the number of samples"):
        label_weights("none", [3], 2)


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
