"""What the page knows of boxes: those that were found in test, those that are there, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts import detections
from counterpoise.artifacts.decision import Boxes as BoxDecision
from counterpoise.boxes.errors import IGNORED, KINDS, RIGHT, Errors, errors
from counterpoise.boxes.matching import Detections, Truth
from counterpoise.decision import boxes
from counterpoise.report.scene_pictures import Picture

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Objects:
    """Boxes of test that are decided for, and the objects there.

    Attributes:
        decision: Calibration and thresholds of boxes.
        found: The n detections that are decided for.
        probs: (n,) how probably each is right.
        truth: The objects.
        labelled: `data/boxes.csv`: the objects of all splits.
        samples: Rows of pictures of what training sees; none if nobody asked for them.
    """

    decision: BoxDecision
    found: Detections
    probs: NDArray[np.float64]
    truth: Truth
    labelled: pd.DataFrame
    samples: tuple[tuple[Picture, ...], ...] = ()

    @cached_property
    def fates(self) -> Errors:
        """What became of each."""
        return errors(self.found, self.truth, self.decision.iou)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each detection found an object, (n,)."""
        return np.asarray(self.fates.kind == RIGHT)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether each detection is a false alarm, (n,)."""
        return np.asarray((self.fates.kind != RIGHT) & (self.fates.kind != IGNORED))

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """Whether each object should be found, (m,)."""
        return ~self.truth.ignore

    def counts(self, label: int | None = None) -> tuple[int, int, int]:
        """Count found objects, missed objects and false alarms, of a class or of all."""
        of_found = np.ones(len(self.probs), dtype=bool) if label is None else self.found.label == label
        of_truth = self.wanted if label is None else self.wanted & (self.truth.label == label)
        missed = int((of_truth & self.fates.missed).sum())
        return int(of_truth.sum()) - missed, missed, int((of_found & self.wrong).sum())

    def kind(self, detection: int) -> str:
        """Name what is wrong with a false alarm, in words."""
        return KINDS[int(self.fates.kind[detection])].replace("_", " ")


def objects(
    tables: detections.Tables,
    labelled: pd.DataFrame,
    decision: BoxDecision,
    image_ids: Sequence[str],
    classes: Sequence[str],
) -> Objects:
    """Decide for the detections of test, and keep those that are decided for.

    Args:
        tables: Of test.
        labelled: `data/boxes.csv`.
        decision: Calibration and thresholds of boxes.
        image_ids: The images of test, in the order of their numbers.
        classes: The class names, likewise.

    Raises:
        storage.ArtifactError: A table names another image or another class.
    """
    found, truth = detections.arrays(tables, "test", image_ids, classes)
    kept = np.flatnonzero(boxes.decided(decision, found.scores, found.label))
    decided = Detections(found.image[kept], found.label[kept], found.boxes[kept], found.scores[kept])
    return Objects(decision, decided, boxes.probabilities(decision, decided.scores, decided.label), truth, labelled)
