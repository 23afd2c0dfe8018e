"""From logits to decisions: which calibrator, which offset, and whether the probabilities hold."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from counterpoise import calibration, config, decisions, priors, storage, weighting
from counterpoise.artifacts import decision, model, predictions, prior
from counterpoise.metrics import expected_calibration_error
from counterpoise.stages import decide

Array = np.ndarray[Any, Any]

CLASSES = ("plain", "solar")
MEANS = np.array([[0.0, 0.0], [1.6, 0.8]])
UNKNOWN = (priors.Line("loss", "focal", None),)


def params(
    calibrator: str = "auto",
    target: str | dict[str, float] = "natural",
    rule: str = "balanced",
    costs: dict[str, dict[str, float]] | None = None,
) -> decide.Decide:
    block = {"calibrator": calibrator, "target": target, "rule": rule, "costs": costs or {}}
    return decide.Decide.model_validate(block)


def sample(counts: tuple[int, int], seed: int) -> tuple[Array, Array]:
    """Draw gaussian features with these counts."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(len(counts)), counts)
    return MEANS[targets] + rng.normal(size=(len(targets), 2)), targets


def log_posterior(x: Array, shares: ArrayLike) -> Array:
    likelihood = -((x[:, None] - MEANS) ** 2).sum(axis=2) / 2
    result: Array = log_softmax(likelihood + np.log(shares), axis=1)
    return result


def predictions_of(logits: Array, targets: Array, classes: tuple[str, ...] = CLASSES) -> predictions.Predictions:
    ids = tuple(f"image{row:05d}" for row in range(len(targets)))
    return predictions.Predictions(
        ids, ids, tuple(classes[index] for index in targets), classes, np.asarray(logits, dtype=np.float32)
    )


def small(counts: tuple[int, int] = (30, 10), seed: int = 0) -> predictions.Predictions:
    x, targets = sample(counts, seed)
    return predictions_of(log_posterior(x, [0.75, 0.25]), targets)


def probabilities(chosen: decision.Decision, logits: Array, *, under: str = "target") -> Array:
    """Compute what decision.json says, step 1 alone for `val`, both steps for `target`."""
    offset = np.array(chosen.val_offset) + (np.array(chosen.target_offset) if under == "target" else 0)
    return calibration.apply(logits, np.array(chosen.scale), np.array(chosen.bias), offset)


def test_a_known_ledger_takes_temperature_with_the_offset():
    ledger = (priors.Line("weighting.scheme", "balanced", (2 / 3, 2.0)),)
    chosen = decide.choose(small(), (300, 100), ledger, params())
    assert chosen.calibrator == "temperature"
    assert chosen.seen == pytest.approx((0.5, 0.5))
    assert chosen.val_offset == pytest.approx(np.log([1.5, 0.5]))
    assert chosen.target_offset == pytest.approx((0, 0), abs=1e-12)
    assert chosen.bias == (0, 0)
    assert chosen.val_images == (30, 10)


def test_an_unknown_ledger_takes_vector_without_an_offset():
    chosen = decide.choose(small(), (300, 100), UNKNOWN, params())
    assert (chosen.calibrator, chosen.seen, chosen.val_offset) == ("vector", None, (0, 0))


@pytest.mark.parametrize("calibrator", ["none", "temperature"])
def test_an_unknown_ledger_refuses_a_calibrator_without_a_bias(calibrator):
    message = rf"decide.calibrator is '{calibrator}', but what loss = focal does to the prior has no closed form; set"
    with pytest.raises(config.InputError, match=message):
        decide.choose(small(), (300, 100), UNKNOWN, params(calibrator))


def test_correcting_twice_is_impossible_since_vector_swallows_the_prior():
    x, targets = sample((4000, 400), seed=1)
    ledger = (priors.Line("weighting.scheme", "balanced", (0.55, 5.5)),)
    logits = log_posterior(x, [0.5, 0.5])
    chosen = decide.choose(predictions_of(logits, targets), (4000, 400), ledger, params("vector"))
    assert chosen.val_offset == (0, 0)
    assert probabilities(chosen, logits)[:, 1].mean() == pytest.approx(400 / 4400, rel=0.02)
    once = decide.choose(predictions_of(logits, targets), (4000, 400), ledger, params("temperature"))
    np.testing.assert_allclose(probabilities(chosen, logits), probabilities(once, logits), atol=0.05)


