"""The optimiser: its parameter groups, their weight decay and learning rates."""

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
    """Build AdamW. Only matrices and filters of the network have weight decay.

    Args:
        network: Its parameters with `requires_grad` are trained.
        others: Other trained parameters, such as those of a loss.
        learning_rate: Learning rate, above 0.
        weight_decay: Decoupled weight decay. Not applied to biases, norms and `others`.
        rate_fracs: Parameter name -> learning rate as a share of `learning_rate`. The share of other parameters is 1.

    Returns:
        The optimiser. Its first group has the full learning rate.

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
    """Set the learning rate for the next steps; each parameter group gets its share of it."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["rate_frac"]
