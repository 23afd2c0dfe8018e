"""Backbones against timm and weights loaded by hand; heads, normalisation, devices and precision."""

from contextlib import nullcontext
from typing import Any, get_args

import numpy as np
import pytest
import timm
import torch

from counterpoise.artifacts.model import Card
from counterpoise.config import InputError, Model
from counterpoise.conflicts.network import POOL_OF_HEAD
from counterpoise.networks import outlines
from counterpoise.networks.backbones import POOLS, build_backbone, normalisation, normalise, width
from counterpoise.networks.devices import autocast, pick_device, pick_precision
from counterpoise.networks.heads import HEADS, build_head, last_layer
from counterpoise.networks.network import Network, rebuild

LITE0 = "tf_efficientnet_lite0"


def an_image_batch(size_px: int = 64, count: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, 3, size_px, size_px)).astype(np.float32))


def test_random_weights_follow_from_the_seed_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (build_backbone("test_efficientnet", "none", seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_backbone_ends_in_pooled_features() -> None:
    backbone = build_backbone("test_efficientnet", "none", 0)
    assert backbone.eval()(an_image_batch(32)).shape == (2, 256)
    assert width(backbone, 32) == 256


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "densenet121", LITE0])
def test_avg_max_puts_the_maximum_of_each_map_beside_its_mean(name: str) -> None:
    images = an_image_batch(64)
    plain, wide = (build_backbone(name, "none", 0, pool).eval() for pool in ("avg", "avg_max"))
    whole: Any = timm.create_model(name, pretrained=False)
    whole.load_state_dict(plain.state_dict(), strict=False)
    with torch.inference_mode():
        maps = whole.eval().forward_features(images)
        torch.testing.assert_close(wide(images), torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1))
        torch.testing.assert_close(plain(images), maps.mean(dim=(2, 3)))
    assert width(wide, 64) == 2 * width(plain, 64) == 2 * maps.shape[1]


@pytest.mark.parametrize("name", ["test_vit", "vit_tiny_patch16_224"])
def test_avg_is_the_mean_of_all_patches_of_a_transformer_whose_makers_take_one_token(name: str) -> None:
    makers: Any = timm.create_model(name, pretrained=False)
    px = makers.patch_embed.img_size[0]
    mean, made = (build_backbone(name, "none", 0, pool).eval() for pool in ("avg", "as_made"))
    whole: Any = made
    with torch.inference_mode():
        tokens = whole.forward_features(an_image_batch(px))
        torch.testing.assert_close(made(an_image_batch(px)), tokens[:, 0])
        torch.testing.assert_close(mean(an_image_batch(px)), tokens[:, whole.num_prefix_tokens :].mean(dim=1))


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("behind", ["alone", "behind a backbone"])
def test_a_head_tells_apart_in_half_precision_what_it_tells_apart_in_full(name: str, behind: str) -> None:
    """Logits of bfloat16 from 16 on lie 0.125 apart."""
    head = build_head(name, 16, 2, 0.0, seed=0, hidden=32).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in head.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    network = head if behind == "alone" else Network(torch.nn.Identity(), head).eval()
    features = torch.randn(2000, 16, generator=generator)
    with torch.inference_mode():
        exact = network(features)
        with autocast(torch.device("cpu"), torch.bfloat16):
            found = network(features)
            again = network(features.bfloat16())
    assert torch.equal(found, exact)
    assert again.dtype == torch.float32
    assert len(again[:, 1].unique()) > 1900


def test_the_width_is_measured_as_timms_own_figure_is_not_always_that_of_the_features() -> None:
    backbone: Any = build_backbone("mobilenetv3_small_100", "none", 0)
    assert (width(backbone.train(), 32), backbone.num_features) == (1024, 576)
    assert backbone.training


def test_a_size_that_a_backbone_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match=r"does not accept images of model\.input_px 64"):
        width(build_backbone("vit_tiny_patch16_224", "none", 0), 64)


def test_pooling_that_a_backbone_cannot_do_is_refused() -> None:
    with pytest.raises(InputError, match=r"model\.pool is 'avg_max', but timm's 'test_vit' does not support"):
        build_backbone("test_vit", "none", 0, "avg_max")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("resnet18", (512, 5)), ("efficientnet_b0", (1280, 8)), ("densenet121", (1024, 6)), (LITE0, (1280, 8))],
)
def test_an_outline_is_that_of_the_documentation(name: str, expected: tuple[int, int]) -> None:
    found = outlines.outline(name, "avg", 64)
    assert (found.width, found.blocks) == expected
    assert found.has_batchnorm


def test_an_unknown_backbone_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'tf_efficientnet_lite0'") as refusal:
        build_backbone("tf_eficientnet_lite0", "none", 0)
    assert "model.backbone is 'tf_eficientnet_lite0'" in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_a_backbone_like_no_other_is_refused_without_a_thousand_names() -> None:
    with pytest.raises(InputError, match=r"model\.backbone is 'qqqq'") as refusal:
        build_backbone("qqqq", "none", 0)
    assert len(str(refusal.value)) < 500


