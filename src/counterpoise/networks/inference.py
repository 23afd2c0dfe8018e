"""Forward passes without gradients: the one loop that predicting and embedding share.

ONNX Runtime computes a frozen backbone on a CPU; PyTorch computes everything else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from tqdm import tqdm

from counterpoise.networks import onnx_graph
from counterpoise.networks.devices import Compute


def freeze(backbone: nn.Module, name: str, input_px: int, compute: Compute) -> nn.Module:
    """Prepare a backbone that no longer trains for fast forward passes.

    Args:
        backbone: With its weights, on the CPU.
        name: Its name in timm, for messages.
        input_px: Side of the images.
        compute: Device and precision.

    Returns:
        Its ONNX graph on a CPU in float32. The backbone itself on other devices and in other precisions, and where the
        export fails; a line on standard error then gives the reason.
    """
    if compute.device.type != "cpu" or compute.precision != torch.float32:
        return backbone
    try:
        return onnx_graph.convert(backbone, input_px)
    except onnx_graph.ExportError as error:
        print(f"{name} runs in PyTorch, which is slower than ONNX Runtime: {error}", file=sys.stderr)
        return backbone


def runtime(network: nn.Module) -> str:
    """Name the library that runs a network returned by `freeze`: `onnxruntime` or `torch`."""
    return "onnxruntime" if isinstance(network, onnx_graph.OnnxGraph) else "torch"


def outputs(
    network: nn.Module, batches: Iterable[Tensor], compute: Compute, *, total: int | None = None, label: str = ""
) -> Tensor:
    """Compute the outputs of a network for all batches; arguments as those of `stream`.

    Returns:
        (n, ...) float32 on the CPU; empty without a batch.
    """
    parts = list(stream(network, batches, compute, total=total, label=label))
    return torch.cat(parts) if parts else torch.empty(0)


def stream(
    network: nn.Module,
    batches: Iterable[Tensor],
    compute: Compute,
    *,
    total: int | None = None,
    label: str = "",
) -> Iterator[Tensor]:
    """Compute the outputs of a network, batch by batch, in evaluation mode.

    Args:
        network: It is moved to the device, and put into evaluation mode.
        batches: Inputs of the network, on any device.
        compute: Device and precision.
        total: Number of inputs, for the progress bar.
        label: Text of the progress bar; empty for no bar.

    Yields:
        (b, ...) float32 on the CPU, of each batch.
    """
    network.eval().to(compute.device)
    with tqdm(total=total, desc=label, unit="tile", delay=1, mininterval=1, disable=not label) as progress:
        for batch in batches:
            with torch.inference_mode(), compute.autocast():
                values = network(batch.to(compute.device, non_blocking=True)).float().cpu()
            progress.update(len(batch))
            yield values