def error_of_solar(probs: Array, targets: Array) -> float:
    """Return the calibration error of the rare class's own probability.

    The error of the top label is blind to what weights do: at 10 : 1 a model that finds three times too many solar
    roofs errs by 0.01, since within a bin its roofs too many and its plain ones too sure cancel.
    """
    bins = np.minimum((probs[:, 1] * 15).astype(int), 14)
    return float(np.abs(np.bincount(bins, weights=(targets == 1) - probs[:, 1])).sum()) / len(targets)


@pytest.mark.parametrize("calibrator", ["none", "temperature", "vector"])
@pytest.mark.parametrize("natural", [(5000, 5000), (10_000, 1000), (20_000, 200)])
def test_after_the_correction_a_reweighted_model_is_calibrated(natural, calibrator):
    # A logistic regression with balanced class weights is right for gaussians of equal covariance, under 1 : 1.
    x, targets = sample(natural, seed=2)
    weights = weighting.class_weights("balanced", natural)
    network = LogisticRegression(C=1e6, class_weight=dict(enumerate(weights))).fit(x, targets)

    def logits(features: Array) -> Array:
        return np.stack([np.zeros(len(features)), network.decision_function(features)], axis=1)

    ledger = (priors.Line("weighting.scheme", "balanced", tuple(weights)),)
    val_x, val_targets = sample(natural, seed=3)
    chosen = decide.choose(predictions_of(logits(val_x), val_targets), natural, ledger, params(calibrator))
    test_x, test_targets = sample(natural, seed=4)
    shares = np.array(natural) / sum(natural)
    exact = np.exp(log_posterior(test_x, shares))
    ours, raw = probabilities(chosen, logits(test_x)), softmax(logits(test_x), axis=1)
    noise = expected_calibration_error(exact, test_targets)
    assert expected_calibration_error(ours, test_targets) < noise + 0.01
    assert error_of_solar(ours, test_targets) < error_of_solar(exact, test_targets) + 0.01
    if natural != (5000, 5000):
        assert error_of_solar(raw, test_targets) > 0.1


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_both_steps_give_the_exact_posterior_of_deployment(sharpness):
    # Train seen at 1 : 1, validation at 1 : 1 by balance, deployment at 4.6 %: system A.
    natural = (2862, 138)
    x, targets = sample((8000, 8000), seed=5)
    ledger = (priors.Line("split", "train", (3000 / 2862 / 2, 3000 / 138 / 2)),)
    logits = sharpness * log_posterior(x, [0.5, 0.5])
    chosen = decide.choose(predictions_of(logits, targets), natural, ledger, params())
    assert 1 / chosen.scale[0] == pytest.approx(sharpness, rel=0.06)
    assert chosen.target == pytest.approx((0.954, 0.046))
    np.testing.assert_allclose(
        probabilities(chosen, logits), np.exp(log_posterior(x, np.array(natural) / 3000)), atol=0.02
    )
    np.testing.assert_allclose(
        probabilities(chosen, logits, under="val"), np.exp(log_posterior(x, [0.5, 0.5])), atol=0.02
    )


def test_a_stated_target_replaces_the_natural_prior():
    chosen = decide.choose(small(), (300, 100), (), params(target={"solar": 0.01, "plain": 0.99}))
    assert chosen.target == (0.99, 0.01)
    assert chosen.natural == (0.75, 0.25)
    assert chosen.target_offset == pytest.approx(np.log([0.99 / 0.75, 0.01 / 0.25]))
    np.testing.assert_allclose(chosen.gain, np.diag([1 / 0.99, 100]))


def test_the_balanced_rule_decides_the_same_whatever_the_target():
    x, targets = sample((3000, 300), seed=6)
    logits = log_posterior(x, [10 / 11, 1 / 11])
    decided = []
    for share in (0.001, 0.1, 0.5):
        chosen = decide.choose(
            predictions_of(logits, targets), (3000, 300), (), params(target={"plain": 1 - share, "solar": share})
        )
        decided.append(decisions.decide(probabilities(chosen, logits), np.array(chosen.gain)))
    assert all((one == other).mean() > 0.999 for one, other in pairwise(decided))
    raw = balanced_accuracy_score(targets, logits.argmax(axis=1))
    assert balanced_accuracy_score(targets, decided[0]) > raw + 0.1


