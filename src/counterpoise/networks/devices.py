"""Where a network runs, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from counterpoise.config import PATH, InputError


@dataclass(frozen=True)
class Compute:
    """Where a network runs, and in which precision.

    Attributes:
        device: Of weights and inputs.
        precision: Of the arithmetic inside the backbone; weights stay in float32.
    """

    device: torch.device
    precision: torch.dtype

    def autocast(self) -> AbstractContextManager[object]:
        """Compute in the precision where that is safe; see `autocast`."""
        return autocast(self.device, self.precision)


def pick(device: str, precision: str) -> Compute:
    """Choose device and precision, as `pick_device` and `pick_precision` do.

    Args:
        device: `model.device`.
        precision: `model.precision`.

    Raises:
        InputError: The device was asked for by name and is not there.
    """
    picked = pick_device(device)
    return Compute(picked, pick_precision(precision, picked))


def pick_device(name: str) -> torch.device:
    """Choose where to compute; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        InputError: The device was asked for by name and is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if not available[name]:
        raise InputError(f"{PATH}: model.device is {name!r}, which this machine or this build of PyTorch does not have")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Choose the arithmetic inside the network; `auto` is bfloat16 or float16 on CUDA, float32 elsewhere."""
    if name == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """Compute in `precision` where that is safe; nothing changes for float32."""
    return nullcontext() if precision == torch.float32 else torch.autocast(device.type, dtype=precision)
