"""The open set of what a study does differently by task: a file per task, found by its name.

A file `study/tasks/<task>.py` holds what `StudiedTask` lists: which figures there are, what an arm may change, which
images there are, and how a cell is computed, kept and judged.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from counterpoise.study.cells import Cell, Done, Job
    from counterpoise.study.experiment import Data
    from counterpoise.study.images import Images


class AnyFigure(Protocol):
    """What is asked of a figure."""

    @property
    def counts_decisions(self) -> bool:
        """Whether it counts decisions; otherwise it ranks."""

    @property
    def of_positive(self) -> bool:
        """Whether it is of the class that matters alone."""


class AnyTested(Protocol):
    """What is asked of what a cell found."""

    @property
    def val_loss(self) -> float:
        """By which a setting of a grid is chosen; less is better."""

    @property
    def seconds(self) -> float:
        """How long the cell took."""


class StudiedTask(Protocol):
    """What every file of this folder offers. What `compute` and `read` give, `value` and those after it take."""

    FIGURES: Mapping[str, AnyFigure]
    """The figures that verdicts may be about."""
    CHANGEABLE: tuple[str, ...]
    """Sections of `params.yaml` that an arm may change."""
    ALIKE: Mapping[str, str]
    """Parameters that an arm and its control must share -> what would be compared otherwise, in words."""

    def faults_of_keys(self, keys: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
        """Name parameters that an arm must not change.

        Args:
            keys: Dotted name -> value.
            content: Parameters of the problem.
        """

    def faults(self, trial: Mapping[str, Any]) -> Iterator[str]:
        """Name parameters of a whole setting that are out of range, exclude each other, or that a study rules out."""

    def images(self, data: Data, task: str) -> Images:
        """List the images of the splits of some data."""

    def check_figure(self, name: str, of: Images) -> None:
        """Refuse a figure that these images cannot have.

        Raises:
            InputError: They cannot.
        """

    def data(self, root: Path, names: tuple[str, ...]) -> Data:
        """Read the images of some splits, once in a process; no file of another split is read."""

    def digest_of_data(self, root: Path, names: Sequence[str]) -> str:
        """Hash the checksums of all files that cells read which use these splits."""

    def key(self, cell: Cell, data: str) -> str:
        """Name a cell after all that decides it; `data` is the digest of the data."""

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Compute what many cells read, with progress, before they are computed."""

    def work(self, job: Job) -> Done:
        """Compute a cell and keep it, in any process."""

    def files(self, job: Job) -> Iterator[Path]:
        """List the files of the repository that a cell may read, as `work` does."""

    def read(self, path: Path) -> Any:  # noqa: ANN401 - its own kind
        """Read what a cell found; `None` if it is not there or damaged."""

    def value(self, name: str, of: Images, tested: Any, view: str, classes: Sequence[int]) -> float:  # noqa: ANN401
        """Compute a figure of the fold that a cell tested, the mean over some classes; NaN where it is undefined."""

    def influences(
        self,
        name: str,
        of: Images,
        tested: Any,  # noqa: ANN401
        view: str,
        classes: Sequence[int],
    ) -> NDArray[np.float64]:
        """Sum the influence values of each unit, (u,); 0 for those that the cell did not test."""

    def described(self, of: Images, tested: Sequence[Any], view: str) -> dict[str, float]:
        """Compute what describes all folds of a repeat together, by name, beside the figures."""


def find(name: str) -> StudiedTask:
    """Find a task by its name, one of `counterpoise.tasks.names()`."""
    found: StudiedTask = importlib.import_module(f"{__name__}.{name}")
    return found