def test_plain_cross_entropy_with_the_balanced_rule_decides_like_a_balanced_model():
    x, targets = sample((10_000, 500), seed=7)
    natural, flat = log_posterior(x, [20 / 21, 1 / 21]), log_posterior(x, [0.5, 0.5])
    ledger = (priors.Line("weighting.scheme", "balanced", (0.525, 10.5)),)
    plain = decide.choose(predictions_of(natural, targets), (10_000, 500), (), params("none"))
    weighted = decide.choose(predictions_of(flat, targets), (10_000, 500), ledger, params("none"))
    one = decisions.decide(probabilities(plain, natural), np.array(plain.gain))
    other = decisions.decide(probabilities(weighted, flat), np.array(weighted.gain))
    assert (one == other).all()
    np.testing.assert_allclose(probabilities(plain, natural), probabilities(weighted, flat), rtol=1e-6)


def test_costs_by_name_become_the_gain():
    chosen = decide.choose(
        small(), (300, 100), (), params(rule="least_cost", costs={"solar": {"plain": 20.0}, "plain": {"solar": 3.0}})
    )
    assert chosen.gain == ((0, -3), (-20, 0))
    p = np.array([3 / 23 - 0.001, 3 / 23 + 0.001])  # 20 p = 3 (1 - p)
    assert decisions.decide(np.stack([1 - p, p], axis=1), np.array(chosen.gain)).tolist() == [0, 1]


def test_a_class_without_validation_images_keeps_every_figure_finite():
    x, targets = sample((40, 0), seed=0)
    chosen = decide.choose(predictions_of(log_posterior(x, [0.75, 0.25]), targets), (300, 100), (), params())
    assert chosen.val_images == (40, 0)
    for name in ("scale", "bias", "val_offset", "target_offset"):
        assert np.isfinite(getattr(chosen, name)).all()


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"plain": 0.9}, "states no share for class 'solar'"),
        ({"plain": 0.9, "solar": 0.05, "wind": 0.05}, "names 'wind', which is no class; expected one of"),
        ({"plain": 0.9, "solr": 0.1}, "did you mean 'solar'"),
        ({"plain": 0.9, "solar": 0.2}, "must be positive shares that sum to 1"),
        ({"plain": 1.0, "solar": 0.0}, "must be positive shares that sum to 1"),
    ],
)
def test_a_target_that_is_no_prior_is_refused(stated, message):
    with pytest.raises(config.InputError, match=f"params.yaml: decide.target .*{message}"):
        decide.choose(small(), (300, 100), (), params(target=stated))


def test_costs_of_an_unknown_class_are_refused():
    with pytest.raises(config.InputError, match=r"decide.costs names 'wind', which is no class"):
        decide.choose(small(), (300, 100), (), params(rule="least_cost", costs={"wind": {"plain": 2.0}}))


def write_inputs(root: Path, ledger: tuple[priors.Line, ...]) -> None:
    predictions.write(root, "val", small())
    prior.write(root, prior.Prior(CLASSES, (300, 100), (150, 50), (150, 150), ledger[:1]))
    card = model.Card("multiclass", "none", "linear", 0.0, 32, True, "none", CLASSES, "cross_entropy", ledger)
    model.write(root, card, {"weight": torch.zeros(2, 2)})


def test_main_takes_the_models_whole_ledger_and_writes_what_choose_says(tmp_path, capsys):
    ledger = (
        priors.Line("oversample.strategy", "over", (2 / 3, 2.0)),
        priors.Line("weighting.scheme", "stated", (1.0, 3.0)),
    )
    write_inputs(tmp_path, ledger)
    decide.main(tmp_path, decide.Params(decide=params()))
    written = decision.read(tmp_path)
    assert written == decide.choose(small(), (300, 100), ledger, params())
    assert written.seen == pytest.approx((0.25, 0.75))
    assert "seen 0.250 : 0.750, target 0.750 : 0.250" in capsys.readouterr().out


def test_main_needs_nothing_of_the_test_split(tmp_path):
    write_inputs(tmp_path, UNKNOWN)
    decide.main(tmp_path, decide.Params(decide=params()))
    assert not (tmp_path / predictions.path("test")).exists()
    assert decision.read(tmp_path).calibrator == "vector"


def test_missing_predictions_are_named(tmp_path):
    write_inputs(tmp_path, ())
    (tmp_path / predictions.path("val")).unlink()
    with pytest.raises(storage.ArtifactError, match=r"val.parquet does not exist; run `dvc repro`"):
        decide.main(tmp_path, decide.Params(decide=params()))
