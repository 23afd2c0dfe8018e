"""What a detector learns from, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor

ClassLoss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"


@dataclass(frozen=True)
class Truth:
    """What one picture shows.

    Attributes:
        boxes: (k, 4) float32 x0, y0, x1, y1 in pixels of the network's input, inside the picture, of positive area.
        labels: (k,) int64 classes in 0..c-1.
        ignored: (m, 4) float32, places that are neither an object nor background.
    """

    boxes: Tensor
    labels: Tensor
    ignored: Tensor

    def to(self, device: torch.device) -> Truth:
        """Move it to a device."""
        return Truth(*(part.to(device, non_blocking=True) for part in (self.boxes, self.labels, self.ignored)))


@dataclass(frozen=True)
class Lesson:
    """How a batch teaches.

    Attributes:
        class_loss: Takes logits and targets as the detector's `LINK` says: `multiclass`, (n, 1 + c) with background
            first and (n,) int64; or `multilabel`, (n, c) and (n, c) in {0, 1}, without background. Gives the weighted
            loss of each row, (n,); for `multilabel` of each entry, (n, c).
        generator: Of the random choices, on the CPU.
        progress: Share of the training that is done, in [0, 1).
    """

    class_loss: ClassLoss
    generator: Generator
    progress: float


@dataclass(frozen=True)
class Found:
    """What a detector finds in one picture, before scenes merge it.

    Attributes:
        boxes: (n, 4) float32 in pixels of the network's input, clipped to it, of positive area.
        scores: (n,) float32 in (0, 1).
        labels: (n,) int64 in 0..c-1.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
