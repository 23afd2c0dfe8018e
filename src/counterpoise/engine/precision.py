"""The arithmetic of a step: autocast, and a scaler that keeps gradients in float16 from vanishing.

Both are Lightning Fabric's `MixedPrecision`, whose import takes a second. A head on stored features trains in float32
whatever the precision, so that it does without.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_fabric.plugins.precision import Precision

MIXED = {torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed"}
"""Names of Fabric; weights stay in float32."""


class Float32:
    """What `lightning_fabric.plugins.precision.Precision` does, without Fabric: steps in float32."""

    def forward_context(self) -> AbstractContextManager[object]:
        """Change nothing."""
        return nullcontext()

    def backward(self, tensor: Tensor, model: nn.Module | None) -> None:
        """Add the gradients of a loss."""
        tensor.backward()  # type: ignore[no-untyped-call]

    def optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the step."""
        optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return nothing, as there is no state."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing."""


def mixed(device: torch.device, dtype: torch.dtype) -> Precision:
    """Choose the arithmetic of a network.

    Args:
        device: Where it runs.
        dtype: `torch.bfloat16` or `torch.float16` for Fabric's mixed precision; `torch.float32` for none.
    """
    from lightning_fabric.plugins import precision

    return precision.MixedPrecision(MIXED[dtype], device.type) if dtype in MIXED else precision.Precision()  # type: ignore[arg-type]
