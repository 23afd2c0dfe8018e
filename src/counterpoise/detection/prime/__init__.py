"""The open set of prime samples: which positives matter most, a file per rule, found by its name.

A file `detection/prime/<name>.py` holds `class Params(Section)`, `class_weights` and `box_weights` as in `Prime`.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from counterpoise.config import PATH, InputError, Section, suggest

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Positives:
    """Positive anchors or proposals of a batch.

    Attributes:
        labels: (n,) int64, the class of each.
        objects: (n,) int64, a number for the true box of each, unique in the batch.
        ious: (n,) float in [0, 1], IoU of the box as *predicted* with the true box.
        probs: (n,) float in [0, 1], predicted probability of the true class, with its gradient.
        losses: (n,) float, the loss of the classification.
    """

    labels: Tensor
    objects: Tensor
    ious: Tensor
    probs: Tensor
    losses: Tensor


class Prime(Protocol):
    """What every file of this folder offers."""

    Params: type[Section]

    def class_weights(self, positives: Positives, params: Any) -> Tensor:  # noqa: ANN401 - its own Params
        """Return (n,) factors of the classification losses of positives, without a gradient."""

    def box_weights(self, positives: Positives, params: Any) -> Tensor:  # noqa: ANN401 - its own Params
        """Return (n,) factors of the box losses of positives, whose mean is 1."""


def names() -> list[str]:
    """List the rules there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> Prime:
    """Find a rule by its name.

    Raises:
        InputError: There is no such rule.
    """
    if name not in names():
        raise InputError(f"{PATH}: detector.prime is {name!r}; {suggest(name, names())}")
    found: Prime = importlib.import_module(f"{__name__}.{name}")
    return found
