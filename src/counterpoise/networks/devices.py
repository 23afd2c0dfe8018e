"""Where a network runs, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch

from counterpoise.config import PATH, InputError

if TYPE_CHECKING:
    pass


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
