"""The artifacts of one run, and the counts derived from them: the input of every section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels, storage
from counterpoise.artifacts import metrics as metrics_file
from counterpoise.artifacts.classes import Classes
from counterpoise.artifacts.decision import Decision
from counterpoise.artifacts.model import Card
from counterpoise.artifacts.predictions import Predictions
from counterpoise.artifacts.prior import Prior
from counterpoise.decision import rules
from counterpoise.metrics.difference import Difference
from counterpoise.report import tasks
from counterpoise.report.objects import Objects
from counterpoise.report.texts import PointEstimate, write_count
from counterpoise.report.units import ROUGH, Support
from counterpoise.report.words import Words

if TYPE_CHECKING:
    import pandas as pd

SHOWN_CLASSES = 20
"""With more classes than this, charts show the rarest ones, and a folded table shows the others."""
SPLITS = ("train", "val", "test", "unused")
OVER_CLASSES = ("balanced_accuracy", "macro_f1", "mean_average_precision")
"""Figures that are means over classes, so that the class with the fewest units limits what they show."""

OF_POSITIVE = ("recall", "precision", "average_precision", "roc_auc")
"""Figures of the class that matters alone."""


@dataclass(frozen=True)
class Counts:
    """Numbers of true and false positives and of false and true negatives of one class, in images."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def positives(self) -> int:
        """Number of images of the class."""
        return self.tp + self.fn

    @property
    def predicted(self) -> int:
        """Number of images for which the class was decided."""
        return self.tp + self.fp

    @property
    def total(self) -> int:
        """Number of all images."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def recall(self) -> float:
        """Share of the images of the class that were found; NaN if there are none."""
        return self.tp / self.positives if self.positives else float("nan")

    @property
    def false_positive_rate(self) -> float:
        """Share of the other images that raised a false alarm; NaN if there are none."""
        return self.fp / (self.fp + self.tn) if self.fp + self.tn else float("nan")

    @property
    def precision(self) -> float:
        """Share of the decisions for the class that are right; NaN if there are none."""
        return self.tp / self.predicted if self.predicted else float("nan")

    @property
    def prevalence(self) -> float:
        """Share of all images that have the class; NaN if there are none."""
        return self.positives / self.total if self.total else float("nan")


@dataclass(frozen=True)
class Facts:
    """The artifacts of one run.

    Attributes:
        classes: Class names, and the number of images of each before the split.
        manifest: Every usable image, or every block of one.
        rejected: Every row of the raw labels that was left out of the data.
        splits: The split of every image.
        clusters: Units: images that stay in the same split.
        train_tiles: Index of the training tiles.
        draws: The samples of one epoch.
        prior: Class counts in the labels, the training tiles and the samples of one epoch.
        card: Metadata of the model.
        curves: Training curves, one row per epoch.
        best_epoch: The epoch whose weights were kept, counted from 1; None if unknown.
        decision: The calibration, prior correction and rule that turn logits into decisions.
        metrics: The headline figures.
        checksum: MD5 of `reports/metrics.json`, as `dvc.lock` states it: it identifies the run.
        tables: The tables of `reports/plots/` by name.
        val: Raw logits of validation.
        test: Raw logits of test.
        other_baseline: Sentence that the last commit has figures of another test set; `None` if it has not.
        boxes: Boxes of test, and objects of all splits; `None` where labels have no boxes.
    """

    classes: Classes
    manifest: pd.DataFrame
    rejected: pd.DataFrame
    splits: pd.DataFrame
    clusters: pd.DataFrame
    train_tiles: pd.DataFrame
    draws: pd.DataFrame
    prior: Prior
    card: Card
    curves: pd.DataFrame
    best_epoch: int | None
    decision: Decision
    metrics: metrics_file.Metrics
    checksum: str
    tables: Mapping[str, pd.DataFrame]
    val: Predictions
    test: Predictions
    other_baseline: str | None
    boxes: Objects | None = None

    def __post_init__(self) -> None:
        for source in (self.prior, self.card, self.decision, self.val, self.test):
            if source.classes != self.names:
                raise storage.ArtifactError(
                    f"the files of different runs are mixed: classes {list(source.classes)}, expected "
                    f"{list(self.names)}; run `dvc repro`"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in their order."""
        return self.classes.names

    @cached_property
    def task(self) -> tasks.Task:
        """The parts of the report that depend on the task."""
        return tasks.find(self.decision.task)

    @property
    def words(self) -> Words:
        """The words that depend on the task."""
        return self.task.WORDS

    @property
    def positive(self) -> int:
        """Index of the class that matters."""
        return self.names.index(self.decision.positive)

    @property
    def positive_name(self) -> str:
        """Name of the class that matters."""
        return self.names[self.positive]

    @property
    def folder(self) -> PurePosixPath:
        """The folder that paths of images are relative to, `ingest.root`."""
        first = self.manifest.iloc[0]
        name = first["scene_id"] if "scene_id" in self.manifest else first["image_id"]
        return PurePosixPath(first["path"].removesuffix(name))

    @property
    def dataset(self) -> str:
        """Name of the data set: that of its folder."""
        return self.folder.name

    @cached_property
    def split_counts(self) -> dict[str, NDArray[np.int64]]:
        """Number of images of each class in train, val, test and unused."""
        split_of, labels_of = self.splits[["image_id", "split"]], self.manifest[["image_id", "labels"]]
        joined = split_of.merge(labels_of, on="image_id", validate="one_to_one")
        return {split: labels.counts(joined.loc[joined["split"] == split, "labels"], self.names) for split in SPLITS}

    @cached_property
    def split_totals(self) -> dict[str, int]:
        """Number of images in train, val, test and unused."""
        return {split: int((self.splits["split"] == split).sum()) for split in SPLITS}

    @cached_property
    def targets(self) -> NDArray[np.bool_]:
        """Labels of the test images, shape (n, c). For multiclass, one entry per row is true."""
        return labels.indicators(self.test.labels, self.names)

    @cached_property
    def probs(self) -> NDArray[np.float64]:
        """Calibrated probabilities of every test image at the target prior, shape (n, c)."""
        return rules.probabilities(self.decision, self.test.logits)

    @cached_property
    def decided(self) -> NDArray[np.bool_]:
        """Decisions for the test images, shape (n, c). For multiclass, one entry per row is true."""
        return rules.decided(self.decision, self.probs)

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """Unit of each test image, numbered from 0, shape (n,)."""
        return np.asarray(np.unique(self.test.groups, return_inverse=True)[1], dtype=np.int64)

    @property
    def test_images(self) -> str:
        """The number of test images, and that of their units if it differs."""
        return self.support(np.ones(len(self.targets), dtype=bool)).text

    def support(self, chosen: NDArray[np.bool_]) -> Support:
        """Count chosen test images, shape (n,), and the units that they come from."""
        return Support(int(chosen.sum()), len(np.unique(self.units[chosen])))

    @cached_property
    def supports(self) -> tuple[Support, ...]:
        """Test images of each class, and their units."""
        return tuple(self.support(column) for column in self.targets.T)

    @cached_property
    def alarms(self) -> tuple[Support, ...]:
        """Test images for which each class was decided, and their units."""
        return tuple(self.support(column) for column in self.decided.T)

    @property
    def rough_classes(self) -> str:
        """Say how many classes in test have too few units, to write behind their number; empty without any."""
        rough = sum(support.rough for support in self.supports if support.images)
        return f", {rough} with fewer than {ROUGH} units" if rough else ""

    @property
    def test_support(self) -> Support:
        """Test images of the class that matters, and their units."""
        return self.supports[self.positive]

    @cached_property
    def val_supports(self) -> tuple[Support, ...]:
        """Validation images of each class, and their units."""
        units = np.array(self.val.groups)
        columns = labels.indicators(self.val.labels, self.names).T
        return tuple(Support(int(column.sum()), len(np.unique(units[column]))) for column in columns)

    @property
    def rule_decides_as_raw(self) -> bool:
        """Whether correction and rule change no decision on test."""
        return np.array_equal(self.decided, rules.raw(self.test.logits.astype(np.float64), self.decision.task)[1])

    @cached_property
    def mistaken(self) -> NDArray[np.bool_]:
        """Whether a test image has at least one wrong decision, shape (n,)."""
        return np.asarray((self.targets != self.decided).any(axis=1))

    @cached_property
    def counts(self) -> tuple[Counts, ...]:
        """Counts of the decisions on test, for each class."""
        cells = (
            self.targets & self.decided,
            ~self.targets & self.decided,
            self.targets & ~self.decided,
            ~self.targets & ~self.decided,
        )
        columns = np.stack([cell.sum(axis=0) for cell in cells], axis=1).tolist()
        return tuple(Counts(*row) for row in columns)

    @property
    def test_counts(self) -> Counts:
        """Counts of the decisions on test for the class that matters."""
        return self.counts[self.positive]

    @property
    def val_counts(self) -> Counts:
        """Counts of the decisions on validation for the class that matters."""
        return Counts(*self.decision.val_decided[self.positive])

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Number of test images by actual (row) and decided class (column), for multiclass."""
        table = np.zeros((len(self.names), len(self.names)), dtype=np.int64)
        np.add.at(table, (self.targets.argmax(axis=1), self.decided.argmax(axis=1)), 1)
        return table

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """Indices of the classes in charts. With many classes: the one that matters and the rarest in test."""
        count = len(self.names)
        if count <= SHOWN_CLASSES:
            return tuple(range(count))
        rarest = sorted(range(count), key=lambda k: (not self.supports[k].images, self.classes.counts[k], k))
        first = [self.positive, *(index for index in rarest if index != self.positive)]
        return tuple(first[:SHOWN_CLASSES])

    @cached_property
    def folded(self) -> tuple[int, ...]:
        """Indices of the other classes, which are in folded tables."""
        return tuple(sorted(set(range(len(self.names))) - set(self.shown)))

    @property
    def label_count(self) -> str:
        """The number of classes with its noun, such as "4 classes" or "52 labels"."""
        return self.count_classes(len(self.names))

    @property
    def all_classes(self) -> str:
        """All classes in words, such as "Both classes" or "All 52 labels"."""
        return f"Both {self.words.nouns}" if len(self.names) == 2 else f"All {self.label_count}"

    def count_classes(self, number: int, one: str = "", several: str = "") -> str:
        """Write a number of classes with its noun, then `one` or `several`, such as " is" or " are"."""
        return counted(number, self.words.noun + one, self.words.nouns + several)

    def score(self, variant: str, figure: str) -> float:
        """Look up one figure of `scores.csv`; NaN if there is none."""
        value = self.estimate(variant, figure).value
        return float("nan") if value is None else value

    def estimate(self, variant: str, figure: str) -> PointEstimate:
        """Look up one figure of `scores.csv` with its interval."""
        return self.scores.get((variant, figure), PointEstimate(None))

    @cached_property
    def scores(self) -> dict[tuple[str, str], PointEstimate]:
        """`scores.csv` by variant and figure."""
        return {(row["way"], row["figure"]): PointEstimate.from_row(row) for row in self.records("scores")}

    def records(self, name: str) -> list[dict[Any, Any]]:
        """Return the rows of a table of `reports/plots/` as dictionaries, which are made once."""
        if name not in self._records:
            self._records[name] = self.tables[name].to_dict("records")
        return self._records[name]

    @cached_property
    def _records(self) -> dict[str, list[dict[Any, Any]]]:
        return {}

    def difference(self, figure: str) -> Difference:
        """Look up what a figure gained on the same images, in `differences.csv`; NaN if it is not there."""
        table = self.tables["differences"]
        rows = table.loc[table["figure"] == figure, ["value", "low", "high"]].to_numpy(dtype=np.float64)
        return Difference(*rows[0].tolist()) if len(rows) else Difference(float("nan"), float("nan"), float("nan"))

    def rests_on(self, figure: str) -> int:
        """Count the units that a figure rests on: those of the rarest class in test, or of all images."""
        if figure in OVER_CLASSES:
            return min(support.units for support in self.supports if support.images)
        return len(np.unique(self.units))

    def few_units(self, figure: str) -> str:
        """Say that a figure of `metrics.json` rests on too few units to be compared; empty if it does not."""
        name = figure.removesuffix("_raw")
        units = self.test_support.units if name in OF_POSITIVE else self.rests_on(name)
        if units >= ROUGH or name not in (*OF_POSITIVE, *OVER_CLASSES):
            return ""
        return f"only {counted(units, 'unit')} of {'the' if name in OF_POSITIVE else 'a'} {self.words.noun}"

    def remedy(self, piece: str) -> str:
        """Look up the value of a switch in the ledger; "none" if the ledger has no line for it."""
        return next((line.remedy for line in self.decision.ledger if line.piece == piece), "none")


def quote(name: str) -> str:
    """Put a class name in quotation marks, and shorten it if it is very long.

    Example:
        >>> quote("defective")
        '“defective”'
    """
    return f"“{name if len(name) <= 60 else name[:59] + '…'}”"


def listed(names: list[str], most: int = 6) -> str:
    """Write a list in words, with at most `most` entries.

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
