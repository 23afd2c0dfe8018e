"""Frozen backbones as ONNX graphs compute the same features as PyTorch."""

import platform
import resource
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


@pytest.mark.parametrize(("name", "input_px", "pool"), NETWORKS)
def test_the_graph_gives_what_pytorch_gives_for_any_number_of_images(name: str, input_px: int, pool: str) -> None:
    backbone = build_backbone(name, "none", 0, pool)
    images = torch.randn(5, 3, input_px, input_px, generator=torch.Generator().manual_seed(1))
    batches = torch.split(images.contiguous(memory_format=torch.channels_last), [1, 4])
    graph = freeze(backbone, name, input_px, CPU)
    assert runtime(graph) == "onnxruntime"
    expected, features = outputs(backbone, batches, CPU), outputs(graph, batches, CPU)
    assert features.dtype == torch.float32
    assert features.shape == expected.shape
    assert (features - expected).abs().max() < 1e-4 * expected.abs().max()


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
    network: nn.Module, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert freeze(network, "odd", 8, CPU) is network
    assert runtime(network) == "torch"
    assert f"odd runs in PyTorch, which is slower than ONNX Runtime: {reason}" in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions_are_left_to_pytorch(precision: str) -> None:
    backbone = small()
    assert freeze(backbone, "small", 32, devices.pick("cpu", precision)) is backbone


def test_the_number_of_threads_changes_no_bit() -> None:
    images, found, before = torch.randn(4, 3, 64, 64), [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(onnx_graph.convert(small(), 64)(images))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed blocks in this way")
def test_the_memory_of_a_batch_goes_back_to_the_system_though_what_was_computed_of_it_is_kept() -> None:
    torch.ones(7 * 2**20)  # once such a block was freed, glibc keeps smaller ones
    graph, images = onnx_graph.convert(small(), 32), torch.ones(1, 3, 32, 32)
    batches, kept = [], []
    for _ in range(8):
        batches.append(torch.ones(4 * 2**20))
        kept.append(graph(images).repeat(1, 100))
    before = resident_bytes()
    batches.clear()
    assert before - resident_bytes() > 5 * 16 * 2**20
