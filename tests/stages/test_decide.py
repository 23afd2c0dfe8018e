"""From logits to decisions: which calibrator, which offset, and whether the probabilities hold."""

import itertools
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score

from counterpoise import config, storage
from counterpoise.artifacts import decision, model, predictions, prior, unlabelled
from counterpoise.artifacts import positive as positive_file
from counterpoise.artifacts.positive import Positive
from counterpoise.calibration import prior_ledger
from counterpoise.calibration.calibrators import softmax as softmax_calibrators
from counterpoise.decision import rules, thresholds
from counterpoise.decision.links import softmax as one_class
from counterpoise.imbalance import class_weights
from counterpoise.metrics.probability import expected_calibration_error
from counterpoise.stages import decide

Array = np.ndarray[Any, Any]

CLASSES = ("plain", "solar")
MEANS = np.array([[0.0, 0.0], [1.6, 0.8]])
ASKED = decide.Matters(Positive("solar", "as evaluate.positive states it"), ())
NO_OTHERS = config.Prevalences(at_prevalence=())
UNKNOWN = (prior_ledger.Line("loss", "focal", None),)


def params(
    calibrator: str = "auto",
    target: str | dict[str, float] = "natural",
    rule: str = "balanced",
    costs: dict[str, dict[str, float]] | None = None,
    **changed: object,
) -> decide.Decide:
    chosen = {"calibrator": calibrator, "target": target, "rule": rule, "costs": costs or {}}
    others = {
        "unlabelled": "data/unlabelled",
        "beta": 1.0,
        "floor": 0.8,
        "false_alarms": 1.0,
        "at_least": 0,
        "min_positives": 10,
        "search_positives": 1000,
        "density": {},
    }
    return decide.Decide.model_validate(chosen | others | changed)


def opened(counts: tuple[int, ...], total: int | None = None, classes: tuple[str, ...] = CLASSES) -> prior.Prior:
    """Open a ledger for these counts of the manifest; with a total, of many labels."""
    task, images = ("multiclass", sum(counts)) if total is None else ("multilabel", total)
    return prior.Prior(task, classes, counts, counts, counts, images, images, images, ())


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
    return rules.probabilities(chosen, logits, under="val" if under == "val" else "target")


def test_a_known_ledger_takes_temperature_with_the_offset():
    ledger = (prior_ledger.Line("weighting.scheme", "balanced", (2 / 3, 2.0)),)
    chosen = decide.choose(small(), opened((300, 100)), ledger, params(), ASKED)
    assert chosen.calibrator == "temperature"
    assert chosen.seen == pytest.approx((0.5, 0.5))
    assert chosen.val_offset == pytest.approx(np.log([1.5, 0.5]))
    assert chosen.target_offset == pytest.approx((0, 0), abs=1e-12)
    assert chosen.bias == (0, 0)
    assert chosen.val_images == (30, 10)


def test_an_unknown_ledger_takes_vector_without_an_offset():
    chosen = decide.choose(small(), opened((300, 100)), UNKNOWN, params(), ASKED)
    assert (chosen.calibrator, chosen.seen, chosen.val_offset) == ("vector", None, (0, 0))


@pytest.mark.parametrize("calibrator", ["none", "temperature"])
def test_an_unknown_ledger_refuses_a_calibrator_without_a_bias(calibrator):
    message = (
        rf"decide.calibrator is '{calibrator}', but the effect of loss = focal on the prior has no closed form; set"
    )
    with pytest.raises(config.InputError, match=message):
        decide.choose(small(), opened((300, 100)), UNKNOWN, params(calibrator), ASKED)