def test_the_heads_of_the_parameters_are_those_there_are() -> None:
    assert get_args(Model.model_fields["head"].annotation) == tuple(HEADS)


def test_the_ways_to_pool_of_the_parameters_are_those_there_are() -> None:
    assert get_args(Model.model_fields["pool"].annotation) == tuple(POOLS)


def layers(head: torch.nn.Module) -> list[str]:
    assert isinstance(head, torch.nn.Sequential)
    return [str(layer).replace(", bias=True", "") for layer in head]


def test_a_head_of_concatenated_pooling_is_that_of_the_solar_roofs() -> None:
    head = build_head("concat_pool", 1024, 2, 0.5, seed=0, hidden=512)
    assert layers(head) == [
        "BatchNorm1d(1024, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
        "Dropout(p=0.25, inplace=False)",
        "Linear(in_features=1024, out_features=512)",
        "ReLU()",
        "BatchNorm1d(512, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
        "Dropout(p=0.5, inplace=False)",
        "Linear(in_features=512, out_features=2)",
    ]


def test_a_dense_head_is_that_of_the_figurative_marks() -> None:
    head = build_head("dense", 1280, 30, 0.2, seed=0, hidden=2048)
    assert layers(head) == [
        "BatchNorm1d(1280, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
        "Linear(in_features=1280, out_features=2048)",
        "ReLU()",
        "Dropout(p=0.2, inplace=False)",
        "Linear(in_features=2048, out_features=30)",
    ]


HIDDEN = [("concat_pool", "2"), ("dense", "1")]


@pytest.mark.parametrize(("name", "hidden"), HIDDEN)
def test_a_hidden_layer_begins_as_kaiming_says_and_the_last_one_at_the_bias(name: str, hidden: str) -> None:
    bias = torch.tensor([1.0, -2.0, 0.0])
    head = build_head(name, 2000, 3, 0.5, seed=0, bias=bias, hidden=400)
    state = head.state_dict()
    assert state[f"{hidden}.weight"].shape == (400, 2000)
    assert float(state[f"{hidden}.weight"].std()) == pytest.approx((2 / 2000) ** 0.5, rel=0.01)  # He et al., eq. 10
    assert not state[f"{hidden}.bias"].any()
    assert not last_layer(head).weight.any()
    assert torch.equal(head.eval()(torch.randn(4, 2000)), bias.expand(4, 3))
    other = build_head(name, 2000, 3, 0.5, seed=1, hidden=400).state_dict()
    assert not torch.equal(state[f"{hidden}.weight"], other[f"{hidden}.weight"])


@pytest.mark.parametrize("name", HEADS)
def test_every_layer_of_a_head_moves_once_the_last_has_left_zero(name: str) -> None:
    torch.manual_seed(0)
    head, features, targets = build_head(name, 8, 3, 0.0, seed=0, hidden=6), torch.randn(9, 8), torch.arange(9)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    before = {key: tensor.clone() for key, tensor in head.named_parameters()}
    for step in range(2):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(features), targets % 3).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        moved = {key for key, tensor in head.named_parameters() if not torch.equal(tensor, before[key])}
        if step == 0 and name != "cosine":
            assert moved == {key for key in before if key.startswith(f"{len(list(head.children())) - 1}.")}
    assert moved == set(before)


def test_the_last_layer_is_the_one_that_gives_the_logits() -> None:
    for name in ("linear", "concat_pool", "dense"):
        assert last_layer(build_head(name, 8, 3, 0.5, seed=0)).out_features == 3
    backbone = torch.nn.Linear(8, 8)
    with pytest.raises(ValueError, match="last layer of the network is Cosine; expected a linear layer"):
        last_layer(Network(backbone, build_head("cosine", 8, 3, 0.5, seed=0)))


def test_a_linear_head_begins_with_equal_probabilities_or_a_bias() -> None:
    biased = build_head("linear", 8, 2, 0.5, seed=0, bias=torch.tensor([1.0, -2.0]))
    assert biased.eval()(torch.randn(3, 8)).tolist() == [[1, -2]] * 3
    head = build_head("linear", features=8, classes=5, dropout=0.5, seed=0)
    for mode in (True, False):
        probs = head.train(mode)(torch.randn(6, 8) * 100).softmax(dim=1)
        torch.testing.assert_close(probs, torch.full((6, 5), 0.2))


def test_a_cosine_head_gives_30_times_the_cosine_whatever_the_lengths() -> None:
    head = build_head("cosine", features=2, classes=2, dropout=0.0, seed=0)[1:]  # type: ignore[index]
    head[-1].load_state_dict({"weight": torch.tensor([[0.0, 5.0], [0.1, 0.1]])})
    expected = [[0.0, 30 * 0.5**0.5], [-30.0, -30 * 0.5**0.5]]
    torch.testing.assert_close(head(torch.tensor([[7.0, 0.0], [0.0, -0.2]])), torch.tensor(expected))


