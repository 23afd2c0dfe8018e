"""The open set of samplers: which anchors or proposals of an image teach, a file per sampler, found by its name.

A file `detection/samplers/<name>.py` holds `NEEDS_LOSSES`, and `choose` as in `Sampler`.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from counterpoise.config import PATH, InputError, suggest

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Candidates:
    """Anchors or proposals of one image.

    Attributes:
        labels: (n,) int64: 0 background, 1.. the class, -1 ignored, which is never chosen.
        ious: (n,) float in [0, 1]: the largest IoU with a true box, 0 where there is none.
        boxes: (n, 4) float, x0, y0, x1, y1 in pixels.
        losses: (n,) float losses of the classification; `None` unless the sampler needs them.
    """

    labels: Tensor
    ious: Tensor
    boxes: Tensor
    losses: Tensor | None = None


@dataclass(frozen=True)
class Sample:
    """What teaches: rows of `Candidates`.

    Attributes:
        positives: (p,) int64, rows with a class.
        negatives: (m,) int64, rows of background.
    """

    positives: Tensor
    negatives: Tensor


class Sampler(Protocol):
    """What every file of this folder offers."""

    NEEDS_LOSSES: bool
    """Whether the loss of every candidate must be known, which costs a pass without gradients over all of them."""

    def choose(self, candidates: Candidates, *, count: int, positive_frac: float, generator: Generator) -> Sample:
        """Choose what teaches.

        Args:
            candidates: Of one image.
            count: How many to choose at most, where the sampler keeps to a number.
            positive_frac: Largest share of them that may be positive, in (0, 1].
            generator: Of the random choices, on the CPU.
        """


def names() -> list[str]:
    """List the samplers there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> Sampler:
    """Find a sampler by its name.

    Raises:
        InputError: There is no such sampler.
    """
    if name not in names():
        raise InputError(f"{PATH}: detector.sampler is {name!r}; {suggest(name, names())}")
    found: Sampler = importlib.import_module(f"{__name__}.{name}")
    return found


def of_kinds(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Number the rows with a class, and those of background."""
    return (labels > 0).nonzero()[:, 0], (labels == 0).nonzero()[:, 0]


def some(rows: Tensor, count: int, generator: Generator) -> Tensor:
    """Take so many of some rows at random, all if there are not more."""
    import torch

    if count >= len(rows):
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[: max(count, 0)].to(rows.device)]


def hardest(rows: Tensor, losses: Tensor, count: int) -> Tensor:
    """Take the rows with the largest losses; of equal ones the first."""
    order = losses[rows].argsort(descending=True, stable=True)
    return rows[order[: max(count, 0)]]
