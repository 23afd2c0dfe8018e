"""First stage: torchvision as oracle, ignored places, and guided anchors."""

import math
from typing import Any

import pytest
import torch
from tests.detection import two_stage_problems as problems
from tests.detection.two_stage_problems import NONE, SIDE, TWO, truth
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork

from counterpoise.detection import guided_anchors, region_proposals
from counterpoise.detection.region_proposals import Places, Proposed

STRIDES, ANCHORS = [8, 16], [[(16.0, 16.0)], [(32.0, 32.0)]]
GUIDED = guided_anchors.Params.model_validate(problems.GUIDED)


def levels() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 8, SIDE // stride, SIDE // stride, generator=generator) for stride in STRIDES]


def test_losses_and_proposals_are_those_of_torchvision() -> None:
    torch.manual_seed(0)
    stage: Any = region_proposals.build(8, STRIDES, ANCHORS, 20, None)
    for layer in (stage.head.cls_logits, stage.head.bbox_pred):
        torch.nn.init.normal_(layer.weight, std=0.3)
    top = {"training": 20, "testing": 20}
    generator = AnchorGenerator(((16,), (32,)), ((1.0,),) * 2)
    centred = zip(generator.cell_anchors, STRIDES, strict=True)  # torchvision has them at the corner of a cell
    generator.cell_anchors = [anchors + stride / 2 for anchors, stride in centred]
    oracle = RegionProposalNetwork(generator, stage.head, 0.7, 0.3, 256, 0.5, top, top, 0.7)
    images = ImageList(torch.zeros(2, 3, SIDE, SIDE), [(SIDE, SIDE)] * 2)
    targets = [{"boxes": own.boxes} for own in TWO]
    boxes, losses = oracle(images, {str(number): level for number, level in enumerate(levels())}, targets)
    found: Proposed = stage(levels(), (SIDE, SIDE), TWO, torch.Generator())  # 80 anchors: all teach
    torch.testing.assert_close(found.losses["rpn_class"], losses["loss_objectness"])
    torch.testing.assert_close(found.losses["rpn_box"], losses["loss_rpn_box_reg"])
    for own, wanted in zip(found.boxes, boxes, strict=True):
        torch.testing.assert_close(own, wanted)
        assert not own.requires_grad
    assert stage(levels(), (SIDE, SIDE)).losses == {}


def test_anchors_in_ignored_places_teach_nothing() -> None:
    boxes = torch.tensor([[0.0, 0, 16, 16], [32, 32, 48, 48], [40, 0, 56, 16]])
    places = [Places(boxes, torch.ones(3, dtype=torch.bool))]
    shown = [truth([[0, 0, 16, 17]], [0], torch.tensor([[30.0, 30, 64, 64]]))]
    codes = torch.zeros(1, 3, 4)
    first, second = (
        region_proposals._losses(torch.tensor([[2.0, logit, -1.0]]), codes, places, shown, torch.Generator())
        for logit in (-5.0, 5.0)
    )
    assert first == second
    wanted = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert first["rpn_class"].item() == pytest.approx(wanted)


def test_without_anything_to_learn_from_losses_are_0_with_a_gradient() -> None:
    for guided in (None, GUIDED):
        stage: Any = region_proposals.build(8, STRIDES, [] if guided else ANCHORS, 20, guided)
        everything = truth([], [], torch.tensor([[-100.0, -100.0, 200.0, 200.0]]))
        found: Proposed = stage(levels(), (SIDE, SIDE), [everything] * 2, torch.Generator())
        assert [value.item() for value in found.losses.values()] == [0] * len(
            region_proposals.keys(guided=bool(guided))
        )
        torch.autograd.backward(list(found.losses.values()))


def test_guided_anchors_replace_stated_ones_and_their_losses_weigh_1_and_a_tenth() -> None:
    torch.manual_seed(0)
    stage: Any = region_proposals.build(8, STRIDES, [], 20, GUIDED)
    found: Proposed = stage(levels(), (SIDE, SIDE), TWO, torch.Generator())
    assert tuple(sorted(found.losses)) == tuple(sorted(region_proposals.keys(guided=True)))
    plain = guided_anchors.losses(
        stage.guide(levels()),
        [own.boxes for own in TWO],
        [NONE, NONE],
        STRIDES,
        GUIDED,
    )
    assert found.losses["guided_class"].item() == pytest.approx(plain["guided_class"].item())
    assert found.losses["guided_box"].item() == pytest.approx(plain["guided_box"].item() / 10)
    torch.nn.init.constant_(stage.guide.location.bias, -20.0)
    rare: Proposed = stage(levels(), (SIDE, SIDE))
    assert [len(own) <= len(STRIDES) for own in rare.boxes] == [True, True], "one anchor of each level is left"
    assert all(len(own) for own in rare.boxes)


def test_levels_without_anchors_of_the_same_number_are_refused() -> None:
    for anchors in ([[(8.0, 8.0)], [(8.0, 8.0)] * 2], [[(8.0, 8.0)]]):
        with pytest.raises(ValueError, match="expected the same number, at least 1, on each of 2 levels"):
            region_proposals.build(8, STRIDES, anchors, 20, None)
