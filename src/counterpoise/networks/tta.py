"""Test-time augmentation (TTA): flips and rotations of an image, over which predictions are averaged."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

View = Callable[[Tensor], Tensor]


def _view(*flipped: int, transposed: bool = False) -> View:
    def view(images: Tensor) -> Tensor:
        turned = images.transpose(-1, -2) if transposed else images
        if not flipped and not transposed:
            return images
        return turned.flip(flipped).contiguous(memory_format=torch.channels_last)

    return view


FLIPS = tuple(_view(*sides) for sides in ((), (-1,), (-2,), (-1, -2)))
VIEWS: dict[str, tuple[View, ...]] = {
    "none": FLIPS[:1],
    "flips": FLIPS,
    "dihedral": (*FLIPS, *(_view(*sides, transposed=True) for sides in ((), (-1,), (-2,), (-1, -2)))),
}
"""Values of `predict.tta` -> functions that compute the views of square images (n, 3, s, s). The first view is the
unchanged image. The views form a group: a mirrored image has the same views in another order."""


class Turned(nn.Module):
    """A layer that computes one view of its input images."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, s, s) to one view of each image."""
        return self.view(images)
