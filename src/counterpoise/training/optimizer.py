"""The optimiser of a training: what is decayed, and at which rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn


def adamw(
    network: nn.Module,
    others: Iterable[nn.Parameter],
    *,
    learning_rate: float,
    weight_decay: float,
    rate_fracs: Mapping[str, float] | None = None,
) -> torch.optim.AdamW:
    """Build AdamW, with weight decay for matrices and filters of a network alone.

    Args:
        network: Its parameters that ask for a gradient are trained.
        others: Parameters that are trained beside it, such as those of a loss.
        learning_rate: Above 0.
        weight_decay: Decoupled; it spares biases, norms and `others`.
        rate_fracs: Names of parameters of the network, and their rate as a share of `learning_rate`; that of all others
            is 1.

    Returns:
        The optimiser, whose first group has the full rate.

    Source: Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization.
    """
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    frac = {name: (rate_fracs or {}).get(name, 1.0) for name in trained}
    groups: list[dict[str, object]] = []
    for rate_frac in sorted({1.0, *frac.values()}, reverse=True):
        own = [parameter for name, parameter in trained.items() if frac[name] == rate_frac]
        for decay, parameters in (
            (weight_decay, [parameter for parameter in own if parameter.ndim > 1]),
            (0.0, [parameter for parameter in own if parameter.ndim <= 1]),
        ):
            groups.append({"params": parameters, "weight_decay": decay, "rate_frac": rate_frac})
    groups.append({"params": list(others), "weight_decay": 0.0, "rate_frac": 1.0})
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, fused=False)
    set_rate(optimizer, learning_rate)
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give every parameter its share of a rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["rate_frac"]
