"""Precision of a training step: autocast, and a gradient scaler that prevents underflow in float16.

Both are part of Lightning Fabric's `MixedPrecision`, whose import takes a second. A head on stored features always
trains in float32, so it does not import Fabric.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_fabric.plugins.precision import Precision

MIXED = {torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed"}
"""Data type -> Fabric's name of the precision. Weights stay in float32."""


class Float32:
    """Training steps in float32: a replacement for Fabric's `Precision` that does not import Fabric."""

    def forward_context(self) -> AbstractContextManager[object]:
        """Return a context that changes nothing."""
        return nullcontext()

    def backward(self, tensor: Tensor, model: nn.Module | None) -> None:
        """Add the gradients of a loss to those of the parameters."""
        tensor.backward()  # type: ignore[no-untyped-call]

    def optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take a step of the optimiser."""
        optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return an empty dict, since there is no state."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do nothing, since there is no state."""


def mixed(device: torch.device, dtype: torch.dtype) -> Precision:
    """Build the precision plugin of a network.

    Args:
        device: Device of the network.
        dtype: `torch.bfloat16` or `torch.float16` for mixed precision; `torch.float32` for full precision.
    """
    from lightning_fabric.plugins import precision

    return precision.MixedPrecision(MIXED[dtype], device.type) if dtype in MIXED else precision.Precision()  # type: ignore[arg-type]
