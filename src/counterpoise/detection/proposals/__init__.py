"""The open set of proposals: what the second stage of a detector learns from, a file per kind, found by its name.

A file `detection/proposals/<name>.py` holds `class Params(Section)`, and `extra` as in `Proposals`.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from counterpoise.config import PATH, InputError, Section, suggest

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Extra:
    """Boxes of one image that teach only the regression.

    Attributes:
        boxes: (m, 4) float, x0, y0, x1, y1 in pixels; they may reach beyond the picture.
        objects: (m,) int64, the row of the true box that each is to become.
    """

    boxes: Tensor
    objects: Tensor


class Proposals(Protocol):
    """What every file of this folder offers."""

    Params: type[Section]

    def extra(self, truth: Tensor, params: Any, generator: Generator) -> Extra | None:  # noqa: ANN401
        """Return boxes that teach the box regression of the second stage, beside those of the first; `None` for none.

        Args:
            truth: (k, 4) float, true boxes of one image.
            params: Its own parameters.
            generator: Of the random choices, on the CPU.
        """


def names() -> list[str]:
    """List the proposals there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> Proposals:
    """Find one by its name.

    Raises:
        InputError: There is no such one.
    """
    if name not in names():
        raise InputError(f"{PATH}: detector.proposals is {name!r}; {suggest(name, names())}")
    found: Proposals = importlib.import_module(f"{__name__}.{name}")
    return found
