"""The exponential moving average of a network's weights, which is often better than the weights of the last step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average(nn.Module):
    """The average of the weights after each step, w <- decay w + (1 - decay) new, beginning with the first step's.

    Buffers of floating point, such as the statistics of batch norms, are averaged too.

    Args:
        network: Its weights are averaged.
        decay: In [0, 1); 0 keeps no average.

    Source: Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging, with exponential weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.average = get_ema_multi_avg_fn(decay) if decay else None  # type: ignore[no-untyped-call]
        if self.average is not None:
            for number, tensor in enumerate(_tensors(network)):
                self.register_buffer(f"tensor_{number}", tensor.detach().clone())
            self.steps: Tensor
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the weights after a step."""
        if self.average is None:
            return
        own, new = self._own(), _tensors(network)
        if self.steps == 0:
            for mine, other in zip(own, new, strict=True):
                mine.copy_(other)
        else:
            self.average(own, new, self.steps)
        self.steps += 1

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Give the network averaged weights for a while; without an average its own stay."""
        if self.average is None:
            yield
            return
        self._swap(network)
        try:
            yield
        finally:
            self._swap(network)

    def _own(self) -> list[Tensor]:
        return [buffer for name, buffer in self.named_buffers() if name != "steps"]

    @torch.no_grad()
    def _swap(self, network: nn.Module) -> None:
        for mine, other in zip(self._own(), _tensors(network), strict=True):
            kept = mine.clone()
            mine.copy_(other)
            other.copy_(kept)


def _tensors(network: nn.Module) -> list[Tensor]:
    """List the parameters and buffers of floating point."""
    return [tensor for tensor in (*network.parameters(), *network.buffers()) if tensor.is_floating_point()]
