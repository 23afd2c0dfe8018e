"""Calibrators on classes whose posteriors are known, and against scikit-learn."""

from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from counterpoise.calibration import calibrators, prior_ledger
from counterpoise.calibration.calibrators import sigmoid, softmax

Array = np.ndarray[Any, Any]

MEANS = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
SEEN = np.array([0.2, 0.3, 0.5])


def sample(prior: Array, size: int, seed: int = 0) -> tuple[Array, Array]:
    """Draw from three gaussians; the logits are exact log-posteriors under the prior `SEEN`."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(3, size=size, p=prior)
    x = MEANS[targets] + rng.normal(size=(size, 2))
    likelihood = -((x[:, None] - MEANS) ** 2).sum(axis=2) / 2
    return log_softmax(likelihood + np.log(SEEN), axis=1), targets


def straight(fitted: calibrators.Fit) -> tuple[Array, Array]:
    """Return scale and bias of a calibrator that has no curves."""
    assert not fitted.knots
    return fitted.scale, fitted.bias


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_temperature_recovers_a_known_one_with_the_offset_in_place(temperature):
    val = np.array([0.9, 0.08, 0.02])
    logits, targets = sample(val, 20_000)
    scale, bias = straight(
        softmax.fit("temperature", temperature * logits, targets, prior_ledger.offset(SEEN, val, task="multiclass"))
    )
    np.testing.assert_allclose(1 / scale, temperature, rtol=0.05)
    assert len(set(scale.tolist())) == 1
    assert bias.tolist() == [0, 0, 0]


def test_temperature_without_the_offset_finds_another_one():
    val = np.array([0.9, 0.08, 0.02])
    logits, targets = sample(val, 20_000)
    scale = softmax.fit("temperature", logits, targets, np.zeros(3)).scale
    assert abs(scale[0] - 1) > 0.2


def test_temperature_minimises_scikit_learns_log_loss():
    logits, targets = sample(SEEN, 500)
    logits = 3 * logits

    def loss(scale: float) -> float:
        return float(
            log_loss(targets, calibrators.apply(logits, np.full(3, scale), np.zeros(3), np.zeros(3), task="multiclass"))
        )

    best = softmax.fit("temperature", logits, targets, np.zeros(3)).scale[0]
    assert loss(best) <= min(loss(scale) for scale in best * np.array([0.5, 0.9, 0.99, 1.01, 1.1, 2]))


def test_a_perfectly_separated_validation_keeps_the_temperature_in_its_range():
    logits, targets = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1])
    scale = softmax.fit("temperature", logits, targets, np.zeros(2)).scale
    assert 0.05 <= 1 / scale[0] < 0.06


def test_vector_recovers_scale_and_bias_up_to_the_constant_that_softmax_ignores():
    logits, targets = sample(SEEN, 20_000)
    true_bias = np.array([1.0, -2.0, 0.5])
    scale, bias = straight(softmax.fit("vector", (logits - true_bias) * 2, targets, np.zeros(3)))
    np.testing.assert_allclose(scale, 0.5, rtol=0.1)
    np.testing.assert_allclose(bias - bias[2], true_bias - true_bias[2], atol=0.1)


def test_vector_learns_the_prior_of_validation_by_itself():
    val = np.array([0.9, 0.08, 0.02])
    logits, targets = sample(val, 20_000)
    scale, bias = straight(softmax.fit("vector", logits, targets, np.zeros(3)))
    # The rarest class has 400 images, and its scale is fitted with its bias: 0.25 is about two standard errors.
    np.testing.assert_allclose(
        bias - bias[0],
        prior_ledger.offset(SEEN, val, task="multiclass") - prior_ledger.offset(SEEN, val, task="multiclass")[0],
        atol=0.25,
    )
    mean = calibrators.apply(logits, scale, bias, np.zeros(3), task="multiclass").mean(axis=0)
    np.testing.assert_allclose(mean, np.bincount(targets) / len(targets), atol=1e-3)


def test_vector_on_two_classes_is_platt_scaling():
    rng = np.random.default_rng(0)
    targets = (rng.random(5000) < 0.2).astype(np.int64)
    z = 3 * (rng.normal(size=5000) + 1.5 * targets)
    logits = np.stack([np.zeros(5000), z], axis=1)
    scale, bias = straight(softmax.fit("vector", logits, targets, np.zeros(2)))
    oracle = LogisticRegression(C=1e6).fit(z[:, None], targets)
    assert scale[1] == pytest.approx(oracle.coef_[0, 0], rel=0.02)
    assert bias[1] - bias[0] == pytest.approx(oracle.intercept_[0], abs=0.02)


@pytest.mark.parametrize("stretch", [0.5, 3.0, 30.0])
def test_vector_fits_overconfident_logits_as_well_as_right_ones(stretch):
    logits, targets = sample(np.array([0.9, 0.08, 0.02]), 2000)
    scale, bias = straight(softmax.fit("vector", stretch * logits, targets, np.zeros(3)))
    fitted = log_loss(targets, calibrators.apply(stretch * logits, scale, bias, np.zeros(3), task="multiclass"))
    unit_scale, unit_bias = straight(softmax.fit("vector", logits, targets, np.zeros(3)))
    assert fitted == pytest.approx(
        log_loss(targets, calibrators.apply(logits, unit_scale, unit_bias, np.zeros(3), task="multiclass")), abs=2e-3
    )


def test_vector_stays_finite_where_a_class_is_absent_or_perfectly_separated():
    separated = np.array([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0]] * 5), np.array([0, 1] * 5)
    for fitted in straight(softmax.fit("vector", *separated, np.zeros(3))):
        assert np.isfinite(fitted).all()
        assert np.abs(fitted).max() < 20


def test_none_changes_nothing_and_apply_adds_the_offset():
    logits, targets = sample(SEEN, 10)
    scale, bias = straight(softmax.fit("none", logits, targets, np.ones(3)))
    assert (scale.tolist(), bias.tolist()) == ([1, 1, 1], [0, 0, 0])
    np.testing.assert_allclose(calibrators.apply(logits, scale, bias, np.zeros(3), task="multiclass"), np.exp(logits))
    np.testing.assert_allclose(
        calibrators.apply(np.zeros((1, 2)), np.ones(2), np.zeros(2), np.log([9, 1]), task="multiclass"), [[0.9, 0.1]]
    )


def test_huge_logits_give_probabilities_and_no_overflow():
    probs = calibrators.apply(np.array([[1e4, -1e4]]), np.ones(2), np.zeros(2), np.zeros(2), task="multiclass")
    assert probs.tolist() == [[1, 0]]


def test_a_calibrator_with_a_bias_refuses_an_offset():
    logits, targets = sample(SEEN, 10)
    with pytest.raises(ValueError, match="an offset would correct it twice"):
        softmax.fit("vector", logits, targets, np.array([0.0, 0.0, 1.0]))
    with pytest.raises(ValueError, match="an offset would correct it twice"):
        sigmoid.fit("platt", logits, targets[:, None] == np.arange(3), np.array([0.0, 0.0, 1.0]))


def labels(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Draw three labels of rate 0.5, 0.2 and 0.004; the logits are their exact log-odds, under odds 1 : 1."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < np.array([0.5, 0.2, 0.004])
    scores = rng.normal(size=(n, 3)) + 2 * truth
    return 2 * scores - 2, truth


def test_each_label_has_its_own_temperature_and_a_rare_one_that_of_all():
    logits, truth = labels(4000)
    offset = np.log(np.array([0.5, 0.2, 0.004]) / np.array([0.5, 0.8, 0.996]))
    fit = sigmoid.fit("temperature", logits * [3.0, 0.5, 1.0], truth, offset, min_positives=50)
    np.testing.assert_allclose(1 / fit.scale[:2], [3.0, 0.5], rtol=0.15)
    assert fit.pooled.tolist() == [False, False, True]
    assert 1 / fit.scale[:2].max() < 1 / fit.scale[2] < 1 / fit.scale[:2].min()
    assert not fit.bias.any()


def test_platt_of_a_label_is_scikit_learns_logistic_regression():
    logits, truth = labels(4000)
    fit = sigmoid.fit("platt", logits, truth, np.zeros(3))
    for k in range(2):
        oracle = LogisticRegression(C=np.inf).fit(logits[:, [k]], truth[:, k])
        np.testing.assert_allclose(fit.scale[k], oracle.coef_[0, 0], rtol=0.01)
        np.testing.assert_allclose(fit.bias[k], oracle.intercept_[0], rtol=0.01, atol=0.01)


def test_platt_finds_the_rate_of_a_rare_label_though_its_scale_is_that_of_all():
    logits, truth = labels(4000)
    fit = sigmoid.fit("platt", logits, truth, np.zeros(3), min_positives=50)
    assert fit.pooled.tolist() == [False, False, True]
    probs = calibrators.apply(logits, fit.scale, fit.bias, np.zeros(3), task="multilabel")
    np.testing.assert_allclose(probs.mean(axis=0), truth.mean(axis=0), atol=0.002)


@pytest.mark.parametrize("name", ["temperature", "platt"])
def test_a_label_that_no_image_bears_and_one_that_all_bear_stay_finite(name):
    logits, truth = labels(50)
    truth[:, 0], truth[:, 1] = True, False
    fit = sigmoid.fit(name, logits, truth, np.zeros(3), min_positives=1)
    assert np.isfinite(fit.scale).all()
    assert np.isfinite(fit.bias).all()
    assert fit.pooled[:2].all()


def test_a_calibrator_of_one_class_is_none_of_many_labels():
    with pytest.raises(
        ValueError, match=r"'vector'; expected one of \['none', 'temperature', 'platt', 'isotonic'\] for many labels"
    ):
        sigmoid.fit("vector", np.zeros((1, 2)), np.zeros((1, 2), dtype=bool), np.zeros(2))
    with pytest.raises(ValueError, match="at least one validation image"):
        sigmoid.fit("platt", np.zeros((0, 2)), np.zeros((0, 2), dtype=bool), np.zeros(2))


def test_an_unknown_calibrator_and_an_empty_validation_are_refused():
    with pytest.raises(ValueError, match=r"decide.calibrator is 'plat'; expected one of \['none'"):
        softmax.fit("plat", np.zeros((1, 2)), np.array([0]), np.zeros(2))
    with pytest.raises(ValueError, match="at least one validation image"):
        softmax.fit("none", np.zeros((0, 2)), np.array([], dtype=np.int64), np.zeros(2))


class Scorer(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A trained classifier, to scikit-learn: its decision function is each class's log-odds against the rest."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.classes_ = np.arange(count)

    def fit(self, x: Array, y: Array) -> "Scorer":
        return self

    def predict(self, x: Array) -> Array:
        result: Array = x.argmax(axis=1)
        return result

    def decision_function(self, x: Array) -> Array:
        odds = calibrators.against_the_rest(x)
        return odds[:, 1] if self.count == 2 else odds


def scikit_learns(method: str, logits: Array, targets: Array, fresh: Array) -> Array:
    count = logits.shape[1]
    model = CalibratedClassifierCV(FrozenEstimator(Scorer(count)), method=method, ensemble=False)
    result: Array = model.fit(logits, targets).predict_proba(fresh)
    return result


def of_classes(count: int, val: Array, size: int, seed: int) -> tuple[Array, Array]:
    logits, targets = sample(val, size, seed)
    if count == 3:
        return 2 * logits, targets
    return 2 * logits[:, :2], np.minimum(targets, 1)


def applied(name: str, fitted: calibrators.Fit, logits: Array, offset: Array | float = 0.0) -> Array:
    rest = name in softmax.ONE_VS_REST
    count = logits.shape[1]
    return calibrators.apply(
        logits,
        fitted.scale,
        fitted.bias,
        offset + np.zeros(count),
        knots=fitted.knots,
        one_vs_rest=rest,
        task="multiclass",
    )


@pytest.mark.parametrize("val", [[0.4, 0.3, 0.3], [0.9, 0.08, 0.02]], ids=["even", "skewed"])
@pytest.mark.parametrize("count", [2, 3])
def test_platt_is_scikit_learns_calibrated_classifier(count, val):
    logits, targets = of_classes(count, np.array(val), 3000, 0)
    fresh, _ = of_classes(count, np.array(val), 2000, 1)
    ours = applied("platt", softmax.fit("platt", logits, targets, np.zeros(count)), fresh)
    np.testing.assert_allclose(ours, scikit_learns("sigmoid", logits, targets, fresh), atol=1e-5)


@pytest.mark.parametrize("val", [[0.4, 0.3, 0.3], [0.9, 0.08, 0.02]], ids=["even", "skewed"])
@pytest.mark.parametrize("count", [2, 3])
def test_isotonic_is_scikit_learns_calibrated_classifier_but_for_its_ends(count, val):
    logits, targets = of_classes(count, np.array(val), 3000, 0)
    fresh, _ = of_classes(count, np.array(val), 2000, 1)
    fitted = softmax.fit("isotonic", logits, targets, np.zeros(count))
    odds = calibrators.against_the_rest(fresh)
    own = np.stack([np.interp(odds[:, k], *fitted.knots[k]) for k in range(count)], axis=1)
    steps = [np.unique(values) for _, values in fitted.knots]  # between an end and the next step the end shows too
    inside = ((own >= [values[1] for values in steps]) & (own <= [values[-2] for values in steps])).all(axis=1)
    assert inside.sum() > 200
    ours, oracle = applied("isotonic", fitted, fresh), scikit_learns("isotonic", logits, targets, fresh)
    np.testing.assert_allclose(ours[inside], oracle[inside], atol=1e-5)
    assert np.abs(ours - oracle).max() < 0.05
    assert ((ours > 0) & (ours < 1)).all()


def test_the_ends_of_isotonic_are_those_of_platts_targets():
    # Six images of another class, three of this one, perfectly apart.
    odds = np.arange(9.0)
    logits, targets = np.stack([np.zeros(9), odds], axis=1), (odds >= 6).astype(np.int64)
    fitted = softmax.fit("isotonic", logits, targets, np.zeros(2))
    probs = applied("isotonic", fitted, logits)[:, 1]
    np.testing.assert_allclose(probs, [1 / 8] * 6 + [4 / 5] * 3)


@pytest.mark.parametrize("name", ["platt", "isotonic"])
def test_of_two_classes_neither_is_preferred(name):
    logits, targets = of_classes(2, np.array([0.9, 0.05, 0.05]), 500, 0)
    fitted = softmax.fit(name, logits, targets, np.zeros(2))
    swapped = softmax.fit(name, logits[:, ::-1], 1 - targets, np.zeros(2))
    np.testing.assert_allclose(
        applied(name, fitted, logits), applied(name, swapped, logits[:, ::-1])[:, ::-1], atol=1e-6
    )
    own = calibrators.apply(
        calibrators.against_the_rest(logits),
        fitted.scale,
        fitted.bias,
        np.zeros(2),
        task="multilabel",
        knots=fitted.knots,
    )
    np.testing.assert_allclose(own.sum(axis=1), 1, atol=1e-6)  # nothing is left to normalise


@pytest.mark.parametrize("name", ["platt", "isotonic"])
def test_a_class_that_validation_lacks_stays_possible_and_an_offset_moves_it(name):
    logits, targets = sample(SEEN, 300)
    targets[targets == 2] = 1
    fitted = softmax.fit(name, logits, targets, np.zeros(3))
    probs = applied(name, fitted, logits)
    assert (probs[:, 2] > 0).all()
    assert probs[:, 2].max() < 0.03
    moved = applied(name, fitted, logits, np.array([0.0, 0.0, 3.0]))
    expected = probs * np.exp([0, 0, 3])
    np.testing.assert_allclose(moved, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)


def test_log_odds_against_the_rest_are_those_of_softmax_and_keep_their_digits_far_out():
    logits, _ = sample(SEEN, 200)
    probs = np.exp(log_softmax(logits, axis=1))
    np.testing.assert_allclose(calibrators.against_the_rest(logits), np.log(probs / (1 - probs)), rtol=1e-9)
    np.testing.assert_allclose(calibrators.against_the_rest(np.array([[90.0, 0, 0]]))[0, 0], 90 - np.log(2))
    assert calibrators.against_the_rest(np.array([[1e4, 0.0]])).tolist() == [[1e4, -1e4]]


def test_isotonic_of_a_label_is_scikit_learns_and_a_rare_one_keeps_the_shared_line():
    logits, truth = labels(4000)
    fit = sigmoid.fit("isotonic", logits, truth, np.zeros(3), min_positives=50)
    shared = sigmoid.fit("platt", logits, truth, np.zeros(3), min_positives=10_000)
    probs = calibrators.apply(logits, fit.scale, fit.bias, np.zeros(3), task="multilabel", knots=fit.knots)
    for k in range(2):
        positives = truth[:, k].sum()
        oracle = IsotonicRegression(out_of_bounds="clip").fit(logits[:, k], truth[:, k]).predict(logits[:, k])
        np.testing.assert_allclose(
            probs[:, k], np.clip(oracle, 1 / (4002 - positives), 1 - 1 / (positives + 2)), atol=1e-9
        )
    assert fit.pooled.tolist() == [False, False, True]
    assert fit.knots[2] == sigmoid.STRAIGHT
    assert (fit.scale[2], fit.bias[2]) == (shared.scale[2], shared.bias[2])


@pytest.mark.parametrize("name", [name for name in softmax.CALIBRATORS if name in calibrators.WITH_BIAS])
def test_every_calibrator_with_a_bias_refuses_an_offset_and_learns_the_prior(name):
    val = np.array([0.9, 0.08, 0.02])
    logits, targets = sample(val, 20_000)
    with pytest.raises(ValueError, match="would correct it twice"):
        softmax.fit(name, logits, targets, np.array([0.0, 0.0, 1.0]))
    fitted = softmax.fit(name, logits, targets, np.zeros(3))
    # One class against the rest is exact class by class, and after normalising nearly so.
    np.testing.assert_allclose(applied(name, fitted, logits).mean(axis=0), val, atol=0.006)
    two = softmax.fit(name, logits[:, :2], np.minimum(targets, 1), np.zeros(2))
    np.testing.assert_allclose(applied(name, two, logits[:, :2])[:, 1].mean(), (targets > 0).mean(), atol=5e-4)
