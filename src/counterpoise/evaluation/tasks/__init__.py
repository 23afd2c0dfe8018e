"""The open set of tasks, as far as figures on test go: a file per task, found by its name.

A file `evaluation/tasks/<name>.py` holds what `Task` lists. What it does not do differently it takes from another
task's file, or from `evaluation.scores` and `evaluation.tables`.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Protocol

from counterpoise import config

if TYPE_CHECKING:
    import pandas as pd

    from counterpoise.evaluation.scores import Booleans, Floats, Score, Truth, Variant, Weights
    from counterpoise.metrics.arguments import Values


class Task(Protocol):
    """What every file of this folder offers.

    Attributes:
        HEADLINES: Figures of the decision in `metrics.json`.
        RAW: The figure that is there raw as well, so that a diff shows what correction and rule did.
        RAW_RULE: How raw logits decide, in words.
        MEANS_OVER_CLASSES: Figures that are means over the classes present.
        LEARNING_CURVE: The figure of all classes that a learning curve shows, in words.
        DEPEND_ON_SHARES: Figures that hold for test's shares of the classes alone, in words.
    """

    HEADLINES: tuple[str, ...]
    RAW: str
    RAW_RULE: str
    MEANS_OVER_CLASSES: tuple[str, ...]
    LEARNING_CURVE: str
    DEPEND_ON_SHARES: str

    def figures(self, variant: Variant, truth: Truth) -> dict[str, Score]:
        """Compute every figure of a variant with its interval: by bootstrap over groups, of plain shares by Wilson."""

    def decision_influences(self, targets: Booleans, decided: Booleans) -> dict[str, Floats]:
        """Compute the influence of each image, (n,), on figures of decisions that are compared between variants."""

    def probability_influences(self, targets: Booleans, probs: Floats) -> dict[str, Floats]:
        """Compute the influence of each image, (n,), on figures of probabilities that are compared between variants."""

    def missed(self, index: int, targets: Booleans, decided: Booleans) -> Booleans:
        """Say what is decided, (c,), for a typical image of a class that is missed."""

    def learning_curve(self, variant: Variant, targets: Booleans, weights: Weights) -> Values:
        """Compute that figure, a float, or (b,) for weights (b, n) of b resamples."""

    def no_skill(self, truth: Truth) -> dict[str, float]:
        """Compute the entries of `metrics.json` to compare the figures of all classes with."""

    def per_class(self, variant: Variant, truth: Truth, names: tuple[str, ...]) -> pd.DataFrame:
        """Compute precision, recall and average precision of each class: the table `classes`."""

    def confusion_table(self, variant: Variant, truth: Truth, names: tuple[str, ...]) -> pd.DataFrame:
        """Write what each image is and what was decided: the table `confusion`."""

    def forecasts(self, probs: Floats, targets: Booleans) -> tuple[Floats, Booleans]:
        """Choose the probabilities that the table `calibration` checks, and whether each came true, (n, k) both."""


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
