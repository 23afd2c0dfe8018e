"""Which tensors of a backbone are frozen, how it is divided into blocks, and how fast each of them learns."""

from typing import Any

import pytest
import torch
from torch import nn

from counterpoise.config import InputError
from counterpoise.networks import freezing
from counterpoise.networks.backbones import build_backbone
from counterpoise.networks.heads import build_head
from counterpoise.networks.network import Network, rate_fracs

FIRST_TWO = {
    "resnet18": ("conv1.", "bn1.", "layer1."),
    "efficientnet_b0": ("conv_stem.", "bn1.", "blocks.0."),
    "tf_efficientnet_lite0": ("conv_stem.", "bn1.", "blocks.0."),
    "densenet121": ("features.conv0.", "features.norm0.", "features.denseblock1.", "features.transition1."),
}
"""Names of all that stands in the first two blocks."""
LAST = {
    "resnet18": ("layer4.",),
    "efficientnet_b0": ("blocks.6.", "conv_head.", "bn2."),
    "tf_efficientnet_lite0": ("blocks.6.", "conv_head.", "bn2."),
    "densenet121": ("features.norm5.",),
}


@pytest.mark.parametrize("name", FIRST_TWO)
def test_blocks_are_the_stem_and_the_stages_and_hold_every_parameter_once(name: str) -> None:
    backbone = build_backbone(name, "none", 0)
    found = freezing.blocks(backbone)
    every = [parameter for block in found for parameter in block]
    assert sorted(every) == sorted(key for key, _ in backbone.named_parameters())
    first = {key for block in found[:2] for key in block}
    assert first == {key for key in every if key.startswith(FIRST_TWO[name])}
    assert set(found[-1]) == {key for key in every if key.startswith(LAST[name])}


def test_a_backbone_without_blocks_is_refused() -> None:
    with pytest.raises(InputError, match="timm defines no blocks for"):
        freezing.blocks(nn.Linear(2, 2))


def asked(how: str, first: int = 1, name: str = "resnet18") -> tuple[Any, set[str]]:
    """Freeze a backbone; return it and the names of what is trained."""
    backbone = build_backbone(name, "none", 0)
    freezing.freeze(backbone, how, first)
    return backbone, {key for key, parameter in backbone.named_parameters() if parameter.requires_grad}


def test_each_way_to_freeze_asks_for_the_gradients_of_the_rest() -> None:
    backbone, every = asked("none")
    assert every == {key for key, _ in backbone.named_parameters()}
    assert asked("backbone")[1] == set()
    norms = {key for key in every if "bn" in key or "downsample.1" in key}
    assert asked("all_but_batchnorm")[1] == norms
    assert asked("first_n", 2)[1] == {key for key in every if not key.startswith(FIRST_TWO["resnet18"])}
    assert asked("first_n", 4)[1] == {key for key in every if key.startswith("layer4.")}


def in_evaluation(how: str, first: int = 1) -> set[str]:
    """Name the batch norms that keep their statistics while a network trains."""
    backbone, _ = asked(how, first)
    network = Network(backbone, nn.BatchNorm1d(512))
    assert network.train() is network
    assert network.head.training
    found = {key for key, module in backbone.named_modules() if isinstance(module, nn.BatchNorm2d)}
    held = {key for key in found if not backbone.get_submodule(key).training}
    network.eval()
    assert not any(module.training for module in network.modules())
    return held


def test_norms_of_what_is_frozen_keep_their_statistics_and_others_do_not() -> None:
    every = in_evaluation("backbone")
    assert len(every) == 20
    assert in_evaluation("none") == in_evaluation("all_but_batchnorm") == set()
    assert in_evaluation("first_n", 2) == {"bn1", *(key for key in every if key.startswith("layer1."))}


def test_batch_norms_are_told_from_other_norms() -> None:
    assert freezing.has_batchnorm(build_backbone("densenet121", "none", 0))
    assert not freezing.has_batchnorm(build_backbone("test_vit", "none", 0))
    assert not freezing.has_batchnorm(nn.BatchNorm2d(3, affine=False))


def test_rates_rise_by_equal_factors_from_the_first_block_to_the_head() -> None:
    backbone = build_backbone("resnet18", "none", 0)
    fracs = freezing.rate_fracs(backbone, 0.01)
    by_block = [fracs[key] for key in ("conv1.weight", *(f"layer{stage}.0.conv1.weight" for stage in (1, 2, 3, 4)))]
    assert by_block == pytest.approx([0.01 * 100 ** (k / 5) for k in range(5)])
    assert by_block[-1] * 100**0.2 == pytest.approx(1)  # the head
    assert set(fracs) == {key for key, _ in backbone.named_parameters()}
    assert freezing.rate_fracs(backbone, 1.0) == {}


def test_the_first_rate_is_that_of_the_first_block_that_is_trained() -> None:
    backbone, trained = asked("first_n", 3)
    fracs = freezing.rate_fracs(backbone, 0.01)
    assert {key for key in fracs if key.startswith(("layer3.", "layer4."))} == set(fracs) == trained
    assert fracs["layer3.0.conv1.weight"] == pytest.approx(0.01)
    assert fracs["layer4.0.conv1.weight"] == pytest.approx(0.1)
    every = sorted(set(freezing.rate_fracs(asked("all_but_batchnorm")[0], 0.01).values()))
    assert every == pytest.approx([0.01 * 100 ** (k / 5) for k in range(5)])


def test_rates_go_by_the_names_of_the_whole_network_and_a_head_alone_has_none() -> None:
    backbone = build_backbone("test_resnet", "none", 0)
    network = Network(backbone, build_head("linear", 8, 2, 0.0, seed=0))
    names = {key for key, _ in network.named_parameters() if key.startswith("backbone.")}
    assert set(rate_fracs(network, 0.1)) == names
    assert rate_fracs(network.head, 0.1) == {}
    assert min(rate_fracs(network, 0.1).values()) == pytest.approx(0.1)
    assert torch.tensor(sorted(rate_fracs(network, 0.1).values())).max() < 1
