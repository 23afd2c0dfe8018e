"""Early stopping: the curves of a training, its best epoch so far, and whether it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn


@dataclass
class Progress:
    """What a training has reached; a checkpoint holds these attributes by name.

    Attributes:
        history: Figures of each epoch.
        best: Weights of the best epoch, on the CPU; empty before there is one.
        best_epoch: From 0; -1 before there is one.
        best_score: Score of the best epoch; higher is better.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = -1
    best_score: float = -np.inf

    def add(self, figures: dict[str, float], network: nn.Module, *, monitor: str, settled: int) -> None:
        """Add an epoch, and keep its weights if it is the best.

        Args:
            figures: Of the epoch.
            network: As it is after the epoch.
            monitor: `train.monitor`, by which the best epoch is chosen.
            settled: First epoch that may be the best, from 0.
        """
        epoch = len(self.history)
        self.history.append(figures)
        value = score(figures, epoch, monitor)
        if value > self.best_score and epoch >= settled:
            self.best_epoch, self.best_score = epoch, value
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}

    def is_over(self, *, epochs: int, patience: int, settled: int) -> bool:
        """Say whether all epochs are done, or the last `patience` of those that count brought nothing better."""
        epoch = len(self.history)
        return epoch >= epochs or epoch - max(self.best_epoch + 1, settled) >= patience


def monitored(monitor: str) -> str:
    """Name the validation figure that must be a number: that of `train.monitor`, the loss where it is `none`."""
    return "val/loss" if monitor == "none" else f"val/{monitor}"


def score(figures: Mapping[str, float], epoch: int, monitor: str) -> float:
    """Compute what is greatest at the epoch to keep; not a number where the figure is none.

    Example:
        >>> figures = {"val/loss": 0.5, "val/balanced_accuracy": 0.9}
        >>> [score(figures, 3, monitor) for monitor in ("loss", "balanced_accuracy", "none")]
        [-0.5, 0.9, 3]
    """
    value = figures[monitored(monitor)]
    if monitor == "none":
        return epoch if np.isfinite(value) else np.nan
    return -value if monitor == "loss" else value
