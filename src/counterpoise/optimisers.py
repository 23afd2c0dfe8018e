"""The optimiser of a training: what is decayed, and at which rate."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def adamw(
    network: nn.Module, others: Iterable[nn.Parameter], *, learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """Build AdamW, with weight decay for matrices and filters of a network alone.

    Args:
        network: Its parameters that ask for a gradient are trained.
        others: Parameters that are trained beside it, such as those of a loss.
        learning_rate: Above 0.
        weight_decay: Decoupled; it spares biases, norms and `others`.

    Source: Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
        {"params": list(others), "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=False)


def set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give every parameter the same rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