def test_correcting_twice_is_impossible_since_vector_swallows_the_prior():
    x, targets = sample((4000, 400), seed=1)
    ledger = (prior_ledger.Line("weighting.scheme", "balanced", (0.55, 5.5)),)
    logits = log_posterior(x, [0.5, 0.5])
    chosen = decide.choose(predictions_of(logits, targets), opened((4000, 400)), ledger, params("vector"), ASKED)
    assert chosen.val_offset == (0, 0)
    assert probabilities(chosen, logits)[:, 1].mean() == pytest.approx(400 / 4400, rel=0.02)
    once = decide.choose(predictions_of(logits, targets), opened((4000, 400)), ledger, params("temperature"), ASKED)
    np.testing.assert_allclose(probabilities(chosen, logits), probabilities(once, logits), atol=0.05)


def error_of_solar(probs: Array, targets: Array) -> float:
    """Return the calibration error of the rare class's own probability.

    The error of the top label is blind to what weights do: at 10 : 1 a model that finds three times too many solar
    roofs errs by 0.01, since within a bin its roofs too many and its plain ones too sure cancel.
    """
    bins = np.minimum((probs[:, 1] * 15).astype(int), 14)
    return float(np.abs(np.bincount(bins, weights=(targets == 1) - probs[:, 1])).sum()) / len(targets)


@pytest.mark.parametrize("calibrator", list(softmax_calibrators.CALIBRATORS))
@pytest.mark.parametrize("natural", [(5000, 5000), (10_000, 1000), (20_000, 200)])
def test_after_the_correction_a_reweighted_model_is_calibrated(natural, calibrator):
    # A logistic regression with balanced class weights is right for gaussians of equal covariance, under 1 : 1.
    x, targets = sample(natural, seed=2)
    weights = class_weights.class_weights("balanced", natural)
    network = LogisticRegression(C=1e6, class_weight=dict(enumerate(weights))).fit(x, targets)

    def logits(features: Array) -> Array:
        return np.stack([np.zeros(len(features)), network.decision_function(features)], axis=1)

    ledger = (prior_ledger.Line("weighting.scheme", "balanced", tuple(weights)),)
    val_x, val_targets = sample(natural, seed=3)
    chosen = decide.choose(
        predictions_of(logits(val_x), val_targets), opened(natural), ledger, params(calibrator), ASKED
    )
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
    ledger = (prior_ledger.Line("split", "train", (3000 / 2862 / 2, 3000 / 138 / 2)),)
    logits = sharpness * log_posterior(x, [0.5, 0.5])
    chosen = decide.choose(predictions_of(logits, targets), opened(natural), ledger, params(), ASKED)
    assert 1 / chosen.scale[0] == pytest.approx(sharpness, rel=0.06)
    assert chosen.target == pytest.approx((0.954, 0.046))
    np.testing.assert_allclose(
        probabilities(chosen, logits), np.exp(log_posterior(x, np.array(natural) / 3000)), atol=0.02
    )
    np.testing.assert_allclose(
        probabilities(chosen, logits, under="val"), np.exp(log_posterior(x, [0.5, 0.5])), atol=0.02
    )


def test_a_stated_target_replaces_the_natural_prior():
    chosen = decide.choose(small(), opened((300, 100)), (), params(target={"solar": 0.01, "plain": 0.99}), ASKED)
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
            predictions_of(logits, targets),
            opened((3000, 300)),
            (),
            params(target={"plain": 1 - share, "solar": share}),
            ASKED,
        )
        decided.append(one_class.decide(probabilities(chosen, logits), np.array(chosen.gain)))
    assert all((one == other).mean() > 0.999 for one, other in pairwise(decided))
    raw = balanced_accuracy_score(targets, logits.argmax(axis=1))
    assert balanced_accuracy_score(targets, decided[0]) > raw + 0.1


