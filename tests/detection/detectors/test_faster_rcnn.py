"""Faster R-CNN: it learns two pictures, and says what does not work with it."""

import torch
from tests.detection.two_stage_problems import TWO, check_found, lesson, net, pictures, section
from torchvision.ops import box_iou

from counterpoise.detection.detectors import faster_rcnn


def test_it_learns_two_pictures() -> None:
    detector, images = net(hidden=64), pictures(TWO)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=4e-3)
    for seed in range(140):
        optimizer.zero_grad()
        torch.autograd.backward(list(detector(images, TWO, lesson(seed)).values()))
        optimizer.step()
    with torch.no_grad():
        found = detector(images)
    check_found(found)
    for own, of in zip(TWO, found, strict=True):
        sure = of.scores > 0.5
        for box, label in zip(own.boxes, own.labels, strict=True):
            assert box_iou(box[None], of.boxes[sure & (of.labels == label)]).max() >= 0.5


def test_the_keys_are_its_losses_and_its_defaults_have_no_conflict() -> None:
    assert net().KEYS == ("rpn_class", "rpn_box", "roi_class", "roi_box")
    assert list(faster_rcnn.conflicts(section(), "kl")) == []


def test_what_makes_no_sense_is_refused_with_the_way_out() -> None:
    (line,) = faster_rcnn.conflicts(section(after_regression=True), "l1")
    assert "set detector.after_regression to false" in line
    (line,) = faster_rcnn.conflicts(section(levels=[1, 3, 4]), "l1")
    assert "detector.levels is [1, 3, 4]" in line
    assert "set detector.levels to [1, 2, 3]" in line
