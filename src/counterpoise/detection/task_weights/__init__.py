"""The open set of task weights: how the losses of a detector become one, a file per rule, found by its name.

A file `detection/task_weights/<name>.py` holds `NEEDS_POSITIVE`, `class Params(Section)`, and `build` as in
`TaskWeights`. A loss has a key `<head>_class` or `<head>_box`, such as `rpn_class` and `rpn_box`; the two of one head
belong together. Keys of other kinds are added without a weight.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from counterpoise.config import PATH, InputError, Section, suggest
from counterpoise.detection import box_losses

if TYPE_CHECKING:
    from torch import Tensor

Combine: TypeAlias = "Callable[[Mapping[str, Tensor]], Tensor]"


class TaskWeights(Protocol):
    """What every file of this folder offers."""

    NEEDS_POSITIVE: str | None
    """Why it does not work with losses that fall below 0, in a clause; `None` if it does."""
    Params: type[Section]

    def build(self, keys: Sequence[str], params: Any) -> Combine:  # noqa: ANN401 - its own Params
        """Return the function from losses to their weighted sum, an `nn.Module` where it learns its weights.

        Args:
            keys: Of the losses that the detector has.
            params: Its own parameters.

        Returns:
            `combine(losses)`: a mapping from each key to a scalar gives a scalar.
        """


def names() -> list[str]:
    """List the task weights there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> TaskWeights:
    """Find task weights by their name.

    Raises:
        InputError: There are no such ones.
    """
    if name not in names():
        raise InputError(f"{PATH}: detector.task_weights is {name!r}; {suggest(name, names())}")
    found: TaskWeights = importlib.import_module(f"{__name__}.{name}")
    return found


def refuses_box_loss(name: str, box_loss: str) -> str | None:
    """Say why task weights do not work with a box loss; `None` if they do.

    Args:
        name: One of `names()`.
        box_loss: One of `box_losses.names()`.
    """
    reason = find(name).NEEDS_POSITIVE
    if reason is None or not box_losses.falls_below_zero(box_loss):
        return None
    return (
        f"{PATH}: box_loss is {box_loss!r}, whose values fall below 0, and detector.task_weights is {name!r}: "
        f"{reason}; set detector.task_weights to 'fixed', or take another box_loss"
    )
