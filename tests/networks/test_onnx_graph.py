"""Frozen backbones as ONNX graphs give what PyTorch gives, and are exported once."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from counterpoise.networks import devices, onnx_graph
from counterpoise.networks.backbones import build_backbone
from counterpoise.networks.inference import freeze, outputs, runtime

CPU = devices.pick("cpu", "float32")
NETWORKS = [
    ("tf_efficientnet_lite0", 64, "avg"),
    ("tf_efficientnet_lite0", 33, "avg_max"),
    ("resnet18", 64, "avg"),
    ("test_vit", 160, "avg"),
    ("test_vit", 160, "as_made"),
]


def small(seed: int = 0) -> nn.Module:
    return build_backbone("test_efficientnet", "none", seed)


def graphs(root: Path) -> list[Path]:
    return sorted((root / onnx_graph.FOLDER).iterdir())


@pytest.mark.parametrize(("name", "input_px", "pool"), NETWORKS)
def test_the_graph_gives_what_pytorch_gives_for_any_number_of_images(
    name: str, input_px: int, pool: str, tmp_path: Path
) -> None:
    backbone = build_backbone(name, "none", 0, pool)
    images = torch.randn(5, 3, input_px, input_px, generator=torch.Generator().manual_seed(1))
    batches = torch.split(images.contiguous(memory_format=torch.channels_last), [1, 4])
    graph = freeze(backbone, name, input_px, CPU, tmp_path)
    assert runtime(graph) == "onnxruntime"
    expected, features = outputs(backbone, batches, CPU), outputs(graph, batches, CPU)
    assert features.dtype == torch.float32
    assert features.shape == expected.shape
    assert (features - expected).abs().max() < 1e-4 * expected.abs().max()


def test_a_graph_is_exported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randn(2, 3, 32, 32)
    first = onnx_graph.load(small(), "small", 32, tmp_path)(images)
    monkeypatch.setattr(onnx_graph, "_export", lambda backbone, input_px: pytest.fail("exported again"))
    assert torch.equal(onnx_graph.load(small(), "small", 32, tmp_path)(images), first)


def test_other_weights_names_and_sizes_are_other_graphs(tmp_path: Path) -> None:
    for seed, architecture, input_px in ((0, "small", 32), (1, "small", 32), (0, "other", 32), (0, "small", 40)):
        before = len(graphs(tmp_path)) if (tmp_path / onnx_graph.FOLDER).exists() else 0
        onnx_graph.load(small(seed), architecture, input_px, tmp_path)
        assert len(graphs(tmp_path)) == before + 1


@pytest.mark.parametrize("damage", ["empty", "cut off", "of another network"])
def test_a_damaged_graph_is_exported_again(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx_graph.load(small(), "small", 32, tmp_path)
    (path,) = graphs(tmp_path)
    whole = path.read_bytes()
    onnx_graph.load(small(1), "small", 32, tmp_path / "other")
    (other,) = graphs(tmp_path / "other")
    path.write_bytes({"empty": b"", "cut off": whole[:-1000], "of another network": other.read_bytes()}[damage])
    capsys.readouterr()
    onnx_graph.load(small(), "small", 32, tmp_path)
    assert "is damaged; the network is exported again" in capsys.readouterr().err
    assert path.read_bytes() == whole


def test_a_graph_that_cannot_be_kept_serves_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / onnx_graph.FOLDER).write_text("a file where the folder should be")
    assert runtime(freeze(small(), "small", 32, CPU, tmp_path)) == "onnxruntime"
    assert ".onnx/ cannot keep the exported network: " in capsys.readouterr().err


class Eigenvalues(nn.Module):
    """An operator that ONNX lacks."""

    def forward(self, images: Tensor) -> Tensor:
        values: Tensor = torch.linalg.eigvals(images.mean(dim=1)).real
        return values


class CountsImages(nn.Module):
    """Its trace keeps the number of images that it was traced with."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)) * float(len(images))


@pytest.mark.parametrize(
    ("network", "reason"),
    [(Eigenvalues(), "it cannot be exported: "), (CountsImages(), "its graph differs by ")],
    ids=["not exported", "exported wrongly"],
)
def test_what_does_not_export_is_left_to_pytorch_and_said(
    network: nn.Module, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert freeze(network, "odd", 8, CPU, tmp_path) is network
    assert runtime(network) == "torch"
    assert f"PyTorch computes odd, slower than ONNX Runtime would: {reason}" in capsys.readouterr().err
    assert not (tmp_path / onnx_graph.FOLDER).exists()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions_are_left_to_pytorch(precision: str, tmp_path: Path) -> None:
    backbone = small()
    assert freeze(backbone, "small", 32, devices.pick("cpu", precision), tmp_path) is backbone


def test_the_number_of_threads_changes_no_bit(tmp_path: Path) -> None:
    images, found, before = torch.randn(4, 3, 64, 64), [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(onnx_graph.load(small(), "small", 64, tmp_path)(images))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)
