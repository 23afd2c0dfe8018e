"""FCOS: torchvision's losses, and what it refuses."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from tests.detection import plans
from torchvision.models.detection._utils import BoxLinearCoder
from torchvision.models.detection.fcos import FCOSHead

from counterpoise.detection import anchor_grid, assignment
from counterpoise.detection.detectors import fcos

SEEN = plans.truth([[10.0, 15, 32, 25], [40, 8, 80, 60], [41, 10, 84, 60]], [0, 2, 1])


def test_losses_are_those_of_torchvision() -> None:
    from torchvision.ops import sigmoid_focal_loss

    detector, images = plans.build(plans.plan("fcos")), plans.pictures()
    pictures = [SEEN, plans.truth([], [])]
    focal = partial(sigmoid_focal_loss, reduction="none")
    found = detector(images, pictures, plans.lesson("fcos", class_loss=focal))
    maps = detector.pyramid(images)
    strides = (8, 16, 32)
    levels = anchor_grid.on_maps([[(stride, stride)] for stride in strides], strides, maps)
    pairs = [detector._distances(level, scale) for level, scale in zip(maps, detector.scales, strict=True)]
    assigned = [assignment.by_centre(levels, strides, of) for of in pictures]
    expected = FCOSHead.compute_loss(
        SimpleNamespace(box_coder=BoxLinearCoder(normalize_by_size=True)),
        [{"boxes": of.boxes, "labels": of.labels} for of in pictures],
        {
            "cls_logits": detector.class_head(maps),
            "bbox_regression": torch.cat([pair[0] for pair in pairs], dim=1),
            "bbox_ctrness": torch.cat([pair[1] for pair in pairs], dim=1),
        },
        [torch.cat(levels)] * 2,
        [torch.where(of.labels > 0, of.objects, -1) for of in assigned],
    )
    for key, name in (("class", "classification"), ("box", "bbox_regression"), ("centreness", "bbox_ctrness")):
        torch.testing.assert_close(found[f"head_{key}"], expected[name], msg=key)


def test_scores_are_geometric_means_of_class_and_centreness() -> None:
    detector, images = plans.build(plans.plan("fcos")), plans.pictures(1)
    with torch.no_grad():
        detector.class_head.cls_logits.bias.fill_(0.0)
        detector.class_head.cls_logits.weight.zero_()
        detector.box_head.bbox_ctrness.weight.zero_()
        detector.box_head.bbox_ctrness.bias.fill_(-1.0986123)  # a centreness of 1/4
        found = detector(images)[0]
    assert found.scores.tolist() == pytest.approx([(0.5 * 0.25) ** 0.5] * len(found.scores))


@pytest.mark.parametrize(
    ("box_loss", "changes", "message"),
    [
        ("l1", {}, "box_loss 'l1' compares; set box_loss to 'giou'"),
        ("kl", {}, "box_loss 'kl' compares"),
        ("giou", {"channels": 72}, "detector.channels is 72; set it to a multiple of 32, such as 64"),
        ("giou", {"after_regression": True}, "set detector.after_regression to false"),
        ("giou", {"sampler": "iou_balanced"}, "set detector.sampler to 'every'"),
    ],
)
def test_what_needs_anchors_or_other_channels_is_refused(
    box_loss: str, changes: dict[str, object], message: str
) -> None:
    found = list(fcos.conflicts(plans.section("fcos", **changes), box_loss))
    assert len(found) == 1
    assert message in found[0]


def test_the_plain_detector_is_not_refused() -> None:
    assert list(fcos.conflicts(plans.section("fcos"), "giou")) == []
