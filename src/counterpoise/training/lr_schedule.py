"""What changes in the course of a training: the learning rate, and what holds in the last epochs alone."""

from __future__ import annotations

import math
from collections.abc import Callable

SCHEDULES: dict[str, Callable[[float, float, float], float]] = {
    "constant": lambda epoch, epochs, every: 1.0,
    "cosine": lambda epoch, epochs, every: 0.5 * (1 + math.cos(math.pi * min(1.0, epoch / epochs))),
    "step": lambda epoch, epochs, every: 0.1 ** math.floor(epoch / every + 1e-9),
}


def factor(name: str, epoch: float, *, epochs: float, warmup_epochs: float, step_epochs: float) -> float:
    """Compute the factor at a moment of training.

    It rises from near 0 to 1 in a straight line during warm-up; then `constant` stays, `cosine` falls to 0 at the end,
    and `step` is divided by ten every `step_epochs`.

    Args:
        name: `constant`, `cosine` or `step`.
        epoch: Epochs done so far, with fraction.
        epochs: Of the whole training.
        warmup_epochs: At the beginning, 0 for none.
        step_epochs: For `step`.

    Returns:
        In [0, 1].

    Source: Loshchilov and Hutter (2017), SGDR, equation 5, for `cosine`.

    Example:
        >>> factor("step", 2, epochs=9, warmup_epochs=0, step_epochs=2)
        0.1
    """
    if epoch < warmup_epochs:
        return min(1.0, max(epoch, 1e-3) / warmup_epochs)
    return SCHEDULES[name](epoch - warmup_epochs, max(epochs - warmup_epochs, 1e-9), step_epochs)


def first_epochs(frac: float, epochs: int) -> int:
    """Count the epochs in which something that begins later does not hold yet.

    Args:
        frac: Share of the epochs, in [0, 1).
        epochs: Of the whole training.

    Returns:
        0 for 0; otherwise the nearest number to the share, but one epoch before and one after at least.

    Example:
        >>> first_epochs(0.0, 60), first_epochs(0.8, 60), first_epochs(0.01, 60), first_epochs(0.99, 2)
        (0, 48, 1, 1)
    """
    return min(max(1, round(frac * epochs)), epochs - 1) if frac else 0
