"""The device and the floating-point precision of a network."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from counterpoise.config import PATH, InputError


@dataclass(frozen=True)
class Compute:
    """The device and the floating-point precision of a network.

    Attributes:
        device: Device of weights and inputs.
        precision: Data type of the computations inside the backbone. Weights stay in float32.
    """

    device: torch.device
    precision: torch.dtype

    def __str__(self) -> str:
        return f"on {self.device.type} in {str(self.precision).removeprefix('torch.')}"

    def autocast(self) -> AbstractContextManager[object]:
        """Use the reduced precision for the operations where it is safe; see `autocast`."""
        return autocast(self.device, self.precision)


def pick(device: str, precision: str, agreed: Compute | None = None) -> Compute:
    """Choose device and precision, as `pick_device` and `pick_precision` do.

    Args:
        device: `model.device`.
        precision: `model.precision`.
        agreed: What another machine chose for the same work, where there is one.

    Raises:
        InputError: `model.device` names a device that is not available, or two machines choose differently.
    """
    picked = pick_device(device)
    own = Compute(picked, pick_precision(precision, picked))
    if agreed not in (None, own):
        raise InputError(
            f"{PATH}: with model.device {device!r} and model.precision {precision!r}, this machine computes {own}, "
            f"and another one {agreed}; set both to what all machines can"
        )
    return own


def pick_device(name: str) -> torch.device:
    """Choose the device; `auto` prefers CUDA, then MPS, then the CPU.

    Raises:
        InputError: `model.device` names a device that is not available.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if not available[name]:
        raise InputError(
            f"{PATH}: model.device is {name!r}, but this machine or this build of PyTorch does not have it; set "
            "model.device to 'auto'"
        )
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Choose the precision inside the network; `auto` is bfloat16 or float16 on CUDA, and float32 elsewhere."""
    if name == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """Use `precision` for the operations where it is safe; float32 changes nothing."""
    return nullcontext() if precision == torch.float32 else torch.autocast(device.type, dtype=precision)
