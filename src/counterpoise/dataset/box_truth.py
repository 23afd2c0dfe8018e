"""The boxes of one picture as a detector learns from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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
