"""The open set of box losses: a file per loss, found by its name.

A file `detection/box_losses/<name>.py` holds `ON`, `OUTPUTS`, `class Params(Section)` with its block of `params.yaml`,
and `loss` as in `BoxLoss`. `BELOW_ZERO = True` marks one whose values fall below 0. All but `loss` can be read without
torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any, Literal, Protocol

from counterpoise.config import PATH, InputError, Section, suggest

if TYPE_CHECKING:
    from torch import Tensor


class BoxLoss(Protocol):
    """What every file of this folder offers."""

    ON: Literal["deltas", "boxes"]
    """What it compares: offsets from anchors or proposals, as a box coder encodes them, or boxes in pixels."""
    OUTPUTS: int
    """Numbers that the network predicts for a box: 4, or more where the loss needs them."""
    Params: type[Section]

    def loss(self, predicted: Tensor, target: Tensor, params: Any) -> Tensor:  # noqa: ANN401 - its own Params
        """Compute the loss of each box.

        Args:
            predicted: (n, OUTPUTS) float deltas; or (n, 4) boxes x0, y0, x1, y1 in pixels, as `ON` says.
            target: (n, 4) of the same kind.
            params: Its own parameters.

        Returns:
            (n,) summed over the four coordinates.
        """


def names() -> list[str]:
    """List the box losses there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> BoxLoss:
    """Find a box loss by its name.

    Raises:
        InputError: There is no such loss.
    """
    if name not in names():
        raise InputError(f"{PATH}: box_loss is {name!r}; {suggest(name, names())}")
    found: BoxLoss = importlib.import_module(f"{__name__}.{name}")
    return found


def falls_below_zero(name: str) -> bool:
    """Say whether the values of a box loss may be negative."""
    return bool(getattr(find(name), "BELOW_ZERO", False))
