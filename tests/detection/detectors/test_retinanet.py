"""RetinaNet: torchvision's losses, and its heads."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from tests.detection import plans
from torchvision.models.detection.retinanet import RetinaNetClassificationHead, RetinaNetRegressionHead
from torchvision.ops import box_iou, sigmoid_focal_loss

from counterpoise.config import InputError
from counterpoise.detection import anchor_grid
from counterpoise.detection.dense_heads import flat
from counterpoise.detection.detectors import retinanet

SEEN = plans.truth([[8.0, 15, 32, 25], [40, 8, 80, 60], [41, 10, 84, 60]], [0, 2, 1])


def test_losses_are_those_of_torchvision_but_for_the_divisor() -> None:
    of = plans.plan("retinanet", "l1")
    detector, images = plans.build(of), plans.pictures(1)
    focal = partial(sigmoid_focal_loss, reduction="none")
    found = detector(images, [SEEN], plans.lesson("retinanet", class_loss=focal))
    maps = detector.pyramid(images)
    anchors = torch.cat(anchor_grid.on_maps(of.anchors, (8, 16, 32), maps))
    outputs = [
        torch.cat([flat(level, numbers) for level in head(maps)], dim=1)
        for head, numbers in ((detector.class_head, 3), (detector.box_head, 4))
    ]
    matches = detector.matcher(box_iou(SEEN.boxes, anchors))
    targets = [{"boxes": SEEN.boxes, "labels": SEEN.labels}]
    classes = RetinaNetClassificationHead(8, 2, 3).compute_loss(targets, {"cls_logits": outputs[0]}, [matches])
    boxes = RetinaNetRegressionHead(8, 2).compute_loss(targets, {"bbox_regression": outputs[1]}, [anchors], [matches])
    torch.testing.assert_close(found["head_class"], classes)
    torch.testing.assert_close(found["head_box"], boxes)
    assert (matches >= 0).sum() >= 3
    assert (matches == -2).any()
    twice = detector(
        images.repeat(2, 1, 1, 1), [SEEN, plans.truth([], [])], plans.lesson("retinanet", class_loss=focal)
    )
    torch.testing.assert_close(twice["head_box"], boxes, msg="divided by the positives of the batch, not of a picture")


def test_every_class_starts_at_a_probability_of_one_in_a_hundred() -> None:
    detector = plans.build(plans.plan("retinanet"))
    assert detector.class_head.lasts[0].bias.tolist() == pytest.approx([-math.log(99)] * 6)


def test_levels_with_different_numbers_of_anchors_are_refused() -> None:
    of = plans.plan("retinanet")
    uneven = replace(of, anchors=(of.anchors[0][:1], *of.anchors[1:]))
    with pytest.raises(InputError, match=r"they have \[1, 2, 2\] anchors.*set detector.anchors.kind to 'stated'"):
        retinanet.build(plans.Maps(), [8, 8], [8, 16], uneven)
