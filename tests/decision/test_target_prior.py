"""The target prior from unlabelled predictions: found, checked, or refused with what to do."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import binom

from counterpoise import config, labels
from counterpoise.artifacts import predictions, prior
from counterpoise.artifacts.positive import Positive
from counterpoise.artifacts.unlabelled import Unlabelled
from counterpoise.calibration import label_shift, prior_ledger
from counterpoise.calibration.calibrators import softmax
from counterpoise.decision import target_prior
from counterpoise.stages import decide

Array = np.ndarray[Any, Any]

NAMES = ("plain", "solar")
MEANS = np.array([[0.0, 0.0], [1.6, 0.8]])
HERE = np.array([10 / 11, 1 / 11])
ASKED = decide.Matters(Positive("solar", "as evaluate.positive states it"), (0.05,))
RNG = np.random.default_rng


def scores(x: Array, shares: Array) -> Array:
    likelihood = -((x[:, None] - MEANS) ** 2).sum(axis=2) / 2
    result: Array = log_softmax(likelihood + np.log(shares), axis=1)
    return result


def images(shares: Any, size: int, seed: int, moved: float = 0.0) -> tuple[Array, Array]:
    """Draw images; the logits are those of a model that was made to see both classes equally often."""
    rng = RNG(seed)
    targets = rng.choice(2, size=size, p=shares)
    x = MEANS[targets] + rng.normal(size=(size, 2))
    x[:, 0] += moved
    return scores(x, np.array([0.5, 0.5])), targets


def validation(logits: Array, targets: Array) -> predictions.Predictions:
    ids = tuple(f"image{row:05d}" for row in range(len(targets)))
    return predictions.Predictions(ids, ids, tuple(np.array(NAMES)[targets]), NAMES, logits.astype(np.float32))


def unlabelled(logits: Array, names: tuple[str, ...] = NAMES) -> Unlabelled:
    return Unlabelled(tuple(f"there{row:05d}" for row in range(len(logits))), names, logits.astype(np.float32), "f00d")


LEDGER = (prior_ledger.Line("weighting.scheme", "balanced", (0.55, 5.5)),)


def settings(**changed: Any) -> decide.Decide:
    block: dict[str, Any] = {
        "calibrator": "auto",
        "target": "estimated",
        "unlabelled": "data/unlabelled",
        "rule": "balanced",
    }
    block |= {
        "costs": {},
        "beta": 1.0,
        "floor": 0.8,
        "false_alarms": 1.0,
        "at_least": 0,
        "min_positives": 10,
        "search_positives": 1000,
        "density": {},
    }
    return decide.Decide.model_validate(block | changed)


def choose(found: Unlabelled | None, size: int = 4000, **changed: Any) -> Any:
    opened = prior.Prior("multiclass", NAMES, (4000, 400), (4000, 400), (4000, 400), *3 * (4400,), ())
    return decide.choose(validation(*images(HERE, size, 0)), opened, LEDGER, settings(**changed), ASKED, found)


@pytest.mark.parametrize("calibrator", ["none", *softmax.CALIBRATORS])
@pytest.mark.parametrize("there", [[0.5, 0.5], [0.7, 0.3], [0.97, 0.03]])
def test_the_target_is_what_unlabelled_images_say_whatever_the_calibrator(there, calibrator):
    chosen = choose(unlabelled(images(there, 3000, 1)[0]), calibrator=calibrator)
    assert chosen.estimated.images == 3000
    assert chosen.target == pytest.approx(there, abs=0.05)
    np.testing.assert_allclose(chosen.target_offset, prior_ledger.offset(chosen.val, chosen.target, task="multiclass"))
    assert all(low < share < high for low, share, high in zip(*intervals(chosen), strict=True))
    assert chosen.estimated.p_value >= target_prior.LEVEL
    assert chosen.prevalences[0].target == pytest.approx((0.95, 0.05))


def intervals(chosen: Any) -> tuple[Any, Any, Any]:
    return chosen.estimated.low, chosen.target, chosen.estimated.high


def test_with_a_stated_target_nothing_is_estimated():
    assert choose(None, target="natural").estimated is None
    assert choose(None, target={"plain": 0.5, "solar": 0.5}).estimated is None
    with pytest.raises(config.InputError, match="there are no unlabelled predictions"):
        choose(None)


def test_classes_that_look_otherwise_there_are_refused_and_nothing_is_put_in_their_place():
    with pytest.raises(config.InputError) as caught:
        choose(unlabelled(images([0.7, 0.3], 3000, 1, moved=-1.0)[0]))
    text = str(caught.value)
    assert text.startswith("params.yaml: decide.target is 'estimated', but no class shares explain the scores (p")
    assert "images of the same class look different there than in validation. Label some images from there" in text
    assert "(p = " in text
    assert text.endswith(
        "Label some images from there; state the shares by hand in decide.target, or set it to 'natural'"
    )


def test_too_few_images_there_or_of_a_class_here_are_refused():
    with pytest.raises(config.InputError, match="there are 99 unlabelled images; at least 100 are needed"):
        choose(unlabelled(images([0.5, 0.5], 99, 1)[0]))
    with pytest.raises(config.InputError, match=r"validation has fewer than 10 images with \['solar'\]"):
        choose(unlabelled(images([0.5, 0.5], 500, 1)[0]), size=50)


def test_logits_of_other_classes_are_refused():
    with pytest.raises(
        config.InputError, match=r"the unlabelled logits have classes \['solar', 'plain'\], the model has"
    ):
        choose(unlabelled(images([0.5, 0.5], 500, 1)[0], NAMES[::-1]))


def test_a_model_that_cannot_tell_the_classes_apart_is_refused():
    noise = RNG(0).normal(size=(4000, 2))
    opened = prior.Prior("multiclass", NAMES, (4000, 400), (4000, 400), (4000, 400), *3 * (4400,), ())
    val = validation(noise, images(HERE, 4000, 0)[1])
    with pytest.raises(config.InputError, match=r"the model cannot distinguish some classes .*\(separation 0\.0"):
        decide.choose(val, opened, (), settings(calibrator="vector"), ASKED, unlabelled(noise[:500]))


def test_em_that_does_not_come_to_rest_is_refused(monkeypatch):
    whole = label_shift.estimate
    monkeypatch.setattr(label_shift, "estimate", lambda probs, own: whole(probs, own, max_iterations=2))
    with pytest.raises(config.InputError, match="EM did not converge in 2 steps"):
        choose(unlabelled(images([0.5, 0.5], 500, 1)[0]))


LABELS = ("often", "seldom")
RATES = np.array([0.3, 0.05])


def of_labels(rates: Array, size: int, seed: int, moved: float = 0.0) -> tuple[Array, Array]:
    rng = RNG(seed)
    truth = rng.random((size, 2)) < rates
    x = rng.normal(size=(size, 2)) + 2 * truth
    x[:, 1] += moved
    return 2 * x - 2 + np.log(RATES / (1 - RATES)), truth


OF_LABELS = decide.Matters(Positive(LABELS[-1], "as the rarest class"), (0.05,))


def choose_labels(found: Unlabelled) -> Any:
    logits, truth = of_labels(RATES, 4000, 0)
    ids = tuple(f"image{row:05d}" for row in range(len(truth)))
    cells = tuple("|".join(np.array(LABELS)[row]) for row in truth)
    val = predictions.Predictions(ids, ids, cells, LABELS, logits.astype(np.float32))
    assert labels.indicators(val.labels, LABELS).sum() == truth.sum()
    opened = prior.Prior("multilabel", LABELS, (1200, 200), (1200, 200), (1200, 200), *3 * (4000,), ())
    return decide.choose(val, opened, (), settings(), OF_LABELS, found)


def test_of_many_labels_each_has_a_share_of_its_own():
    chosen = choose_labels(unlabelled(of_labels(np.array([0.1, 0.4]), 3000, 1)[0], LABELS))
    assert chosen.target == pytest.approx((0.1, 0.4), abs=0.04)
    assert all(low < share < high for low, share, high in zip(*intervals(chosen), strict=True))
    with pytest.raises(config.InputError, match="no class shares explain the scores of 'seldom'"):
        choose_labels(unlabelled(of_labels(np.array([0.1, 0.4]), 3000, 1, moved=-1.5)[0], LABELS))


def test_of_many_labels_a_share_is_biased_by_another_label_that_raises_the_same_scores():
    """What `docs/decisions.md` warns of: a second label that moves from 0.1 to 0.3 looks like the first one."""

    def draw(second: float, size: int, seed: int) -> tuple[Array, Array]:
        rng = RNG(seed)
        truth = rng.random((size, 2)) < [0.2, second]
        x = rng.normal(size=(size, 2)) + 2 * truth
        x[:, 0] += truth[:, 1]
        # the posterior of each label where the second one has its share in validation, 0.1
        first = [np.exp(-((x[:, 0] - 2 * a - b) ** 2) / 2) for a in (0, 1) for b in (0, 1)]
        odds = 0.2 * (0.9 * first[2] + 0.1 * first[3]) / (0.8 * (0.9 * first[0] + 0.1 * first[1]))
        return np.stack([np.log(odds), 2 * x[:, 1] - 2 + np.log(0.1 / 0.9)], axis=1), truth

    logits, truth = draw(0.1, 3000, 0)
    ids = tuple(f"image{row:05d}" for row in range(len(truth)))
    cells = tuple("|".join(np.array(LABELS)[row]) for row in truth)
    val = predictions.Predictions(ids, ids, cells, LABELS, logits.astype(np.float32))
    opened = prior.Prior("multilabel", LABELS, (600, 300), (600, 300), (600, 300), *3 * (3000,), ())
    shares, missed, refused = [], 0, 0
    for seed in range(20):
        found = unlabelled(draw(0.3, 1000, 100 + seed)[0], LABELS)
        try:
            chosen = decide.choose(val, opened, (), settings(), OF_LABELS, found)
        except config.InputError:
            refused += 1
            continue
        assert chosen.target[1] == pytest.approx(0.3, abs=0.08)
        shares.append(chosen.target[0])
        missed += intervals(chosen)[0][0] > 0.2
    assert np.mean(shares) == pytest.approx(0.28, abs=0.015)
    assert missed > len(shares) / 2
    assert refused < 10


@pytest.mark.parametrize(("p_value", "stands"), [(0.008, True), (0.004, False)])
def test_of_many_labels_the_least_p_value_counts_as_often_as_there_are_labels(p_value, stands, monkeypatch):
    real = label_shift.check
    monkeypatch.setattr(label_shift, "check", lambda *asked: replace(real(*asked), p_value=p_value))
    found = unlabelled(of_labels(RATES, 1000, 1)[0], LABELS)
    if stands:
        assert choose_labels(found).estimated.p_value == pytest.approx(2 * p_value)
        return
    with pytest.raises(
        config.InputError, match=r"\(p = 0.008, below 0.01\).*or other labels that raise the same scores"
    ):
        choose_labels(found)


@pytest.mark.slow
@pytest.mark.parametrize("size", [500, 3000])
@pytest.mark.parametrize("calibrator", ["temperature", "vector", "platt"])
def test_intervals_cover_though_the_calibrator_was_fitted_on_few_images(calibrator, size):
    covered, refused, times = 0, 0, 150
    opened = prior.Prior("multiclass", NAMES, (4000, 400), (4000, 400), (4000, 400), *3 * (4400,), ())
    for seed in range(times):
        val = validation(*images(HERE, size, 1000 + seed))
        found = unlabelled(images([0.5, 0.5], 1000, 5000 + seed)[0])
        try:
            chosen = decide.choose(val, opened, LEDGER, settings(calibrator=calibrator), ASKED, found)
        except config.InputError:
            refused += 1
            continue
        assert chosen.estimated is not None
        covered += chosen.estimated.low[1] <= 0.5 <= chosen.estimated.high[1]
    assert refused <= binom.ppf(0.999, times, 0.01)
    assert covered >= binom.ppf(0.001, times - refused, 0.95)
