"""The open set of adversaries: what makes the features of a region harder, a file per kind, found by its name.

A file `detection/adversaries/<name>.py` holds `class Params(Section)`, and `attack` as in `Adversary`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from counterpoise.config import PATH, InputError, Section, suggest

if TYPE_CHECKING:
    from torch import Generator, Tensor

LossesOf: TypeAlias = "Callable[[Tensor], Tensor]"


class Adversary(Protocol):
    """What every file of this folder offers."""

    Params: type[Section]

    def attack(self, features: Tensor, losses_of: LossesOf, params: Any, generator: Generator) -> Tensor:  # noqa: ANN401
        """Change the features of each region so that its loss grows.

        Args:
            features: (n, c, h, w) float, pooled from the regions that hold objects.
            losses_of: Takes such features and gives the loss of each region, (n,). It is called without gradients.
            params: Its own parameters.
            generator: Of the random choices, on the CPU.

        Returns:
            (n, c, h, w); gradients reach `features` through it.
        """


def names() -> list[str]:
    """List the adversaries there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> Adversary:
    """Find one by its name.

    Raises:
        InputError: There is no such one.
    """
    if name not in names():
        raise InputError(f"{PATH}: detector.adversary is {name!r}; {suggest(name, names())}")
    found: Adversary = importlib.import_module(f"{__name__}.{name}")
    return found
