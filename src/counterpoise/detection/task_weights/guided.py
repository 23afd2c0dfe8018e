"""Guided task weights: the loss of the classes is scaled to that of the boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from counterpoise.config import Section

if TYPE_CHECKING:
    from torch import Tensor

NEEDS_POSITIVE: str | None = "it scales the loss of the classes by that of the boxes, which must not be negative"


class Params(Section):
    """Parameters of `detector.task_weights: guided`."""


def combine(losses: Mapping[str, Tensor]) -> Tensor:
    """Add the losses, each of classes times (loss of its boxes / loss of its classes), a factor without a gradient.

    The two losses of a head then have the same value, so that no factor between them needs tuning. Where one of them is
    0, as in batches without objects, the factor is 1: the background must teach.

    Args:
        losses: Scalars by key; `<head>_class` and `<head>_box` belong together.

    Returns:
        A scalar.

    Source: Chen et al. (2019), Is Sampling Heuristics Necessary in Training Deep Object Detectors?, its guided loss.
        There the factor of a batch without objects would be 0.

    Example:
        >>> import torch
        >>> combine({"roi_class": torch.tensor(0.02), "roi_box": torch.tensor(0.8)})  # 40 * 0.02 + 0.8
        tensor(1.6000)
    """
    import torch

    return torch.stack([_factor(key, losses) * loss for key, loss in losses.items()]).sum()


def _factor(key: str, losses: Mapping[str, Tensor]) -> Tensor:
    """Return loss of boxes / loss of classes for the key of a loss of classes; 1 for others."""
    import torch

    loss, boxes = losses[key].detach(), losses.get(f"{key.removesuffix('_class')}_box")
    if not key.endswith("_class") or boxes is None:
        return torch.ones_like(loss)
    defined = (boxes.detach() > 0) & (loss > 0)
    return torch.where(defined, boxes.detach() / torch.where(defined, loss, 1), 1)


def build(keys: Sequence[str], params: Params) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """Return the sum; it has no parameters."""
    return combine
