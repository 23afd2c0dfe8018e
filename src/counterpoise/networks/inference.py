"""What a network gives for batches of inputs, without gradients: the one loop that predicting and embedding share."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from tqdm import tqdm

from counterpoise.networks.devices import Compute


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
