"""What a network gives for batches of inputs, without gradients: the one loop that predicting and embedding share.

A frozen backbone on a CPU is computed by ONNX Runtime, everything else by PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from counterpoise.networks import onnx_graph
from counterpoise.networks.devices import Compute


def freeze(backbone: nn.Module, architecture: str, input_px: int, compute: Compute, root: Path) -> nn.Module:
    """Prepare a backbone that is trained no more for fast forward passes.

    Args:
        backbone: With its weights, on the CPU.
        architecture: What else than its weights decides its output; see `onnx_graph.load`.
        input_px: Side of the images.
        compute: Device and precision.
        root: The repository, where exported graphs are kept.

    Returns:
        Its ONNX graph on a CPU in float32; the backbone itself elsewhere, and where it cannot be exported, which a line
        on standard error says.
    """
    if compute.device.type != "cpu" or compute.precision != torch.float32:
        return backbone
    try:
        return onnx_graph.load(backbone, architecture, input_px, root)
    except onnx_graph.ExportError as error:
        print(f"PyTorch computes {architecture}, slower than ONNX Runtime would: {error}", file=sys.stderr)
        return backbone


def runtime(network: nn.Module) -> str:
    """Name what computes a network that `freeze` returned: `onnxruntime` or `torch`."""
    return "onnxruntime" if isinstance(network, onnx_graph.OnnxGraph) else "torch"


def outputs(
    network: nn.Module, batches: Iterable[Tensor], compute: Compute, *, total: int | None = None, label: str = ""
) -> Tensor:
    """Compute the outputs of a network, batch by batch, in evaluation mode.

    Args:
        network: It is moved to the device, and put into evaluation mode.
        batches: Inputs of the network, on any device.
        compute: Device and precision.
        total: Number of inputs, for the progress bar.
        label: What the progress bar says; empty for no bar.

    Returns:
        (n, ...) float32 on the CPU; empty without a batch.
    """
    network.eval().to(compute.device)
    parts = []
    with tqdm(total=total, desc=label, unit="tile", delay=1, mininterval=1, disable=not label) as progress:
        for batch in batches:
            with torch.inference_mode(), compute.autocast():
                parts.append(network(batch.to(compute.device, non_blocking=True)).float().cpu())
            progress.update(len(batch))
    return torch.cat(parts) if parts else torch.empty(0)
