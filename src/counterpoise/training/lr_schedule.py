"""Schedules: the learning rate during training, and the epoch at which a deferred remedy starts."""

from __future__ import annotations

import math
from collections.abc import Callable

SCHEDULES: dict[str, Callable[[float, float, float], float]] = {
    "constant": lambda epoch, epochs, every: 1.0,
    "cosine": lambda epoch, epochs, every: 0.5 * (1 + math.cos(math.pi * min(1.0, epoch / epochs))),
    "step": lambda epoch, epochs, every: 0.1 ** math.floor(epoch / every + 1e-9),
}


def factor(name: str, epoch: float, *, epochs: float, warmup_epochs: float, step_epochs: float) -> float:
    """Compute the factor of the learning rate at a point of training.

    During warm-up the factor rises linearly from near 0 to 1. Then `constant` stays at 1, `cosine` falls to 0 at the
    end, and `step` is divided by ten every `step_epochs`.

    Args:
        name: `constant`, `cosine` or `step`.
        epoch: Number of epochs so far, with fraction.
        epochs: Total number of epochs.
        warmup_epochs: Number of warm-up epochs; 0 for none.
        step_epochs: `step` only: number of epochs between two steps.

    Returns:
        A factor in [0, 1].

    Source: Loshchilov and Hutter (2017), SGDR, equation 5, for `cosine`.

    Example:
        >>> factor("step", 2, epochs=9, warmup_epochs=0, step_epochs=2)
        0.1
    """
    if epoch < warmup_epochs:
        return min(1.0, max(epoch, 1e-3) / warmup_epochs)
    return SCHEDULES[name](epoch - warmup_epochs, max(epochs - warmup_epochs, 1e-9), step_epochs)


def first_epochs(frac: float, epochs: int) -> int:
    """Count the epochs before a deferred remedy starts.

    Args:
        frac: Share of the epochs, in [0, 1).
        epochs: Total number of epochs.

    Returns:
        0 if `frac` is 0. Otherwise the rounded share, with at least one epoch before and one epoch after.

    Example:
        >>> first_epochs(0.0, 60), first_epochs(0.8, 60), first_epochs(0.01, 60), first_epochs(0.99, 2)
        (0, 48, 1, 1)
    """
    return min(max(1, round(frac * epochs)), epochs - 1) if frac else 0