def test_a_cosine_head_begins_in_directions_that_follow_from_the_seed_and_has_no_bias() -> None:
    one, same, other = (build_head("cosine", 400, 3, 0.5, seed).state_dict()["2.weight"] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    torch.testing.assert_close(one.norm(dim=1), torch.ones(3), rtol=0.2, atol=0)
    biased = build_head("cosine", 400, 3, 0.5, 0, bias=torch.tensor([1.0, 2.0, 3.0])).state_dict()
    assert [name for name in biased if not name.startswith("0.")] == ["2.weight"]
    assert torch.equal(biased["2.weight"], one)


def test_a_cosine_head_takes_angles_from_the_mean_of_the_features() -> None:
    """Features that are never negative point the same way from 0, and every way from their mean."""
    head = build_head("cosine", 16, 2, 0.0, seed=0)
    features = 5 + torch.rand(64, 16)
    from_zero = head[1:](features)  # type: ignore[index]
    assert head.train()(features).std(dim=0).min() > 5 * from_zero.std(dim=0).max()


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("frozen", [True, False])
def test_a_trained_head_rebuilds_to_the_same_logits(name: str, frozen: bool) -> None:
    card = Card(
        task="multiclass",
        backbone="test_efficientnet",
        head=name,
        dropout=0.5,
        input_px=32,
        frozen=frozen,
        backbone_weights="none",
        classes=("a", "b", "c"),
        loss="cross_entropy",
        ledger=(),
        pool=POOL_OF_HEAD.get(name, "avg"),
        hidden=24,
        width=8 if frozen else 256 * (1 + (name == "concat_pool")),
    )
    network = build_head(name, card.width, 3, 0.5, seed=1, hidden=24)
    inputs = torch.randn(6, 8) if frozen else an_image_batch(32, 6)
    if not frozen:
        network = Network(build_backbone("test_efficientnet", "none", 1, card.pool), network)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    torch.nn.functional.cross_entropy(network.train()(inputs), torch.arange(6) % 3).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    weights = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    last = [key for key in weights if key.startswith("" if frozen else "head.") and key.endswith(".weight")][-1]
    assert not torch.equal(weights[last], before[last])
    rebuilt = rebuild(card, weights)
    with torch.inference_mode():
        assert torch.equal(rebuilt.eval()(inputs), network.eval()(inputs))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_cosine_head_takes_features_of_zero_and_half_precision(dtype: torch.dtype) -> None:
    head = build_head("cosine", 4, 2, 0.0, seed=0).eval()
    with autocast(torch.device("cpu"), dtype):
        logits = head(torch.tensor([[0.0] * 4, [1e4] * 4]))
    assert logits.isfinite().all()
    assert not logits[0].any()


def test_normalise_subtracts_the_mean_and_divides_by_the_deviation_of_each_channel() -> None:
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    batch = np.random.default_rng(0).integers(256, size=(2, 3, 4, 5), dtype=np.uint8)
    result = normalise(torch.from_numpy(batch), mean, std)
    expected = (batch / 255 - np.array(mean)[:, None, None]) / np.array(std)[:, None, None]
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-5)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_normalise_leaves_its_input_unchanged() -> None:
    for batch in (torch.ones(2, 3, 4, 5), torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)):
        normalise(batch, (0.5,) * 3, (0.1,) * 3)
        assert (batch == 1).all()


def test_channels_are_normalised_as_the_backbones_makers_do() -> None:
    assert normalisation(LITE0) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert normalisation("resnet50") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


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
    assert pick_device("auto").type == expected


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there_is(monkeypatch, cuda=False, mps=False)
    with pytest.raises(
        InputError, match=rf"model\.device is '{name}', but this machine .*; set model\.device to 'auto'"
    ):
        pick_device(name)
    assert pick_device("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("device", "has_bfloat16", "expected"),
    [("cpu", True, torch.float32), ("cuda", True, torch.bfloat16), ("cuda", False, torch.float16)],
)
def test_auto_precision_is_half_on_cuda_alone(
    device: str, has_bfloat16: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)
    assert pick_precision("auto", torch.device(device)) == expected


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_stated_precision_is_taken(name: str) -> None:
    assert pick_precision(name, torch.device("cpu")) == getattr(torch, name)


def test_autocast_does_nothing_for_float32_and_computes_in_bfloat16_where_asked() -> None:
    cpu, square = torch.device("cpu"), torch.ones(2, 2)
    assert isinstance(autocast(cpu, torch.float32), nullcontext)
    with autocast(cpu, torch.bfloat16):
        assert (square @ square).dtype == torch.bfloat16
