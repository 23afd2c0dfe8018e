"""The open set of tasks for the report: one file per task, found by its name.

A file `report/tasks/<name>.py` defines everything that `Task` lists. It may import parts of it from the file of another
task, or from `report.sections`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from counterpoise import config

if TYPE_CHECKING:
    from counterpoise.report.facts import Facts
    from counterpoise.report.parts import Part
    from counterpoise.report.summary import HeadlineFigure
    from counterpoise.report.warnings import Finding
    from counterpoise.report.words import Words


class Task(Protocol):
    """What every file of this folder defines.

    Attributes:
        WORDS: Nouns and sentences.
        JUDGED_BY: The figure of decisions that the text names first when it compares raw with re-decided.
    """

    WORDS: Words
    JUDGED_BY: str

    def parts(self, facts: Facts) -> list[Part]:
        """Make the parts of the report, in reading order."""

    def problem(self, facts: Facts) -> str:
        """Say how many images and classes there are, in a sentence."""

    def headline_figures(self, facts: Facts) -> tuple[HeadlineFigure, ...]:
        """Choose the headline figures of all classes."""

    def findings(self, facts: Facts) -> Iterator[Finding]:
        """Yield the warnings that only this task has."""

    def unattainable(self, facts: Facts) -> list[str]:
        """Name the classes for which no threshold reaches the requested precision on validation."""

    def decides_by_threshold(self, facts: Facts) -> bool:
        """Say whether the class that matters is decided by a threshold on its own probability."""

    def moves_prior(self, factors: Sequence[float]) -> bool:
        """Say whether a line of the ledger changes the prior by more than 5 %."""

    def calibrated_sentence(self, facts: Facts, predicted: float, observed: float) -> str:
        """Compare the mean calibrated probability with the observed share."""

    def variants_caption(self, facts: Facts) -> str:
        """Explain the three scores: raw, calibrated and re-decided."""


def names() -> list[str]:
    """List all tasks."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> Task:
    """Find the file of a task.

    Raises:
        config.InputError: if there is no such task.
    """
    if name not in names():
        raise config.InputError(f"{config.PATH}: task is {name!r}; {config.suggest(name, names())}")
    task: Task = importlib.import_module(f"{__name__}.{name}")
    return task
