"""What a study found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from counterpoise.study.arms import Study
from counterpoise.study.verdicts import NoVerdict, Verdict

NOUNS = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "average_precision": "average precision",
    "mean_average_precision": "mean average precision",
    "ap50": "AP50",
    "ap": "AP",
}
DECIDING = ("balanced_accuracy", "macro_f1")
"""Figures that count decisions; others rank."""


@dataclass(frozen=True)
class Row:
    """What a study found of one arm.

    Attributes:
        name: Of the arm.
        control: What it is compared with; `None` for a control.
        changes: What it changes.
        found: The verdict; `None` for a control whose trainings all ended.
        means: View -> figure -> mean over folds and repeats; empty where a training failed or is missing.
        labels: Label -> verdict on this label alone; empty for one class per image.
    """

    name: str
    control: str | None
    changes: Mapping[str, Any]
    found: Verdict | NoVerdict | None
    means: Mapping[str, Mapping[str, float]]
    labels: Mapping[str, Verdict | NoVerdict] = field(default_factory=dict)


@dataclass(frozen=True)
class Confirmation:
    """The one reading of test, after the verdicts.

    Attributes:
        arm: The winner.
        control: What it was compared with.
        found: The difference on test; the interval is of this one comparison.
    """

    arm: str
    control: str
    found: Verdict | NoVerdict

    @property
    def leaves_out(self) -> str:
        """What the interval does not hold, a sentence; empty without an interval."""
        if isinstance(self.found, NoVerdict):
            return ""
        return "It compares one training of each, so its interval holds the luck of images, but not that of training."


@dataclass(frozen=True)
class Summary:
    """All that a study says.

    Attributes:
        dataset: Name of the data set.
        study: What was declared.
        images: How many images train and validation hold.
        positive: The class that matters, of which the average precision is.
        rarest: The class whose units decide how much can be seen.
        units: How many of them train and validation hold.
        comparisons: How many the intervals are corrected for.
        rows: In the order of the file.
        confirmation: `None` where no arm is better, so that test was not read.
        left_out: Labels that are too rare for the mean that the figure is; none for one class per image.
    """

    dataset: str
    study: Study
    images: int
    positive: str
    rarest: str
    units: int
    comparisons: int
    rows: tuple[Row, ...]
    confirmation: Confirmation | None
    left_out: tuple[str, ...] = ()

    @property
    def noun(self) -> str:
        """The declared figure in words."""
        return NOUNS[self.study.figure]

    def mean(self, row: Row) -> float | None:
        """The declared figure of an arm in the declared view; `None` where it is missing or undefined."""
        value = row.means[self.study.view].get(self.study.figure, math.nan) if row.means else math.nan
        return value if math.isfinite(value) else None

    @property
    def controls(self) -> list[Row]:
        """The controls whose figure is known, from the highest mean to the lowest."""
        known = [(value, row) for row in self.rows if row.control is None and (value := self.mean(row)) is not None]
        return [row for _, row in sorted(known, key=lambda pair: -pair[0])]

    @property
    def without_verdict(self) -> int:
        """How many arms that should be compared have no verdict."""
        return sum(row.control is not None and isinstance(row.found, NoVerdict) for row in self.rows)

    @property
    def coverage(self) -> str:
        """What the intervals hold, without a full stop."""
        if self.comparisons == 1:
            return "With 95 % confidence, the interval contains the true difference"
        return f"With 95 % confidence, all {self.comparisons} intervals contain the true differences"

    @property
    def kind(self) -> str:
        """What the rarest is: a class, or one of several labels of an image."""
        return "label" if self.of_labels or self.left_out else "class"

    @property
    def images_to_add(self) -> str:
        """The images of which more would decide what is undecided."""
        return "images of every label" if self.of_labels else "images of this class"

    @property
    def of_labels(self) -> bool:
        """Whether the declared figure is a mean over labels, so that no single label decides how much can be seen."""
        return any(row.labels for row in self.rows)

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts, in the order of the file."""
        return [row.found for row in self.rows if isinstance(row.found, Verdict)]


def winner(rows: Sequence[Row]) -> Row | None:
    """Choose the better arm whose interval begins highest; `None` if none is better."""
    better = [row for row in rows if isinstance(row.found, Verdict) and row.found.word == "better"]
    return max(better, key=lambda row: row.found.low if isinstance(row.found, Verdict) else -math.inf, default=None)


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Sort controls first, then arms by their difference, then those without a verdict."""

    def key(row: Row) -> tuple[int, float]:
        if row.control is None:
            return 0, 0.0
        return (1, -row.found.difference) if isinstance(row.found, Verdict) else (2, 0.0)

    return sorted(rows, key=key)


def typical(found: Sequence[Verdict]) -> Verdict | None:
    """Choose the verdict whose interval has the median width; `None` if all arms are identical."""
    seen = sorted((one for one in found if one.word != "identical"), key=lambda one: one.high - one.low)
    return seen[len(seen) // 2] if seen else None
