"""Backbones, heads, pooling and freezing that make no sense together."""

import pytest

from counterpoise.networks import outlines
from counterpoise.networks.outlines import Outline

CASES = [
    (
        {"model__backbone": "resnet18"},
        "model.weights is 'bundled', but no pip package has weights for 'resnet18'",
        {"model__backbone": "resnet18", "model__weights": "imagenet"},
    ),
    (
        {"model__backbone": "efficientnet_b8", "model__weights": "imagenet"},
        "model.weights is 'imagenet', but timm has no weights for 'efficientnet_b8'",
        {"model__backbone": "efficientnet_b0", "model__weights": "imagenet"},
    ),
    (
        {"model__head": "concat_pool"},
        "model.head is 'concat_pool', which needs the mean and the maximum of each feature map, but model.pool is "
        "'avg'",
        {"model__head": "concat_pool", "model__pool": "avg_max"},
    ),
    (
        {"model__backbone": "test_vit", "model__weights": "none", "model__pool": "avg_max"},
        "model.pool is 'avg_max', but timm's 'test_vit' does not support this pooling",
        {"model__backbone": "test_vit", "model__weights": "none"},
    ),
    (
        {"model__backbone": "vit_tiny_patch16_224", "model__weights": "none", "model__input_px": 64},
        "model.backbone does not accept images of model.input_px 64",
        {"model__backbone": "test_resnet", "model__weights": "none", "model__input_px": 64},
    ),
    (
        {"model__backbone": "test_vit", "model__weights": "none", "model__freeze": "all_but_batchnorm"},
        "model.freeze is 'all_but_batchnorm', but 'test_vit' has no batch norm",
        {"model__freeze": "all_but_batchnorm", "train__augment": "standard", "train__mix": "cutmix"},
    ),
    (
        {"model__freeze": "first_n", "model__freeze_first": 8},
        "model.freeze_first is 8, but 'tf_efficientnet_lite0' has 8 blocks; at least one must be trained",
        {"model__freeze": "first_n", "model__freeze_first": 7, "train__augment": "standard"},
    ),
    (
        {"train__first_rate_frac": 0.1},
        "train.first_rate_frac is 0.1, but with model.freeze 'backbone' no block is trained",
        {"train__first_rate_frac": 0.1, "model__freeze": "all_but_batchnorm", "train__classifier": "retrained"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []


def test_blocks_that_timm_does_not_tell_apart_can_be_neither_frozen_nor_slowed(monkeypatch, problems):
    monkeypatch.setattr(outlines, "outline", lambda *_: Outline(8, 0, has_batchnorm=True, has_imagenet=True))
    unknown = "but timm does not say which blocks"
    (frozen,) = problems(model__freeze="first_n")
    assert f"model.freeze is 'first_n', {unknown}" in frozen
    (slowed,) = problems(model__freeze="none", train__first_rate_frac=0.1)
    assert f"train.first_rate_frac is 0.1, {unknown}" in slowed
