"""Fixed task weights: the losses of boxes have one factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

NEEDS_POSITIVE: str | None = None


class Params(Section):
    """Parameters of `detector.task_weights: fixed`."""

    box: float = Field(gt=0, le=100)
    """Factor of the losses of boxes, in (0, 100]; 1 is the plain sum. Box losses of IoU often need about 10."""


def combine(losses: Mapping[str, Tensor], *, box: float) -> Tensor:
    """Add the losses, those of boxes times a factor.

    Example:
        >>> import torch
        >>> combine({"roi_class": torch.tensor(0.5), "roi_box": torch.tensor(0.25)}, box=2.0)
        tensor(1.)
    """
    import torch

    return torch.stack([box * loss if key.endswith("_box") else loss for key, loss in losses.items()]).sum()


def build(keys: Sequence[str], params: Params) -> partial[Tensor]:
    """Return the sum with the factor of the parameters; which losses there are plays no part."""
    return partial(combine, box=params.box)