def test_plain_cross_entropy_with_the_balanced_rule_decides_like_a_balanced_model():
    x, targets = sample((10_000, 500), seed=7)
    natural, flat = log_posterior(x, [20 / 21, 1 / 21]), log_posterior(x, [0.5, 0.5])
    ledger = (prior_ledger.Line("weighting.scheme", "balanced", (0.525, 10.5)),)
    plain = decide.choose(predictions_of(natural, targets), opened((10_000, 500)), (), params("none"), ASKED)
    weighted = decide.choose(predictions_of(flat, targets), opened((10_000, 500)), ledger, params("none"), ASKED)
    one = one_class.decide(probabilities(plain, natural), np.array(plain.gain))
    other = one_class.decide(probabilities(weighted, flat), np.array(weighted.gain))
    assert (one == other).all()
    np.testing.assert_allclose(probabilities(plain, natural), probabilities(weighted, flat), rtol=1e-6)


def test_costs_by_name_become_the_gain():
    chosen = decide.choose(
        small(),
        opened((300, 100)),
        (),
        params(rule="least_cost", costs={"solar": {"plain": 20.0}, "plain": {"solar": 3.0}}),
        ASKED,
    )
    assert chosen.gain == ((0, -3), (-20, 0))
    p = np.array([3 / 23 - 0.001, 3 / 23 + 0.001])  # 20 p = 3 (1 - p)
    assert one_class.decide(np.stack([1 - p, p], axis=1), np.array(chosen.gain)).tolist() == [0, 1]


def test_a_class_without_validation_images_keeps_every_figure_finite():
    x, targets = sample((40, 0), seed=0)
    chosen = decide.choose(
        predictions_of(log_posterior(x, [0.75, 0.25]), targets), opened((300, 100)), (), params(), ASKED
    )
    assert chosen.val_images == (40, 0)
    for name in ("scale", "bias", "val_offset", "target_offset"):
        assert np.isfinite(getattr(chosen, name)).all()


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"plain": 0.9}, "states no share for class 'solar'"),
        ({"plain": 0.9, "solar": 0.05, "wind": 0.05}, "names 'wind', which is no class; expected one of"),
        ({"plain": 0.9, "solr": 0.1}, "did you mean 'solar'"),
        ({"plain": 0.9, "solar": 0.2}, "must be shares that sum to 1"),
        ({"plain": 1.0, "solar": 0.0}, "must be shares between 0 and 1"),
    ],
)
def test_a_target_that_is_no_prior_is_refused(stated, message):
    with pytest.raises(config.InputError, match=f"params.yaml: decide.target .*{message}"):
        decide.choose(small(), opened((300, 100)), (), params(target=stated), ASKED)


def test_costs_of_an_unknown_class_are_refused():
    with pytest.raises(config.InputError, match=r"decide.costs names 'wind', which is no class"):
        decide.choose(small(), opened((300, 100)), (), params(rule="least_cost", costs={"wind": {"plain": 2.0}}), ASKED)


def write_inputs(root: Path, ledger: tuple[prior_ledger.Line, ...]) -> None:
    predictions.write(root, "val", small())
    prior.write(root, opened((300, 100)))
    positive_file.write(root, ASKED.positive)
    card = model.Card(
        "multiclass",
        "none",
        "linear",
        0.0,
        32,
        True,
        "none",
        CLASSES,
        "cross_entropy",
        ledger,
        pool="avg",
        hidden=512,
        width=8,
    )
    model.write(root, card, {"weight": torch.zeros(2, 2)})


def test_main_takes_the_models_whole_ledger_and_writes_what_choose_says(tmp_path, capsys):
    ledger = (
        prior_ledger.Line("oversample.strategy", "over", (2 / 3, 2.0)),
        prior_ledger.Line("weighting.scheme", "stated", (1.0, 3.0)),
    )
    write_inputs(tmp_path, ledger)
    decide.main(tmp_path, decide.Params(decide=params(), evaluate=NO_OTHERS))
    written = decision.read(tmp_path)
    assert written == decide.choose(small(), opened((300, 100)), ledger, params(), ASKED)
    assert written.seen == pytest.approx((0.25, 0.75))
    assert "saw: 0.250 : 0.750; target: 0.750 : 0.250" in capsys.readouterr().out


