"""What a detector learns from, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from counterpoise.dataset.box_truth import Truth as Truth

if TYPE_CHECKING:
    from torch import Generator, Tensor

ClassLoss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"


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
