"""The open set of tasks, as far as the page goes: a file per task, found by its name.

A file `report/tasks/<name>.py` holds what `Task` lists. What it does not do differently it takes from another task's
file, or from `report.sections`.
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
    """What every file of this folder offers.

    Attributes:
        WORDS: Nouns and sentences.
        JUDGED_BY: The figure of decisions by which the variants of the predictions are told apart in words.
    """

    WORDS: Words
    JUDGED_BY: str

    def parts(self, facts: Facts) -> list[Part]:
        """Make the parts of the page, in the order of reading."""

    def problem(self, facts: Facts) -> str:
        """Say how many images there are, and of what, in a sentence."""

    def headline_figures(self, facts: Facts) -> tuple[HeadlineFigure, ...]:
        """Choose the headline figures of all classes."""

    def findings(self, facts: Facts) -> Iterator[Finding]:
        """Warn of what only this task knows."""

    def unattainable(self, facts: Facts) -> list[str]:
        """Name the classes for which validation promises no threshold that keeps the precision asked for."""

    def decides_by_threshold(self, facts: Facts) -> bool:
        """Say whether the class that matters is decided by a threshold on its own probability."""

    def moves_prior(self, factors: Sequence[float]) -> bool:
        """Say whether a line of the ledger changes the prior enough to be named."""

    def calibrated_sentence(self, predicted: float, observed: float) -> str:
        """Compare the mean calibrated probability with the share that came true."""

    def variants_caption(self, facts: Facts) -> str:
        """Explain the three variants of the predictions."""


def names() -> list[str]:
    """List the tasks there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> Task:
    """Find the file of a task.

    Raises:
        config.InputError: There is no such task.
    """
    if name not in names():
        raise config.InputError(f"{config.PATH}: task is {name!r}; {config.suggest(name, names())}")
    task: Task = importlib.import_module(f"{__name__}.{name}")
    return task
