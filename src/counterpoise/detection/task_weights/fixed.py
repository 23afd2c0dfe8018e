"""Fixed task weights: the losses are added; `detector.box_weight` is the factor of those of boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

NEEDS_POSITIVE: str | None = None


class Params(Section):
    """Parameters of `detector.task_weights: fixed`."""


def combine(losses: Mapping[str, Tensor]) -> Tensor:
    """Add the losses.

    Example:
        >>> import torch
        >>> combine({"roi_class": torch.tensor(0.5), "roi_box": torch.tensor(0.25)})
        tensor(0.7500)
    """
    import torch

    return torch.stack(list(losses.values())).sum()


def build(keys: Sequence[str], params: Params) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """Return the sum; which losses there are plays no part."""
    return combine
