"""Maps of a backbone."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from counterpoise.detection import backbone


def test_maps_have_strides_4_to_32_and_norms_and_first_blocks_stay_frozen() -> None:
    maps = backbone.build("tf_efficientnet_lite0", "none", 0, (1, 2, 3, 4), freeze_first=2, freeze_norms=True).train()
    before = {name: value.clone() for name, value in maps.named_buffers()}
    found = maps(torch.rand(2, 3, 64, 96))
    assert [tuple(level.shape[-2:]) for level in found.values()] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert all(torch.equal(value, before[name]) for name, value in maps.named_buffers())
    frozen = [parameter for parameter in maps.parameters() if not parameter.requires_grad]
    assert 0 < len(frozen) < len(list(maps.parameters()))
    assert not any(module.training for module in maps.modules() if isinstance(module, _BatchNorm))


def test_norms_learn_where_they_are_not_frozen() -> None:
    maps = backbone.build("tf_efficientnet_lite0", "none", 0, (2,), freeze_first=0, freeze_norms=False).train()
    assert all(module.training for module in maps.modules() if isinstance(module, _BatchNorm))
    assert all(parameter.requires_grad for parameter in maps.parameters())
