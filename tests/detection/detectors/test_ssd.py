"""SSD: torchvision's losses with hard negatives."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tests.detection import plans
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from counterpoise.detection import anchor_grid
from counterpoise.detection.dense_heads import flat


def test_losses_are_those_of_torchvision() -> None:
    of = replace(plans.plan("ssd", "smooth_l1", sampler="hard_negative"), box_params={"beta": 1.0})
    detector, images = plans.build(of), plans.pictures(1, (128, 128))
    x = [8.0 + 32 * number for number in range(3)]
    seen = plans.truth([[a, b, a + 17, b + 15] for a in x for b in x], [0, 1, 2] * 3)
    found = detector(images, [seen], plans.lesson("ssd"))
    maps = detector.pyramid(images)
    anchors = torch.cat(anchor_grid.on_maps(of.anchors, (8, 16, 32), maps))
    logits, numbers = (
        torch.cat([flat(level, count) for level in head(maps)], dim=1)
        for head, count in ((detector.class_head, 4), (detector.box_head, 4))
    )
    matches = detector.matcher(box_iou(seen.boxes, anchors))
    assert (matches >= 0).sum() >= 6, "three negatives for each are more than the least number of them"
    expected = SSD.compute_loss(
        SimpleNamespace(box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3.0),
        [{"boxes": seen.boxes, "labels": seen.labels + 1}],
        {"bbox_regression": numbers, "cls_logits": logits},
        [anchors],
        [matches],
    )
    torch.testing.assert_close(found["head_class"], expected["classification"])
    torch.testing.assert_close(found["head_box"], expected["bbox_regression"])


@pytest.mark.parametrize(("sampler", "objects"), [("hard_negative", 0.25), ("every", 0.01)])
def test_logits_start_at_the_share_of_background(sampler: str, objects: float) -> None:
    bias = plans.build(plans.plan("ssd", sampler=sampler)).class_head.lasts[0].bias
    probs = bias.reshape(2, 4).softmax(dim=1)
    torch.testing.assert_close(probs[:, 0], torch.full((2,), 1 - objects))
    torch.testing.assert_close(probs[:, 1:], torch.full((2, 3), objects / 3))


def test_levels_may_have_different_numbers_of_anchors() -> None:
    of = plans.plan("ssd")
    uneven = replace(of, anchors=(of.anchors[0][:1], *of.anchors[1:]))
    found = plans.build(uneven)(plans.pictures(), [plans.truth([[8, 8, 24, 24]], [0])] * 2, plans.lesson("ssd"))
    assert all(value.isfinite() for value in found.values())
