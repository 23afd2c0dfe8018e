"""What another prevalence makes of a decision, against images drawn there and against a published confusion."""

import numpy as np
import pytest

from counterpoise.calibration import links, prevalence
from counterpoise.metrics.ranking import average_precision

SYSTEM_A = (122, 247, 15, 2615)
"""Its table on test: true positives, false positives, false negatives, true negatives."""
SYSTEM_A_VALIDATION = (674, 67, 110, 717)
"""784 : 784 with its recall of 86 %, and the false-positive rate of its test."""


def test_the_fall_of_system_a_is_what_validation_promised():
    tp, fp, fn, tn = SYSTEM_A
    recall, precision, share = tp / (tp + fn), tp / (tp + fp), (tp + fn) / (tp + fp + fn + tn)
    assert (round(recall, 2), round(precision, 2), round(share, 3)) == (0.89, 0.33, 0.046)
    at_half, _ = prevalence.expected_precision(SYSTEM_A_VALIDATION, 0.5)
    promised, interval = prevalence.expected_precision(SYSTEM_A_VALIDATION, share)
    assert at_half == pytest.approx(674 / 741)
    assert promised == pytest.approx(0.33, abs=0.005)
    assert interval.low < precision < interval.high


def test_images_to_look_at_are_those_found_and_false_alarms():
    value, interval = prevalence.expected_flagged(SYSTEM_A, 137 / 2999)
    assert value == pytest.approx(369 / 2999)
    assert interval.low < value < interval.high
    assert np.isnan(prevalence.expected_flagged((0, 3, 0, 9), 0.1)[0])


@pytest.mark.parametrize("share", [0.5, 0.1, 0.001])
def test_precision_follows_bayes_rule(share):
    rng = np.random.default_rng(0)
    truth = rng.random(400_000) < share
    decided = rng.random(400_000) < np.where(truth, 0.8, 0.1)
    expected = prevalence.precision_at(0.8, 0.1, share)
    assert truth[decided].mean() == pytest.approx(float(expected), rel=0.1)


def test_nothing_decided_has_no_precision():
    assert np.isnan(prevalence.precision_at([0.0], [0.0], 0.1)).all()


def test_an_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    exact = float(prevalence.precision_at(0.8, 0.05, 0.03))
    held = 0
    for _ in range(300):
        tp, fp = rng.binomial(60, 0.8), rng.binomial(500, 0.05)
        _, interval = prevalence.expected_precision((tp, fp, 60 - tp, 500 - fp), 0.03)
        held += interval.low <= exact <= interval.high
    assert held / 300 == pytest.approx(0.95, abs=0.035)


def test_without_positives_or_negatives_nothing_is_known():
    for counts in ((0, 3, 0, 5), (3, 0, 2, 0)):
        value, interval = prevalence.expected_precision(counts, 0.1)
        assert np.isnan(value)
        assert (interval.low, interval.high) == (0, 1)


def test_weighed_images_have_the_ap_of_images_drawn_at_that_prevalence():
    rng = np.random.default_rng(2)

    def sample(n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.random(n) < share
        return truth, rng.normal(size=n) + 1.5 * truth

    truth, scores = sample(100_000, 0.5)
    weighed = average_precision(truth, scores, prevalence.importance(truth, 0.02))
    there = average_precision(*sample(400_000, 0.02))
    assert weighed == pytest.approx(there, abs=0.01)
    assert average_precision(truth, scores) > there + 0.3


def test_weights_give_positives_their_share_in_every_resample():
    rng = np.random.default_rng(3)
    positives = rng.random(50) < 0.2
    multiplicities = rng.multinomial(50, np.full(50, 1 / 50), size=20)
    weights = prevalence.importance(positives, 0.05, multiplicities)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights[:, positives].sum(axis=1), 0.05)
    assert (prevalence.importance(np.ones(3, dtype=bool), 0.5) == 0).all()


def test_another_share_leaves_the_proportions_of_the_others():
    moved = links.find("softmax").moved(np.array([0.6, 0.3, 0.1]), 2, 0.4)
    np.testing.assert_allclose(moved, [0.4, 0.2, 0.4])
    alone = links.find("sigmoid").moved(np.array([0.6, 0.3, 0.1]), 2, 0.4)
    np.testing.assert_allclose(alone, [0.6, 0.3, 0.4])


@pytest.mark.parametrize("share", [0.001, 0.5])
@pytest.mark.parametrize("counts", [(15, 0, 0, 78), (0, 3, 5, 90), (0, 0, 5, 90)])
def test_an_interval_contains_its_value(counts: tuple[int, int, int, int], share: float) -> None:
    for figure in (prevalence.expected_precision, prevalence.expected_flagged):
        value, interval = figure(counts, share)
        assert np.isnan(value) or interval.low <= value <= interval.high


def test_examples_in_groups_widen_the_interval() -> None:
    spans = [prevalence.expected_precision((30, 20, 10, 500), 0.05, (effect, effect))[1] for effect in (1.0, 3.0)]
    widths = [span.high - span.low for span in spans]
    assert widths[1] > 1.4 * widths[0]
    assert prevalence.rate_effects(np.array([True] * 4 + [False]), np.array([True] * 5), np.zeros(5)) == (4.0, 1.0)
