"""The open set of what splitting and drawing do differently from task to task, a file per task, found by its name.

A file `dataset/tasks/<name>.py` has the name of a file of `tasks/` and holds the functions of `TaskData`.
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
    """What every file of this folder offers."""

    NO_BALANCE: str | None
    """Why `split.balance` does not work, as a clause, and what to do; `None` where it works."""
    REFUSED_STRATEGIES: tuple[str, ...]
    """Strategies of drawing that have nothing to look at."""
    FEWER_DRAWS: str
    """What else helps against too many samples, in words that follow "take another strategy"."""

    def members(self, cells: Sequence[str], classes: Sequence[str]) -> Members:
        """Say which classes each of n cells has, (n, c).

        Raises:
            ValueError: A cell has a label that is no class, or labels that no image of this task can have.
        """

    def strata(self, table: pd.DataFrame, members: Members, least_frac: float) -> Members:
        """Return the strata of each image, (n, k) booleans, where the smallest split gets `least_frac` of all."""

    def improve(
        self, dealt: Ints, members: Ints | csr_array, wanted: Floats, rng: np.random.Generator, sizes: Ints
    ) -> Ints:
        """Improve the splits (u,) of units, of which `stratification.even_out` explains the arguments."""

    def draw_factors(
        self, strategy: str, train: Ints, drawn: Ints, totals: tuple[int, int]
    ) -> tuple[float, ...] | None:
        """Say by how much draws multiplied each class's prior, from counts (c,); `None` if no number says it."""

    def pairs(self, members: Members, repeats: Ints | None = None) -> tuple[tuple[int, ...], ...]:
        """Count the samples that have two classes together, (c, c); empty where none can."""

    def describe_draws(self, members: Members, repeats: Ints) -> str | None:
        """Say in one line what sampling changed for tiles with several labels; `None` where there are none."""


def find(task: str) -> TaskData:
    """Find what a task does differently.

    Raises:
        ValueError: There is no file for the task, although `tasks/` has one.
    """
    if task not in {module.name for module in pkgutil.iter_modules(__path__)}:
        raise ValueError(f"task {task!r} has no file in {__name__.replace('.', '/')}/")
    data: TaskData = importlib.import_module(f"{__name__}.{task}")
    return data
