"""Cascade R-CNN: Faster R-CNN as its limit, weights of stages, and the mean of their classifiers."""

import pytest
import torch
from tests.detection.two_stage_problems import SIDE, TWO, check_found, gradients, lesson, net, pictures, section

from counterpoise.detection import regions
from counterpoise.detection.detectors import cascade_rcnn

ONE = {"ious": [0.5], "weights": [1.0]}


def test_one_stage_at_an_iou_of_a_half_is_faster_rcnn() -> None:
    plain, cascade = net(), net(name="cascade_rcnn", cascade=ONE)
    assert plain.KEYS == cascade.KEYS
    cascade.load_state_dict(plain.state_dict())
    images = pictures(TWO)
    first, second = gradients(plain, images, TWO), gradients(cascade, images, TWO)
    assert all(first[name].equal(second[name]) for name in first)
    with torch.no_grad():
        for one, other in zip(plain(images), cascade(images), strict=True):
            assert one.boxes.equal(other.boxes)
            assert one.scores.equal(other.scores)


def test_losses_of_a_stage_have_its_weight() -> None:
    images = pictures(TWO)
    full, half = (
        net(name="cascade_rcnn", cascade={"ious": [0.5, 0.6, 0.7], "weights": [1.0, 1.0, weight]})(
            images, TWO, lesson()
        )
        for weight in (1.0, 0.25)
    )
    assert tuple(full) == ("rpn_class", "rpn_box", *(f"roi{n}_{k}" for n in ("", 2, 3) for k in ("class", "box")))
    for name, value in full.items():
        factor = 0.25 if name.startswith("roi3") else 1
        assert half[name].item() == pytest.approx(factor * value.item()), name
    assert full["roi3_box"].item() > 0, "true boxes are added at each stage"


def test_offsets_of_later_stages_count_more() -> None:
    detector = net(name="cascade_rcnn")
    assert [rule.coder_weights for rule in detector.rules] == [(10, 10, 5, 5), (20, 20, 10, 10)]
    assert [rule.iou for rule in detector.rules] == [0.5, 0.6]


def test_the_last_stage_looks_at_refined_boxes_and_the_scores_are_the_mean_of_all_classifiers() -> None:
    detector, images = net(name="cascade_rcnn"), pictures(TWO)
    first, second = detector.stages
    torch.nn.init.normal_(first.boxes.weight, std=0.3)
    torch.nn.init.normal_(second.boxes.weight, std=0.3)
    torch.nn.init.normal_(second.classes.weight, std=0.3)
    with torch.no_grad():
        found = detector(images)
        check_found(found)
        maps = detector.neck(detector.maps(images))
        coarser = torch.nn.functional.max_pool2d(maps["1"], 1, 2)
        proposed = detector.first([*maps.values(), coarser], (SIDE, SIDE)).boxes
        moved = [
            regions.inside(
                regions.decode(first(detector.pool(maps, [own] * 2, [(SIDE, SIDE)] * 2)).codes[part], own, rule),
                (SIDE, SIDE),
            )
            for own, rule, part in (
                (proposed[0], detector.rules[0], slice(0, len(proposed[0]))),
                (proposed[1], detector.rules[0], slice(len(proposed[1]), None)),
            )
        ]
        pooled = detector.pool(maps, moved, [(SIDE, SIDE)] * 2)
        probs = (first(pooled).logits.softmax(1) + second(pooled).logits.softmax(1)) / 2
        boxes = regions.decode(second(pooled).codes, torch.cat(moved), detector.rules[1])
    best = probs[:, 1:].max()
    row, label = (probs[:, 1:] == best).nonzero()[0].tolist()
    of = found[0 if row < len(moved[0]) else 1]
    assert of.scores[0].item() == pytest.approx(best.item())
    assert of.labels[0] == label
    torch.testing.assert_close(of.boxes[0], regions.inside(boxes[row : row + 1], (SIDE, SIDE))[0])


def test_what_makes_no_sense_is_refused_with_the_way_out() -> None:
    assert list(cascade_rcnn.conflicts(section(), "kl")) == []
    (line,) = cascade_rcnn.conflicts(section(cascade={"ious": [0.5, 0.6], "weights": [1.0]}), "l1")
    assert "has 2 stages and detector.cascade.weights 1" in line
    (line,) = cascade_rcnn.conflicts(section(cascade={"ious": [0.7, 0.5], "weights": [1.0, 1.0]}), "l1")
    assert "set detector.cascade.ious to [0.5, 0.7]" in line
