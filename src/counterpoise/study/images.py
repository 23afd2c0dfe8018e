"""The images of train and validation that a study gives to folds, and which classes count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.study import verdicts

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """The images of train and validation.

    Attributes:
        image_ids: (n,) sorted.
        truth: (n, c) which classes each has.
        unit: (n,) what must not be separated, 0..u-1.
        names: (c,) of the classes.
        positive: Index of the class that matters.
        one_class: Whether the task gives each image exactly one class.
        least: Units from which a class counts in figures that are means over classes.
        of_positive: The figures that are of the class that matters alone.
        task: What the labels mean; names a file of `study.tasks`.
    """

    image_ids: NDArray[np.str_]
    truth: Bools
    unit: Ints
    names: tuple[str, ...]
    positive: int
    one_class: bool
    least: int
    of_positive: frozenset[str]
    task: str

    @property
    def holds(self) -> Bools:
        """(u, c) which classes a unit holds."""
        held = np.zeros((int(self.unit.max()) + 1, self.truth.shape[1]), dtype=np.bool_)
        np.logical_or.at(held, self.unit, self.truth)
        return held

    @property
    def counted(self) -> Bools:
        """(c,) which classes figures are means over: those with enough units."""
        return np.asarray(self.holds.sum(axis=0) >= self.least)

    def classes_of(self, figure: str) -> list[int]:
        """Number the classes that a figure is a mean over."""
        return [self.positive] if figure in self.of_positive else np.flatnonzero(self.counted).tolist()

    def left_out(self, figure: str) -> tuple[str, ...]:
        """Name the labels that are too rare for a figure that is a mean over labels."""
        if figure in self.of_positive:
            return ()
        return tuple(self.names[label] for label in np.flatnonzero(~self.counted))

    def judged(self, figure: str) -> list[int]:
        """Number the labels that have a verdict of their own beside that of a mean over labels."""
        if self.one_class or figure in self.of_positive:
            return []
        enough = self.holds.sum(axis=0) >= verdicts.LEAST_UNITS
        return [label for label in self.classes_of(figure) if enough[label]]

    def needed(self, classes: Sequence[int]) -> int:
        """Count the units of its rarest class that a figure over some classes needs for a verdict.

        Where rare classes are left out of a mean, those that are left are enough; else it takes what one class takes.
        """
        return self.least if self.least > 1 and len(classes) > 1 else verdicts.LEAST_UNITS

    def rarest(self, figure: str) -> int:
        """Number the class of a figure that the fewest units hold."""
        of_figure = self.classes_of(figure)
        return of_figure[int(np.argmin(self.holds[:, of_figure].sum(axis=0)))]
