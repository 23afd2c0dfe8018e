"""The exponential moving average of a network's weights, which is often better than the weights of the last step."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Average(nn.Module):
    """The average of the weights after each step, w <- decay w + (1 - decay) new, beginning with the first step's.

    Buffers, such as the statistics of batch norms, are averaged too.

    Args:
        network: Its weights are averaged.
        decay: In [0, 1); 0 keeps no average.

    Source: Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging, with exponential weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.averaged = (
            AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True) if decay else None  # type: ignore[no-untyped-call]
        )

    def update(self, network: nn.Module) -> None:
        """Add the weights after a step."""
        if self.averaged is not None:
            self.averaged.update_parameters(network)

    def of(self, network: nn.Module) -> nn.Module:
        """Return the network with averaged weights; without an average the network itself."""
        if self.averaged is None:
            return network
        averaged: Any = self.averaged.module
        module: nn.Module = averaged
        return module
