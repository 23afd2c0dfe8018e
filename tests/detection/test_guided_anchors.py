"""Guided anchors: shapes by hand, the plain convolution as a limit, and losses that stay finite."""

import math

import pytest
import torch
from torch import Tensor, nn

from counterpoise.detection import guided_anchors as guided
from counterpoise.detection.guided_anchors import Guided, Params

PARAMS = Params(scale=4.0, centre_frac=0.2, ignore_frac=0.5, least_score=0.01)
STRIDES = [8, 16, 32]
NONE = torch.zeros(0, 4)
TRUTH = [torch.tensor([[32.0, 32.0, 96.0, 96.0], [8.0, 8.0, 24.0, 40.0]]), NONE]


def maps(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 8, side, side, generator=generator).to(dtype) for side in (16, 8, 4)]


def module() -> nn.Module:
    torch.manual_seed(0)
    return guided.build(8)


def test_sides_by_hand() -> None:
    shapes = torch.tensor([0.0, -math.log(2), 1000.0, -1000.0])
    assert guided.sides_px(shapes, stride=8, scale=8.0).tolist() == pytest.approx([64, 32, 4000, 1.024], rel=1e-5)


def test_anchors_of_neutral_shape_are_squares_about_their_cells() -> None:
    zeros = [torch.zeros(1, 2, side, side) for side in (3, 2)]
    found = guided.anchors(Guided([level[:, :1] for level in zeros], zeros, zeros), [8, 16], PARAMS)
    assert found[0].boxes[0, 0, 2].tolist() == [20 - 16, 4 - 16, 20 + 16, 4 + 16]
    assert found[1].boxes[0, 1, 0].tolist() == [8 - 32, 24 - 32, 8 + 32, 24 + 32]
    assert found[0].kept.all()


def test_unlikely_places_have_no_anchor_but_one_is_always_kept() -> None:
    location = torch.full((2, 1, 2, 2), -10.0)
    location[0, 0, 0, 1], location[1, 0, 1, 0] = 1.0, -9.0
    shape = torch.zeros(2, 2, 2, 2)
    (found,) = guided.anchors(Guided([location], [shape], [shape]), [8], PARAMS)
    assert found.kept.nonzero().tolist() == [[0, 0, 1], [1, 1, 0]]


def test_without_offsets_the_features_are_those_of_a_plain_convolution() -> None:
    net = module()
    assert isinstance(net.offset, nn.Conv2d)
    assert isinstance(net.adapt, nn.Module)
    nn.init.zeros_(net.offset.weight)
    found = net(maps())
    weight, bias = net.adapt.weight, net.adapt.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    for level, features in zip(maps(), found.features, strict=True):
        plain = nn.functional.conv2d(level, weight, bias, padding=1).relu()
        torch.testing.assert_close(features, plain, atol=1e-5, rtol=1e-4)


def test_locations_start_at_one_in_a_hundred() -> None:
    found = module()(maps())
    assert torch.stack([level.sigmoid().mean() for level in found.locations]).mean().item() == pytest.approx(
        0.01, abs=0.001
    )


def test_perfect_anchors_and_sure_locations_have_no_loss() -> None:
    truth = torch.tensor([[32.0, 32.0, 96.0, 96.0]])  # side 64 = 4 * 16
    location = torch.full((1, 1, 8, 8), -20.0)
    location[0, 0, 3:5, 3:5] = 20.0
    others = [torch.full((1, 1, side, side), -20.0) for side in (16, 4)]
    shapes = [torch.zeros(1, 2, side, side) for side in (16, 8, 4)]
    found = guided.losses(Guided([others[0], location, others[1]], shapes, shapes), [truth], [NONE], STRIDES, PARAMS)
    assert found["guided_class"].item() == pytest.approx(0, abs=1e-6)
    assert found["guided_box"].item() == pytest.approx(0, abs=1e-6)


def test_the_loss_of_shapes_by_hand() -> None:
    truth = torch.tensor([[32.0, 32.0, 96.0, 96.0]])
    shapes = [torch.zeros(1, 2, side, side) for side in (16, 8, 4)]
    shapes[1][:, 0] = math.log(0.5)  # half as wide: 1 - 0.5, smooth L1 with beta 0.2: 0.5 - 0.1
    locations = [torch.zeros(1, 1, side, side) for side in (16, 8, 4)]
    found = guided.losses(Guided(locations, shapes, shapes), [truth], [NONE], STRIDES, PARAMS)
    assert found["guided_box"].item() == pytest.approx(0.4, abs=1e-6)


def test_all_parameters_learn_and_images_without_objects_teach_locations() -> None:
    net = module()
    found = net(maps())
    losses = guided.losses(found, TRUTH, [NONE, NONE], STRIDES, PARAMS)
    total = losses["guided_class"] + losses["guided_box"] + sum(level.sum() for level in found.features)
    torch.autograd.backward(total)
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name
    empty = guided.losses(net(maps()), [NONE, NONE], [NONE, NONE], STRIDES, PARAMS)
    assert empty["guided_class"].item() > 0
    assert empty["guided_box"].item() == 0
    net.zero_grad()
    torch.autograd.backward(empty["guided_class"] + empty["guided_box"])
    assert isinstance(net.location, nn.Conv2d)
    assert net.location.weight.grad is not None
    assert net.location.weight.grad.any()


def test_ignored_places_change_no_loss() -> None:
    found = module()(maps())
    place = torch.tensor([[0.0, 0.0, 60.0, 60.0]])
    before = guided.losses(found, [TRUTH[0], NONE], [NONE, place], STRIDES, PARAMS)
    found.locations[0].data[1, 0, :7, :7] = 30.0
    after = guided.losses(found, [TRUTH[0], NONE], [NONE, place], STRIDES, PARAMS)
    assert before["guided_class"].item() == after["guided_class"].item()


def test_huge_shapes_in_half_precision_do_not_overflow() -> None:
    shapes = [torch.full((1, 2, side, side), 60.0, dtype=torch.float16, requires_grad=True) for side in (16, 8, 4)]
    locations = [torch.full((1, 1, side, side), -40.0, dtype=torch.float16) for side in (16, 8, 4)]
    predicted = Guided(locations, shapes, shapes)
    found = guided.losses(predicted, TRUTH[:1], [NONE], STRIDES, PARAMS)
    assert torch.isfinite(found["guided_box"])
    assert torch.isfinite(found["guided_class"])
    gradients = torch.autograd.grad(found["guided_box"], shapes)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert all(torch.isfinite(level.boxes).all() for level in guided.anchors(predicted, STRIDES, PARAMS))