def test_main_needs_nothing_of_the_test_split(tmp_path):
    write_inputs(tmp_path, UNKNOWN)
    decide.main(tmp_path, decide.Params(decide=params(), evaluate=NO_OTHERS))
    assert not (tmp_path / predictions.path("test")).exists()
    assert decision.read(tmp_path).calibrator == "vector"


def test_main_reads_unlabelled_predictions_of_this_model_and_of_no_other(tmp_path, capsys):
    x, targets = sample((3000, 1000), seed=0)
    write_inputs(tmp_path, ())
    predictions.write(tmp_path, "val", predictions_of(log_posterior(x, [0.75, 0.25]), targets))
    asked = decide.Params(decide=params(target="estimated"), evaluate=NO_OTHERS)
    (tmp_path / "data" / "unlabelled").mkdir()
    with pytest.raises(config.InputError, match=r"data/unlabelled holds no .parquet file; write them with `counterp"):
        decide.main(tmp_path, asked)
    there = log_posterior(sample((500, 500), seed=1)[0], [0.75, 0.25]).astype(np.float32)
    names = tuple(f"{row:04d}.png" for row in range(1000))
    path = tmp_path / unlabelled.FOLDER / "there.parquet"
    unlabelled.write(path, unlabelled.Unlabelled(names, CLASSES, there, predictions.fingerprint(tmp_path, "val")))
    decide.main(tmp_path, asked)
    assert decision.read(tmp_path).target == pytest.approx((0.5, 0.5), abs=0.06)
    out = capsys.readouterr().out
    assert "target estimated from 1000 unlabelled images; check of the assumption: p = 0." in out
    assert "The check cannot notice every change" in out
    before = (tmp_path / decision.PATH).read_bytes()
    decide.main(tmp_path, asked)
    assert (tmp_path / decision.PATH).read_bytes() == before
    predictions.write(tmp_path, "val", predictions_of(log_posterior(x, [0.75, 0.25]) + 1e-3, targets))
    with pytest.raises(
        config.InputError, match=r"the logits in data/unlabelled are from another model, or from .*with"
    ):
        decide.main(tmp_path, asked)


def test_missing_predictions_are_named(tmp_path):
    write_inputs(tmp_path, ())
    (tmp_path / predictions.path("val")).unlink()
    with pytest.raises(storage.ArtifactError, match=r"val.parquet does not exist; run `dvc repro`"):
        decide.main(tmp_path, decide.Params(decide=params(), evaluate=NO_OTHERS))


LABELS = ("often", "seldom")
RATES = np.array([0.3, 0.03])
OF_LABELS = decide.Matters(Positive("seldom", "as the rarest class"), ())


