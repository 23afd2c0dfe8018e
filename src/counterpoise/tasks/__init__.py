"""The open set of tasks: what the labels of an image mean, a file per task, found by its name.

A file `tasks/<name>.py` holds `LINK`, the name of the file in `calibration/links/` that says what a logit means, and
the functions of `TaskModule`. How such images are split and sampled is in `dataset/tasks/<name>.py`, how predictions
are scored in `evaluation/tasks/<name>.py`, and how the page shows them in `report/tasks/<name>.py`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from counterpoise.config import PATH, InputError, suggest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TaskModule(Protocol):
    """What every file of this folder offers."""

    LINK: str
    """Name of the file in `calibration/links/` that says what a logit means."""
    TARGET_NDIM: int
    """Axes of targets: 1 for class indices (n,), 2 for (n, c) in {0, 1}."""
    RESAMPLING_HAS_CLOSED_FORM: bool
    """Whether the prior ledger knows what resampling does to the prior."""
    HAS_BOXES: bool
    """Whether predictions are boxes of objects, which are matched and decided by themselves."""

    def fault_of_labels(self, labels: Sequence[str]) -> str | None:
        """Say why an image cannot have these labels; `None` if it can."""

    def encode(self, cells: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64] | NDArray[np.bool_]:
        """Turn n cells of labels, joined by `|`, into targets: (n,) class indices, or (n, c) booleans."""


def names() -> list[str]:
    """List the tasks there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> TaskModule:
    """Find a task by its name.

    Raises:
        InputError: There is no such task.
    """
    if name not in names():
        raise InputError(f"{PATH}: task is {name!r}; {suggest(name, names())}")
    task: TaskModule = importlib.import_module(f"{__name__}.{name}")
    return task


def _known(name: object) -> object:
    if name not in names():
        raise PydanticCustomError("unknown_task", "{expected}", {"expected": suggest(name, names())})
    return name


Task = Annotated[str, BeforeValidator(_known)]
"""What the labels mean: `multiclass`, exactly one class per image, softmax outputs; `multilabel`, any number of classes
per image, none included, a sigmoid output for each; `detection`, boxes of objects of these classes."""
