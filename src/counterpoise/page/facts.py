"""Everything the report page is made from: the artifacts of one run, and what follows from them by counting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterpoise import calibration, decisions, labels, storage
from counterpoise.artifacts import metrics as metrics_file
from counterpoise.artifacts.classes import Classes
from counterpoise.artifacts.decision import Decision
from counterpoise.artifacts.model import Card
from counterpoise.artifacts.predictions import Predictions
from counterpoise.artifacts.prior import Prior
from counterpoise.charts import write_count

SHOWN_CLASSES = 20
"""Of more classes than this, figures show the rarest first and fold the others away."""


@dataclass(frozen=True)
class Facts:
    """The artifacts of one run.

    Attributes:
        classes: Classes and their images before any split.
        manifest: Every usable image.
        rejected: Every row of the raw labels that became no image.
        splits: The split of every image.
        clusters: Which images stay on one side of a split.
        prior: Class counts up to one epoch of training.
        card: What is said of the model.
        curves: Training curves, one row per epoch.
        best_epoch: The epoch whose weights were kept, from 1; None where training does not say.
        decision: How logits become decisions.
        metrics: The headline figures.
        tables: The tables of `reports/plots/` by name.
        test: Raw logits of test.
    """

    classes: Classes
    manifest: pd.DataFrame
    rejected: pd.DataFrame
    splits: pd.DataFrame
    clusters: pd.DataFrame
    prior: Prior
    card: Card
    curves: pd.DataFrame
    best_epoch: int | None
    decision: Decision
    metrics: metrics_file.Metrics
    tables: Mapping[str, pd.DataFrame]
    test: Predictions

    def __post_init__(self) -> None:
        for source in (self.prior.classes, self.card.classes, self.decision.classes, self.test.classes):
            if source != self.names:
                raise storage.ArtifactError(
                    f"the files of different runs are mixed: classes {list(source)}, expected {list(self.names)}; "
                    "run `dvc repro`"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in their order."""
        return self.classes.names

    @cached_property
    def positive(self) -> int:
        """Index of the class that matters, as the notes of `metrics.json` name it."""
        for index, name in enumerate(self.names):
            if any(f"class {name!r} against the rest" in note for note in self.metrics.notes):
                return index
        raise storage.ArtifactError(f"{metrics_file.PATH}: no note names the class that matters; run `dvc repro`")

    @property
    def positive_name(self) -> str:
        """Name of the class that matters."""
        return self.names[self.positive]

    @cached_property
    def images(self) -> dict[str, NDArray[np.int64]]:
        """For train, val, test and unused, the images of each class."""
        joined = self.splits.merge(self.manifest[["image_id", "labels"]], on="image_id", validate="one_to_one")
        return {
            split: labels.counts(joined.loc[joined["split"] == split, "labels"], self.names)
            for split in ("train", "val", "test", "unused")
        }

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Class index of every test image."""
        return labels.targets(self.test.labels, self.names)

    @cached_property
    def probs(self) -> NDArray[np.float64]:
        """Calibrated probabilities of every test image at the target prior, shape (n, c)."""
        chosen = self.decision
        offset = np.array(chosen.val_offset) + np.array(chosen.target_offset)
        logits = self.test.logits.astype(np.float64)
        return calibration.apply(logits, np.array(chosen.scale), np.array(chosen.bias), offset)

    @cached_property
    def decided(self) -> NDArray[np.int64]:
        """Decided class index of every test image."""
        return decisions.decide(self.probs, np.array(self.decision.gain))

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Test images by actual (row) and decided class (column)."""
        table = np.zeros((len(self.names), len(self.names)), dtype=np.int64)
        np.add.at(table, (self.targets, self.decided), 1)
        return table

    @cached_property
    def order(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Class indices to show, and those to fold away: with many classes, the rarest are shown."""
        count = len(self.names)
        if count <= SHOWN_CLASSES:
            return tuple(range(count)), ()
        rarest = sorted(range(count), key=lambda index: (self.classes.counts[index], index))
        first = [self.positive, *(index for index in rarest if index != self.positive)]
        return tuple(first[:SHOWN_CLASSES]), tuple(first[SHOWN_CLASSES:])

    def score(self, way: str, figure: str) -> float:
        """Look up one figure of `scores.csv`; NaN where there is none."""
        table = self.tables["scores"]
        found = table.loc[(table["way"] == way) & (table["figure"] == figure), "value"]
        return float(found.iloc[0]) if len(found) else float("nan")

    def remedy(self, piece: str) -> str:
        """Look up what a switch of the ledger is set to; "none" where no line speaks of it."""
        return next((line.remedy for line in self.decision.ledger if line.piece == piece), "none")


def quote(name: str) -> str:
    """Put a class name in quotation marks, cut where it is very long.

    Example:
        >>> quote("defective")
        '“defective”'
    """
    return f"“{name if len(name) <= 60 else name[:59] + '…'}”"


def listed(names: list[str], most: int = 6) -> str:
    """Write a list in words, cut to `most` entries.

    Example:
        >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], 2)
        ('a, b and c', 'a, b and 1 more')
    """
    shown = names[:most]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun.

    Example:
        >>> counted(1, "image"), counted(3, "class", "classes")
        ('1 image', '3 classes')
    """
    return f"{write_count(number)} {noun if number == 1 else plural or noun + 's'}"
