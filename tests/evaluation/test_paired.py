"""Two models on the same images: against values by hand, their own limits, and how often intervals hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from counterpoise.evaluation import paired, tasks
from counterpoise.evaluation.scores import Truth, Variant
from counterpoise.metrics import ranking

MULTICLASS = tasks.find("multiclass")
LIMIT = 1.2


def variants(scores: np.ndarray) -> dict[str, Variant]:
    """Turn the scores of the second of two classes into predictions."""
    probs = 1 / (1 + np.exp(2 - 2 * scores))
    decided = scores > LIMIT
    one = Variant(np.stack([1 - probs, probs], axis=1), np.stack([~decided, decided], axis=1))
    return {"raw": one, "calibrated": one, "decided": one}


def truth_of(classes: np.ndarray, units: np.ndarray | None = None) -> Truth:
    return Truth(np.eye(2, dtype=bool)[classes], np.arange(len(classes)) if units is None else units, 1, 100, 0)


def drawn(rng: np.random.Generator, positives: int, gain: float, size: int = 1) -> tuple[np.ndarray, ...]:
    """Draw images, in units of `size`, and the scores of two models that agree to 0.9."""
    classes = np.repeat((np.arange(525 // size) < positives).astype(int), size)
    shared = np.repeat(rng.normal(size=len(classes) // size), size) + rng.normal(size=len(classes))
    both = [
        np.sqrt(0.45) * shared + np.sqrt(0.1) * rng.normal(size=len(classes)) + skill * classes
        for skill in (1.2, 1.2 + gain)
    ]
    return classes, np.repeat(np.arange(525 // size), size), *both


@pytest.mark.parametrize("name", tasks.names())
def test_a_model_gains_nothing_over_itself_and_nothing_differs(name: str) -> None:
    classes, units, scores, _ = drawn(np.random.default_rng(0), 21, 0.0)
    model, truth = variants(scores), truth_of(classes, units)
    task = tasks.find(name)
    found = paired.gains((model, model), truth, task)
    assert {*task.HEADLINES, f"{task.RAW}_raw", "recall", "precision"} <= set(found)
    by_class = paired.gains_by_class((model, model), truth, task)
    assert set(by_class) == {(k, rate) for k in (0, 1) for rate in ("recall", "precision", "average_precision")}
    for one in (*found.values(), *by_class.values()):
        assert one.value == 0
        assert not one.clear


def test_gains_are_those_of_the_counts() -> None:
    """Of 4 positives, 2 and then 3 are found; of 6 others, 1 and then 2 are false alarms."""
    classes = np.array([1] * 4 + [0] * 6)
    first = np.array([2, 2, 0, 0, 2, 0, 0, 0, 0, 0.0])
    second = np.array([2, 2, 2, 0, 2, 2, 0, 0, 0, 0.0])
    found = paired.gains((variants(first), variants(second)), truth_of(classes), MULTICLASS)
    assert found["recall"].value == pytest.approx(1 / 4)
    assert found["precision"].value == pytest.approx(3 / 5 - 2 / 3)
    assert found["accuracy"].value == pytest.approx(0)
    assert found["balanced_accuracy"].value == pytest.approx((1 / 4 - 1 / 6) / 2)
    assert found["roc_auc"].low < found["roc_auc"].value < found["roc_auc"].high
    by_class = paired.gains_by_class((variants(first), variants(second)), truth_of(classes), MULTICLASS)
    assert by_class[1, "recall"] == found["recall"]
    assert by_class[0, "recall"].value == pytest.approx(-1 / 6)


def test_a_calibration_error_has_no_interval_nor_has_a_class_of_one_unit() -> None:
    classes, units, first, second = drawn(np.random.default_rng(0), 6, 0.4)
    units[classes == 1] = 0
    found = paired.gains((variants(first), variants(second)), truth_of(classes, units), MULTICLASS)
    for name in ("expected_calibration_error", "recall", "average_precision", "roc_auc"):
        assert math.isnan(found[name].low), name
    assert not math.isnan(found["accuracy"].low)


def test_without_the_class_that_matters_its_figures_are_left_out() -> None:
    classes, units, first, second = drawn(np.random.default_rng(0), 0, 0.4)
    found = paired.gains((variants(first), variants(second)), truth_of(classes, units), MULTICLASS)
    assert "accuracy" in found
    assert not {"recall", "average_precision", "roc_auc"} & set(found)
    by_class = paired.gains_by_class((variants(first), variants(second)), truth_of(classes, units), MULTICLASS)
    assert {k for k, _ in by_class} == {0}


@pytest.mark.parametrize("size", [1, 3])
def test_intervals_of_two_models_cover_what_one_truly_gains(size: int) -> None:
    def values(classes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        own = classes == 1
        return np.array([(scores > LIMIT)[own].mean(), float(ranking.average_precision(own, scores))])

    rng = np.random.default_rng(size)
    many = [drawn(rng, 21, 0.2, size) for _ in range(120)]
    true = np.mean([values(one[0], one[3]) - values(one[0], one[2]) for one in many], axis=0)
    covered = []
    for classes, units, first, second in many[:40]:
        found = paired.gains((variants(first), variants(second)), truth_of(classes, units), MULTICLASS)
        ends = [found[name] for name in ("recall", "average_precision")]
        covered.append([one.low <= value <= one.high for one, value in zip(ends, true, strict=True)])
    assert (np.mean(covered, axis=0) > 0.84).all()  # 95 % of 40, minus three standard errors
