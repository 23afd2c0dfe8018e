"""Every neck: shapes, odd sizes, gradients, and the plain pyramid as a limit of path aggregation."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from counterpoise.config import InputError
from counterpoise.detection import necks
from counterpoise.detection.necks import pafpn

CHANNELS = [3, 5, 7]


def maps(sides: tuple[int, ...] = (16, 8, 4)) -> OrderedDict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return OrderedDict(
        (str(level), torch.randn(2, count, side, side + 1, generator=generator))
        for level, (count, side) in enumerate(zip(CHANNELS, sides, strict=True))
    )


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return necks.find(name).build(CHANNELS, 6)


@pytest.mark.parametrize("name", necks.names())
@pytest.mark.parametrize("sides", [(16, 8, 4), (25, 13, 7), (25, 12, 6), (2, 1, 1)])
def test_maps_keep_names_order_and_sizes(name: str, sides: tuple[int, ...]) -> None:
    found = build(name)(maps(sides))
    assert list(found) == ["0", "1", "2"]
    assert [tuple(level.shape) for level in found.values()] == [(2, 6, side, side + 1) for side in sides]


@pytest.mark.parametrize("name", necks.names())
def test_every_parameter_learns(name: str) -> None:
    neck = build(name)
    torch.autograd.backward(torch.stack([(level**2).sum() for level in neck(maps()).values()]).sum())
    for key, parameter in neck.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.any(), key


def test_which_levels_a_level_depends_on() -> None:
    seen = {}
    for name in necks.names():
        inputs = {level: values.requires_grad_() for level, values in maps().items()}
        found = build(name)(OrderedDict(inputs))
        gradients = torch.autograd.grad(found["1"].sum(), list(inputs.values()), allow_unused=True)
        seen[name] = [gradient is not None for gradient in gradients]
    assert seen == {"none": [False, True, False], "fpn": [False, True, True], "pafpn": [True, True, True]}


def test_path_aggregation_without_its_path_is_the_pyramid() -> None:
    plain, neck = build("fpn"), build("pafpn")
    assert isinstance(neck.fpn, nn.Module)
    neck.fpn.load_state_dict(plain.state_dict())
    for key, parameter in neck.named_parameters():
        if key.startswith(("down", "convs")):
            nn.init.zeros_(parameter)
        if key.startswith("convs") and key.endswith("weight"):
            nn.init.dirac_(parameter)
    for level, values in plain(maps()).items():
        torch.testing.assert_close(neck(maps())[level], values)


def test_pooling_takes_the_largest_of_all_levels() -> None:
    generator = torch.Generator().manual_seed(1)
    levels = [torch.randn(2, 4, side, side, generator=generator) for side in (16, 8)]
    boxes = [torch.tensor([[4.0, 4.0, 60.0, 70.0]]), torch.tensor([[0.0, 0.0, 9.0, 9.0], [100.0, 90.0, 128.0, 128.0]])]
    found = pafpn.pool(levels, boxes, strides=[8, 16], side=7)
    single = [
        roi_align(level, boxes, 7, spatial_scale=1 / stride, sampling_ratio=2, aligned=True)
        for level, stride in zip(levels, (8, 16), strict=True)
    ]
    assert found.shape == (3, 4, 7, 7)
    assert found.equal(torch.maximum(*single))
    torch.testing.assert_close(pafpn.pool(levels[:1], boxes, strides=[8], side=7), single[0])


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"detector.neck is 'pafn'; .*did you mean 'pafpn'"):
        necks.find("pafn")
