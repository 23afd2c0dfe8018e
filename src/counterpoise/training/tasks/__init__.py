"""The open set of trainings, a file per task, found by its name.

A file `training/tasks/<task>.py` holds `examples`, `fit_members` and `describe` as in `TrainedTask`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.prior import Prior
from counterpoise.artifacts.tiles import Tiles
from counterpoise.training.settings import Settings

if TYPE_CHECKING:
    from counterpoise.artifacts.model import Card
    from counterpoise.training.checkpoints import Checkpoint
    from counterpoise.training.members import Member


class TrainedTask(Protocol):
    """What every file of this folder offers. What `examples` gives, `fit_members` and `describe` take."""

    def examples(
        self,
        root: Path,
        split: str,
        part: Tiles,
        rows: NDArray[np.int64],
        views: NDArray[np.int64],
        prior: Prior,
        params: Settings,
    ) -> Any:  # noqa: ANN401 - its own kind
        """Build the examples of a split.

        Args:
            root: The repository.
            split: Name of the split; only `train` is augmented on the fly.
            part: Its tiles.
            rows: (n,) tile of each example.
            views: (n,) augmented view of each example; 0 for the unchanged tile.
            prior: Task and classes.
            params: All settings.
        """

    def fit_members(
        self,
        drawn: Any,  # noqa: ANN401
        natural: Any,  # noqa: ANN401
        val: Any,  # noqa: ANN401
        prior: Prior,
        params: Settings,
        saved: Sequence[Checkpoint],
        units: NDArray[np.str_] | None,
    ) -> list[Member]:
        """Train all members; see `members.fit_members`."""

    def describe(self, members: Sequence[Member], prior: Prior, params: Settings, drawn: Any) -> Card:  # noqa: ANN401
        """Describe how to rebuild them."""


def find(name: str) -> TrainedTask:
    """Find a task by its name, one of `counterpoise.tasks.names()`."""
    found: TrainedTask = importlib.import_module(f"{__name__}.{name}")
    return found
