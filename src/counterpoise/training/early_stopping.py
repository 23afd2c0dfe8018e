"""Early stopping: the training curves, the best epoch so far, and whether to continue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn


@dataclass
class Progress:
    """The progress of a training. A checkpoint stores these attributes by name.

    Attributes:
        history: Metrics of each epoch.
        best: Weights of the best epoch, on the CPU; empty at first.
        best_epoch: The best epoch, from 0; -1 at first.
        best_score: Score of the best epoch; higher is better.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = -1
    best_score: float = -np.inf

    def add(self, figures: dict[str, float], network: nn.Module, *, monitor: str, settled: int) -> None:
        """Add an epoch, and keep its weights if it is the best.

        Args:
            figures: Metrics of the epoch.
            network: The network after the epoch.
            monitor: `train.monitor`, which chooses the best epoch.
            settled: First epoch that may be the best, from 0.
        """
        epoch = len(self.history)
        self.history.append(figures)
        value = score(figures, epoch, monitor)
        if value > self.best_score and epoch >= settled:
            self.best_epoch, self.best_score = epoch, value
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}

    def is_over(self, *, epochs: int, patience: int, settled: int) -> bool:
        """Return whether all epochs are done, or the score has not improved for `patience` epochs from `settled` on."""
        epoch = len(self.history)
        return epoch >= epochs or epoch - max(self.best_epoch + 1, settled) >= patience


def monitored(monitor: str) -> str:
    """Return the name of the validation metric of `train.monitor`; for `none` it is the loss, which must be finite."""
    return "val/loss" if monitor == "none" else f"val/{monitor}"


def score(figures: Mapping[str, float], epoch: int, monitor: str) -> float:
    """Compute the score of an epoch; the epoch with the highest score is kept. NaN if the metric is NaN.

    Example:
        >>> figures = {"val/loss": 0.5, "val/balanced_accuracy": 0.9}
        >>> [score(figures, 3, monitor) for monitor in ("loss", "balanced_accuracy", "none")]
        [-0.5, 0.9, 3]
    """
    value = figures[monitored(monitor)]
    if monitor == "none":
        return epoch if np.isfinite(value) else np.nan
    return -value if monitor == "loss" else value