def of_labels(n: int, seed: int, factors: ArrayLike = (1.0, 1.0)) -> tuple[Array, Array]:
    """Draw two labels; the logits are their exact log-odds, plus the logarithm of what a remedy made of the odds."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 2)) < RATES
    x = rng.normal(size=(n, 2)) + 2 * truth
    return 2 * x - 2 + np.log(RATES / (1 - RATES)) + np.log(factors), truth


def predictions_of_labels(logits: Array, truth: Array) -> predictions.Predictions:
    ids = tuple(f"image{row:05d}" for row in range(len(truth)))
    cells = tuple("|".join(np.array(LABELS)[row]) for row in truth)
    return predictions.Predictions(ids, ids, cells, LABELS, np.asarray(logits, dtype=np.float32))


def choose_labels(
    n: int = 4000, ledger: tuple[prior_ledger.Line, ...] = (), factors: ArrayLike = (1.0, 1.0), **changed: Any
):
    logits, truth = of_labels(n, 0, factors)
    natural = opened((300, 30), 1000, LABELS)
    return decide.choose(predictions_of_labels(logits, truth), natural, ledger, params(**changed), OF_LABELS)


@pytest.mark.parametrize("calibrator", ["none", "temperature", "platt", "isotonic"])
@pytest.mark.parametrize("weight", [2.45, 10.79, 46.0])
def test_a_pos_weight_is_undone_and_probabilities_are_calibrated(weight, calibrator):
    factors = (1.0, weight)
    ledger = (prior_ledger.Line("weighting.scheme", "negatives_over_positives", factors),)
    chosen = choose_labels(20_000, ledger, factors, calibrator=calibrator)
    logits, truth = of_labels(20_000, 1, factors)
    ours = rules.probabilities(chosen, logits)
    exact = 1 / (1 + np.exp(-(logits - np.log(factors))))
    np.testing.assert_allclose(ours, exact, atol=0.15 if calibrator == "isotonic" else 0.03)  # it has steps
    assert np.sqrt(((ours - exact) ** 2).mean()) < 0.03
    assert ours.mean(axis=0) == pytest.approx(truth.mean(axis=0), abs=0.005)
    raw = 1 / (1 + np.exp(-logits))
    assert raw[:, 1].mean() > 1.5 * truth[:, 1].mean()  # too many positives, as system D saw


def test_a_weighted_and_a_plain_model_decide_the_same_once_corrected():
    plain = choose_labels(calibrator="none", rule="f_beta")
    weighted = choose_labels(
        calibrator="none", rule="f_beta", factors=(1.0, 30.0), ledger=(prior_ledger.Line("w", "w", (1.0, 30.0)),)
    )
    np.testing.assert_allclose(plain.thresholds, weighted.thresholds, rtol=1e-3)
    assert plain.val_decided == weighted.val_decided


def test_an_unknown_ledger_of_many_labels_takes_platt():
    chosen = choose_labels(ledger=UNKNOWN, factors=(0.2, 9.0))
    assert (chosen.calibrator, chosen.seen, chosen.val_offset) == ("platt", None, (0, 0))
    logits, truth = of_labels(20_000, 1, (0.2, 9.0))
    assert rules.probabilities(chosen, logits).mean(axis=0) == pytest.approx(truth.mean(axis=0), abs=0.01)


def test_a_label_with_few_positives_shares_its_calibration_and_is_named():
    assert choose_labels(200, min_positives=20).pooled == ("seldom",)
    assert choose_labels(200, min_positives=1).pooled == ()


@pytest.mark.parametrize(
    ("rule", "changed", "expected"),
    [
        ("most_probable", {}, (0.5, 0.5)),
        ("balanced", {}, (0.3, 0.03)),
        ("balanced", {"target": {"seldom": 0.2}}, (0.3, 0.2)),
        ("least_cost", {"costs": {"seldom": {"missed": 9.0}}}, (0.5, 0.1)),
    ],
)
def test_thresholds_that_follow_from_the_rule_alone(rule, changed, expected):
    assert choose_labels(rule=rule, **changed).thresholds == pytest.approx(expected)


def test_a_floor_out_of_reach_is_no_threshold_and_is_said(tmp_path, capsys):
    logits, truth = of_labels(300, 0)
    predictions.write(tmp_path, "val", predictions_of_labels(logits, truth))
    prior.write(tmp_path, opened((300, 30), 1000, LABELS))
    positive_file.write(tmp_path, OF_LABELS.positive)
    card = model.Card(
        "multilabel",
        "none",
        "linear",
        0.0,
        32,
        True,
        "none",
        LABELS,
        "cross_entropy",
        (),
        pool="avg",
        hidden=512,
        width=8,
    )
    model.write(tmp_path, card, {"weight": torch.zeros(2, 2)})
    floor = decide.Params(decide=params(rule="precision_floor", floor=0.7), evaluate=NO_OTHERS)
    decide.main(tmp_path, floor)
    chosen = decision.read(tmp_path)
    assert chosen.thresholds[0] is not None
    assert chosen.thresholds[1] is None
    assert chosen.val_decided[1][:2] == (0, 0)
    assert (
        "no threshold reaches decide.floor 0.7 on validation with confidence, so these classes are never decided: "
        in capsys.readouterr().err
    )


def test_no_image_is_left_without_a_label_where_one_is_asked_for():
    chosen = choose_labels(rule="most_probable", at_least=1)
    logits, _ = of_labels(500, 1)
    probs = rules.probabilities(chosen, logits)
    decided = rules.decided(chosen, probs)
    assert (probs < 0.5).all(axis=1).any()
    assert (decided.sum(axis=1) >= 1).all()
    assert (decided >= (probs >= 0.5)).all()
    alone = decided[(probs < 0.5).all(axis=1)]
    assert (alone.argmax(axis=1) == probs[(probs < 0.5).all(axis=1)].argmax(axis=1)).all()


def test_beta_and_the_way_to_a_threshold_are_those_that_were_asked_for():
    logits, truth = of_labels(4000, 0)
    limits = {}
    for beta, search in itertools.product((0.5, 2.0), (True, False)):
        chosen = choose_labels(calibrator="none", rule="f_beta", beta=beta, search_positives=1 if search else 10**6)
        at_val = rules.probabilities(chosen, logits.astype(np.float32), under="val")[:, 0]
        expected = thresholds.for_f_beta(at_val, truth[:, 0], chosen.val[0], chosen.target[0], beta, search=search)
        limits[beta, search] = chosen.thresholds[0]
        assert chosen.thresholds[0] == pytest.approx(expected, rel=1e-5)
    assert len({round(limit, 4) for limit in limits.values()}) == 4
    assert limits[2.0, True] < limits[0.5, True]


@pytest.mark.parametrize("rule", ["f_beta", "precision_floor"])
def test_of_two_classes_the_positive_one_gets_a_threshold(rule):
    x, targets = sample((3000, 300), seed=6)
    logits = log_posterior(x, [10 / 11, 1 / 11])
    chosen = decide.choose(
        predictions_of(logits, targets), opened((3000, 300)), (), params(rule=rule, floor=0.6), ASKED
    )
    probs = rules.probabilities(chosen, logits)[:, 1]
    says = rules.decided(chosen, rules.probabilities(chosen, logits))[:, 1]
    limit = probs[says].min()
    assert (says == (probs >= limit)).all()
    tp, fp, fn, _ = chosen.val_decided[1]
    if rule == "f_beta":
        best = max(f1_score(targets, probs >= other) for other in np.quantile(probs, np.linspace(0.5, 1, 200)))
        assert 2 * tp / (2 * tp + fp + fn) == pytest.approx(best, abs=0.02)
    else:
        assert tp / (tp + fp) > 0.6


def test_rules_for_two_classes_refuse_three():
    ids, names = ("a", "b", "c"), ("x", "y", "z")
    val = predictions.Predictions(ids, ids, names, names, np.eye(3, dtype=np.float32))
    of_x = decide.Matters(Positive("x", "as evaluate.positive states it"), ())
    with pytest.raises(config.InputError, match="needs two classes, or task multilabel; there are 3 classes"):
        decide.choose(val, opened((5, 4, 3), classes=("x", "y", "z")), (), params(rule="f_beta"), of_x)


def test_a_class_that_matters_of_another_run_is_named():
    other = decide.Matters(Positive("wind", "as the rarest class"), ())
    with pytest.raises(storage.ArtifactError, match=r"data/positive.json names 'wind', but the predictions ha"):
        decide.choose(small(), opened((300, 100)), (), params(), other)


def test_every_stated_prevalence_has_a_decision_of_its_own():
    asked = decide.Matters(ASKED.positive, (0.05, 0.01))
    chosen = decide.choose(small(), opened((300, 100)), (), params(), asked)
    assert [other.prevalence for other in chosen.prevalences] == [0.05, 0.01]
    assert chosen.moved(1).target == pytest.approx((0.99, 0.01))
    np.testing.assert_allclose(np.array(chosen.moved(1).gain), np.diag([1 / 0.99, 100]))
    assert chosen.positive == "solar"
