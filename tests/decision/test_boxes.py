"""Decisions for boxes: values by hand, the density of deployment, what is refused, and validation alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from tests.boxes.problems import CLASSES, IMAGES, problem

from counterpoise.boxes.density import precision_at
from counterpoise.decision import boxes
from counterpoise.decision.boxes import Candidates, Rule


def rule(name: str, **changes: Any) -> Rule:
    return replace(Rule(name, beta=1.0, floor=0.8, search_positives=1, false_alarms=1.0), **changes)


def validation(count: int, seed: int = 0, objects: int | None = None) -> Candidates:
    """Draw candidates of two classes that are right with the probability sigmoid(2 z - 1)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, size=count)
    right = rng.random(count) < expit(2 * logits - 1)
    label = rng.integers(0, 2, size=count)
    there = np.array([right[label == index].sum() * 5 // 4 if objects is None else objects for index in range(2)])
    return Candidates(logits, label, right, np.arange(count).astype(str), there, 100)


@pytest.mark.parametrize("calibrator", ["auto", "platt", "isotonic"])
def test_probabilities_are_how_often_boxes_are_right(calibrator: str) -> None:
    val = validation(20_000)
    found = boxes.choose(val, calibrator, rule("most_probable"), min_positives=10)
    truth = expit(2 * val.logits - 1)
    assert np.abs(boxes.probabilities(found, val.logits, val.label) - truth).mean() < 0.02
    assert found.pooled == (False, False)
    assert found.thresholds == (0.5, 0.5)
    assert found.iou == 0.5


def test_a_class_with_few_boxes_takes_the_calibration_of_all_together() -> None:
    val = validation(400)
    few = replace(val, label=np.where(np.arange(400) < 8, 1, 0), objects=np.array([300, 5]))
    found = boxes.choose(few, "isotonic", rule("most_probable"), min_positives=10)
    alone = boxes.choose(few, "platt", rule("most_probable"), min_positives=10_000)
    assert found.pooled == (False, True)
    assert found.knots[1] == ((), ())
    assert (found.scale[1], found.bias[1]) == (alone.scale[1], alone.bias[1])
    assert alone.scale[0] == alone.scale[1]


def test_what_is_on_ignored_places_is_no_candidate() -> None:
    detections, truth = problem(0)
    val = boxes.candidates(detections, truth, np.arange(IMAGES).astype(str), CLASSES)
    assert len(val.logits) < len(detections.scores)
    assert val.objects.tolist() == [int(((truth.label == k) & ~truth.ignore).sum()) for k in range(CLASSES)]
    assert val.right.sum() <= val.objects.sum()


def test_the_largest_f1_counts_objects_that_no_detection_found() -> None:
    probs, right = np.array([0.9, 0.8, 0.5, 0.3]), np.array([True, False, True, False])
    # of 2 objects: 2/3, 1/2, 4/5, 2/3; of 8 objects all four values rise with recall, 2/9, 1/5, 4/11, 1/3
    for objects in (2, 8):
        assert boxes.for_f_beta(probs, probs, right, objects, 1.0, 1.0, search=True) == 0.4
    assert boxes.for_f_beta(probs, probs, right, 2, 1.0, 0.1, search=True) == pytest.approx(0.85)


def test_the_plug_in_threshold_is_half_of_the_largest_expected_f1() -> None:
    probs = np.array([0.9, 0.8, 0.5, 0.3])
    values = [2 * probs[:k].sum() / (3 + k) for k in range(1, 5)]
    found = boxes.for_f_beta(probs, probs, np.zeros(4, bool), 3, 1.0, 1.0, search=False)
    assert found == pytest.approx(max(values) / 2)
    assert (probs >= found).sum() == int(np.argmax(values)) + 1


def test_false_alarms_per_image_are_kept_on_validation_and_no_lower_threshold_keeps_them() -> None:
    val = validation(2000)
    for most in (0.0, 0.5, 2.0):
        found = boxes.choose(val, "platt", rule("false_alarms", false_alarms=most), min_positives=10)
        for label, (limit, counts) in enumerate(zip(found.thresholds, found.val_counts, strict=True)):
            assert limit is not None
            assert counts[1] <= most * val.images
            probs = boxes.probabilities(found, val.logits, val.label)
            own = (val.label == label) & (probs < limit)
            assert not val.right[own][probs[own].argmax()]


def test_equal_scores_are_decided_together() -> None:
    tied = np.array([0.9, 0.5, 0.5])
    assert boxes.at_most(tied, np.array([True, True, False]), 0) == pytest.approx(0.7)
    assert boxes.at_most(tied[1:], np.array([True, False]), 0) is None


def test_a_floor_holds_on_new_images_or_is_called_unattainable() -> None:
    found = boxes.choose(validation(4000), "platt", rule("precision_floor"), min_positives=10)
    fresh = validation(100_000, seed=1)
    decided = boxes.decided(found, fresh.logits, fresh.label)
    assert None not in found.thresholds
    assert fresh.right[decided].mean() >= 0.8
    few = boxes.choose(validation(12), "platt", rule("precision_floor", floor=0.95), min_positives=10)
    assert few.thresholds == (None, None)
    assert not boxes.decided(few, fresh.logits, fresh.label).any()


def test_another_density_moves_the_odds_of_being_right() -> None:
    val = validation(4000)
    here = boxes.choose(val, "platt", rule("precision_floor"), min_positives=10)
    rare = boxes.choose(val, "platt", rule("precision_floor"), min_positives=10, density=val.objects / val.images / 5)
    odds = [p / (1 - p) for p in (boxes.probabilities(found, val.logits[:5], val.label[:5]) for found in (here, rare))]
    np.testing.assert_allclose(odds[1] * 5, odds[0])
    found, false, objects = rare.val_counts[0]
    assert precision_at(found / objects, false / val.images, objects / val.images / 5) >= 0.8
    assert found < here.val_counts[0][0]


def test_a_class_without_objects_in_validation_is_never_decided() -> None:
    val = replace(validation(200), objects=np.array([90, 0]))
    for name in ("f_beta", "precision_floor", "false_alarms"):
        assert boxes.choose(val, "platt", rule(name), min_positives=10).thresholds[1] is None
    with pytest.raises(ValueError, match="class 1 has 0 objects"):
        boxes.choose(val, "platt", rule("f_beta"), min_positives=10, density=np.array([1.0, 1.0]))


def test_no_detections_at_all_decide_nothing() -> None:
    none = np.zeros(0)
    val = Candidates(none, none.astype(int), none.astype(bool), none.astype(str), np.array([3, 4]), 5)
    for calibrator in ("platt", "isotonic"):
        found = boxes.choose(val, calibrator, rule("f_beta"), min_positives=10)
        assert found.thresholds == (None, None)
        assert found.val_counts == ((0, 0, 3), (0, 0, 4))


@pytest.mark.parametrize("name", ["balanced", "least_cost"])
def test_rules_that_need_true_negatives_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"decide.rule is .*set decide.rule to one of"):
        boxes.choose(validation(50), "platt", rule(name), min_positives=10)


@pytest.mark.parametrize("name", ["none", "temperature", "vector"])
def test_calibrators_without_a_bias_for_each_class_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"decide.calibrator is .*set decide.calibrator to one of"):
        boxes.choose(validation(50), name, rule("f_beta"), min_positives=10)
