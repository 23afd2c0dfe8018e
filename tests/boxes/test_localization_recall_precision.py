"""The error by hand, its least value by trying every threshold, and weights of images."""

import numpy as np
import pytest
from tests.boxes.problems import IMAGES, problem

from counterpoise.boxes import average_precision as ap
from counterpoise.boxes import localization_recall_precision as lrp
from counterpoise.boxes.average_precision import Curve
from counterpoise.boxes.matching import match

HIT = np.array([True, False, True])
CURVE = Curve(HIT, np.array([0, 0, 1]), np.array([0.9, 0.8, 0.7]), np.array([0.8, 0, 0.6]), np.array([1, 2]))


def test_the_error_by_hand() -> None:
    # one found at IoU .8 (.2 / .5), two missed: (.4 + 0 + 2) / 3; all three: (.4 + .8 + 1 + 1) / 4
    assert lrp.error(CURVE, 0.5, 1) == pytest.approx(0.8)
    assert lrp.error(CURVE, 0.5, 3) == pytest.approx(0.8)
    assert lrp.error(CURVE, 0.5, 0) == 1


def test_the_least_error_names_its_threshold_and_what_it_consists_of() -> None:
    best = lrp.optimal(CURVE, 0.5)
    assert best == pytest.approx((0.8, 0.9, 0.4, 0.0, 2 / 3))
    whole = Curve(HIT[:1], np.zeros(1, int), np.array([0.3]), np.ones(1), np.array([1]))
    assert lrp.optimal(whole, 0.5) == (0, 0.3, 0, 0, 0)


def test_nothing_right_means_to_decide_for_nothing() -> None:
    wrong = Curve(np.zeros(2, bool), np.zeros(2, int), np.ones(2), np.zeros(2), np.array([1]))
    best = lrp.optimal(wrong, 0.5)
    assert (best.error, best.threshold, best.missed) == (1, np.inf, 1)
    absent = Curve(HIT[:0], np.zeros(0, int), np.zeros(0), np.zeros(0), np.array([0]))
    assert np.isnan(lrp.optimal(absent, 0.5).error)
    assert np.isnan(lrp.optimal_error(absent, 0.5, np.ones((1, 1)))).all()


@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_has_a_smaller_error(seed: int) -> None:
    detections, truth = problem(seed)
    curve = ap.curve(detections, truth, match(detections, truth), label=0, images=IMAGES)
    counts = [int((curve.scores >= score).sum()) for score in np.unique(curve.scores)]
    best = lrp.optimal(curve, 0.5)
    assert best.error == pytest.approx(min(lrp.error(curve, 0.5, count) for count in counts))
    assert lrp.error(curve, 0.5, int((curve.scores >= best.threshold).sum())) == pytest.approx(best.error)
    ones = np.ones((2, IMAGES))
    np.testing.assert_allclose(lrp.optimal_error(curve, 0.5, ones), best.error)
    np.testing.assert_allclose(lrp.optimal_error(curve, 0.5, 3 * ones), best.error)
