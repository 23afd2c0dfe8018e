"""Average precision and recall against pycocotools and faster-coco-eval, values by hand, and weights of images."""

import contextlib
import io
from dataclasses import replace
from typing import Any

import faster_coco_eval
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tests.boxes.problems import CLASSES, IMAGES, coco, problem

from counterpoise.boxes import average_precision as ap
from counterpoise.boxes.average_precision import Curve
from counterpoise.boxes.matching import IOUS, SIZES, Detections, Truth, match

MOST = (1, 10, 100)


def by_pycocotools(detections: Detections, truth: Truth) -> tuple[Any, Any]:
    content, found = coco(detections, truth)
    with contextlib.redirect_stdout(io.StringIO()):
        there = COCO()
        there.dataset = content
        there.createIndex()
        engine = COCOeval(there, there.loadRes(found), "bbox")
        engine.evaluate()
        engine.accumulate()
    return engine.eval["precision"], engine.eval["recall"]


def by_faster_coco_eval(detections: Detections, truth: Truth) -> tuple[Any, Any]:
    content, found = coco(detections, truth)
    there = faster_coco_eval.COCO(content)
    engine = faster_coco_eval.COCOeval_faster(there, there.loadRes(found), "bbox", print_function=lambda *_: None)
    engine.evaluate()
    engine.accumulate()
    return engine.eval["precision"], engine.eval["recall"]


def curves(detections: Detections, truth: Truth) -> dict[tuple[int, int, int, int], Curve]:
    matches = match(detections, truth)
    return {
        (t, label, size, k): ap.curve(
            detections, truth, matches, label=label, images=IMAGES, threshold=t, size=size, most=most
        )
        for t in range(len(IOUS))
        for label in range(CLASSES)
        for size in range(len(SIZES))
        for k, most in enumerate(MOST)
    }


@pytest.mark.parametrize("oracle", [by_pycocotools, by_faster_coco_eval])
@pytest.mark.parametrize("seed", range(6))
def test_precision_and_recall_of_every_threshold_class_size_and_number_equal_the_oracle(oracle: Any, seed: int) -> None:
    detections, truth = problem(seed)
    precision, recall = oracle(detections, truth)
    for (t, label, size, most), curve in curves(detections, truth).items():
        expected = precision[t, :, label, size, most]
        if expected[0] == -1:
            assert np.isnan(ap.average_precision(curve))
            assert np.isnan(ap.recall(curve))
        else:
            assert ap.average_precision(curve) == pytest.approx(expected.mean(), abs=1e-12)
            assert ap.recall(curve) == pytest.approx(recall[t, label, size, most], abs=1e-12)


def simple(hits: list[int], objects: int) -> Curve:
    hit = np.array(hits, dtype=bool)
    return Curve(
        hit,
        np.zeros(len(hit), dtype=int),
        np.linspace(1.0, 0.5, len(hit)),
        np.where(hit, 0.8, 0.0),
        np.array([objects]),
    )


def test_values_by_hand() -> None:
    assert round(float(ap.average_precision(simple([1, 0, 1], 2))), 6) == 0.834983
    assert round(float(ap.average_precision(simple([1, 0], 2))), 6) == 0.504950
    assert ap.average_precision(simple([0, 0], 2)) == ap.average_precision(simple([], 2)) == 0
    assert np.isnan(ap.average_precision(simple([0], 0)))
    assert ap.recall(simple([1, 0], 2)) == 0.5


def test_weights_of_images_are_repetitions_of_them() -> None:
    tied, truth = problem(3)
    rng = np.random.default_rng(0)
    detections = replace(tied, scores=rng.permutation(len(tied.scores)) / 1000)
    counts = rng.integers(0, 3, size=(4, IMAGES))
    plain = ap.curve(detections, truth, match(detections, truth), label=0, images=IMAGES)
    weighted, recalls = ap.average_precision(plain, counts), ap.recall(plain, counts)
    for row, value, share in zip(counts, np.atleast_1d(weighted), np.atleast_1d(recalls), strict=True):
        repeats = np.repeat(np.arange(IMAGES), row)
        found, there = ([np.flatnonzero(side.image == image) for image in repeats] for side in (detections, truth))
        images = [np.repeat(np.arange(len(repeats)), [len(part) for part in side]) for side in (found, there)]
        first, second = np.concatenate(found), np.concatenate(there)
        again = Detections(images[0], detections.label[first], detections.boxes[first], detections.scores[first])
        whole = Truth(images[1], truth.label[second], truth.boxes[second], truth.ignore[second])
        curve = ap.curve(again, whole, match(again, whole), label=0, images=len(repeats))
        assert share == pytest.approx(ap.recall(curve), abs=1e-12)
        assert value == pytest.approx(ap.average_precision(curve), abs=1e-12)


def test_weight_one_changes_nothing_and_weight_zero_removes_an_image() -> None:
    detections, truth = problem(1)
    plain = ap.curve(detections, truth, match(detections, truth), label=0, images=IMAGES)
    assert ap.average_precision(plain, np.ones(IMAGES)) == ap.average_precision(plain)
    kept = np.arange(IMAGES) != 5
    one, other = (side.image != 5 for side in (detections, truth))
    fewer = Detections(detections.image[one], detections.label[one], detections.boxes[one], detections.scores[one])
    rest = Truth(truth.image[other], truth.label[other], truth.boxes[other], truth.ignore[other])
    curve = ap.curve(fewer, rest, match(fewer, rest), label=0, images=IMAGES)
    assert ap.average_precision(plain, kept * 1.0) == pytest.approx(ap.average_precision(curve), abs=1e-12)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    detections, truth = problem(2)
    plain = ap.curve(detections, truth, match(detections, truth), label=0, images=IMAGES)
    weights = np.random.default_rng(0).integers(0, 3, size=(7, IMAGES))
    whole = ap.average_precision(plain, weights)
    monkeypatch.setattr(ap, "CHUNK", 2 * len(plain.hit))
    np.testing.assert_array_equal(ap.average_precision(plain, weights), whole)


def test_random_order_is_the_mean_over_permutations() -> None:
    rng = np.random.default_rng(0)
    hit = rng.random(400) < 0.3
    curve = Curve(hit, np.zeros(400, dtype=int), np.ones(400), np.where(hit, 0.8, 0.0), np.array([200]))
    values = []
    for _ in range(40):
        mixed = rng.permutation(hit)
        values.append(
            float(
                ap.average_precision(Curve(mixed, curve.image, curve.scores, np.where(mixed, 0.8, 0.0), curve.objects))
            )
        )
    assert ap.random_order(curve) == pytest.approx(np.mean(values), abs=0.02)
    assert ap.random_order(simple([], 2)) == 0
    assert np.isnan(ap.random_order(simple([0], 0)))
