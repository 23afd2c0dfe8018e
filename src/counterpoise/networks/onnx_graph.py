"""Frozen backbones as ONNX graphs, which ONNX Runtime computes on a CPU two to three times faster than PyTorch."""

from __future__ import annotations

import ctypes
import io
import warnings
from contextlib import suppress

import torch
from torch import Tensor, nn

OPSET = 17
"""Version of ONNX's operators."""
TOLERANCE = 1e-4
"""Largest difference to PyTorch that a graph may show, as a share of the largest feature; rounding gives about 1e-6."""
EXPECTED_WARNINGS = (
    (DeprecationWarning, "You are using the legacy TorchScript-based ONNX export"),
    (DeprecationWarning, "The feature will be removed"),
    (torch.jit.TracerWarning, ""),  # type: ignore[attr-defined]
)
"""Warnings of `torch.onnx.export` by their beginnings. The exporter that PyTorch prefers since 2.9 takes several times
as long and needs two more packages. Tracing fixes the size of the images, which is fixed here as well; the comparison
with PyTorch shows anything else that it fixes."""


MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of glibc's `mallopt`."""
RETURNED_BYTES = 2**20
"""Blocks at least this large go back to the system once they are freed."""


class ExportError(ValueError):
    """A network cannot be exported to an ONNX graph that computes the same; the message gives the reason."""


class OnnxGraph(nn.Module):
    """A frozen backbone, computed by ONNX Runtime on as many threads as PyTorch would use.

    Args:
        content: The exported graph, from images (n, 3, s, s) to features (n, d).
    """

    def __init__(self, content: bytes) -> None:
        super().__init__()
        import onnxruntime

        _return_batches()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()  # respects OMP_NUM_THREADS and the cores allowed
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave cores to others
        options.enable_mem_pattern = False  # planned memory takes 350 MB more for 64 images of 160 px, and no less time
        options.log_severity_level = 3  # errors alone
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def forward(self, images: Tensor) -> Tensor:
        """Map float32 (n, 3, s, s), on the CPU, to features (n, d)."""
        (features,) = self._session.run(None, {"images": images.contiguous().numpy()})
        return torch.from_numpy(features)


def _return_batches() -> None:
    """Let the C library return the memory of each batch to the system, where it is glibc.

    Without it, memory grows with the number of batches: glibc before 2.38 does not find the aligned blocks again that
    PyTorch has freed, and asks for others. ONNX Runtime keeps what it computes with, and PyTorch only prepares batches,
    so this costs 2 % of the CPU time. A network that PyTorch computes would take half as long again.
    """
    with suppress(OSError, TypeError, AttributeError):  # Windows, macOS and musl have no such setting
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, RETURNED_BYTES)


def convert(backbone: nn.Module, input_px: int) -> OnnxGraph:
    """Export a backbone, and compare the graph with it on random images.

    Args:
        backbone: With its weights, on the CPU; it is put into evaluation mode.
        input_px: Side of the images; the graph takes no other size.

    Raises:
        ExportError: The backbone cannot be exported, or its graph differs from it by more than `TOLERANCE`.
    """
    backbone.eval()
    return _checked(_export(backbone, input_px), backbone, input_px)


def _export(backbone: nn.Module, input_px: int) -> bytes:
    """Write a backbone as an ONNX graph that takes any number of images of one size."""
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            for category, beginning in EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", beginning, category)
            torch.onnx.export(
                backbone,
                (torch.zeros(2, 3, input_px, input_px),),
                buffer,  # type: ignore[arg-type]  # it takes file objects, but does not declare them
                dynamo=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=["features"],
                dynamic_axes={"images": {0: "n"}, "features": {0: "n"}},
            )
    except Exception as error:  # what an operator without a counterpart in ONNX raises has no common base
        raise ExportError(f"it cannot be exported: {_first_line(error)}") from error
    return buffer.getvalue()


def _checked(content: bytes, backbone: nn.Module, input_px: int) -> OnnxGraph:
    """Open a graph, and compare it with the backbone for another number of images than it was traced with."""
    images = torch.randn(3, 3, input_px, input_px, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = backbone(images)
    try:
        graph = OnnxGraph(content)
        features = graph(images)
    except Exception as error:  # those of ONNX Runtime have no common base
        raise ExportError(f"ONNX Runtime cannot compute it: {_first_line(error)}") from error
    if features.shape != expected.shape:
        raise ExportError(f"its graph gives features {tuple(features.shape)} instead of {tuple(expected.shape)}")
    difference, scale = float((features - expected).abs().max()), float(expected.abs().max())
    if not difference <= TOLERANCE * scale:
        raise ExportError(f"its graph differs by {difference:.1e} where features reach {scale:.1e}")
    return graph


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
