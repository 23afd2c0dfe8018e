"""How splitting and sampling differ between tasks: one module per task, found by name.

For each module of `tasks/`, the module `dataset/tasks/<name>.py` with the same name defines what `TaskData` lists.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

Members = NDArray[np.bool_]
"""(n, c): which classes each image or tile has."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class TaskData(Protocol):
    """What every module of this folder defines."""

    NO_BALANCE: str | None
    """The end of an error message: why `split.balance` does not work, and what to do. `None` if it works."""
    REFUSED_STRATEGIES: tuple[str, ...]
    """Sampling strategies that do not support this task."""
    MEASURED_AGAINST_ABSENCE: bool
    """Whether figures of a class need images without it, too."""
    FEWER_DRAWS: str
    """The end of an error message: what else gives fewer samples. It follows "choose another strategy"."""

    def members(self, cells: Sequence[str], classes: Sequence[str]) -> Members:
        """Return which classes each of n cells of the label column has, (n, c).

        Raises:
            ValueError: A cell has a label that is not a class, or labels that an image of this task cannot have.
        """

    def strata(self, table: pd.DataFrame, members: Members, least_frac: float) -> Members:
        """Return the strata of each image, (n, k) booleans. The smallest split gets `least_frac` of all images."""

    def improve(
        self, dealt: Ints, members: Ints | csr_array, wanted: Floats, rng: np.random.Generator, sizes: Ints
    ) -> Ints:
        """Improve the splits (u,) of units. `stratification.even_out` explains the arguments."""

    def draw_factors(
        self, strategy: str, train: Ints, drawn: Ints, totals: tuple[int, int]
    ) -> tuple[float, ...] | None:
        """Return the factors by which sampling multiplied the class priors, from counts (c,); `None` if unknown."""

    def pairs(self, members: Members, repeats: Ints | None = None) -> tuple[tuple[int, ...], ...]:
        """Count the samples that have both of two classes, (c, c); empty if no image can have two classes."""

    def describe_draws(self, members: Members, repeats: Ints) -> str | None:
        """Describe in one line how sampling changed the labels per tile; `None` if tiles have one label each."""


def find(task: str) -> TaskData:
    """Import the module of a task.

    Raises:
        ValueError: This folder has no module for the task.
    """
    if task not in {module.name for module in pkgutil.iter_modules(__path__)}:
        raise ValueError(f"task {task!r} has no module in {__name__.replace('.', '/')}/; add {task}.py")
    data: TaskData = importlib.import_module(f"{__name__}.{task}")
    return data
