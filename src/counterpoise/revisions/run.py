"""What a run left, read from the files of a commit or of the working tree."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoise import storage
from counterpoise.artifacts import decision, detections, metrics, plots, predictions
from counterpoise.artifacts.decision import Decision
from counterpoise.artifacts.metrics import Metrics
from counterpoise.artifacts.predictions import Predictions
from counterpoise.config import InputError, yaml12
from counterpoise.evaluation.scores import Variant, variants
from counterpoise.revisions import checkout

if TYPE_CHECKING:
    import pandas as pd

    from counterpoise.evaluation.box_scores import Scenes

LOCK = "dvc.lock"
KEPT_BY_GIT = (metrics.PATH, metrics.SUMS, plots.FOLDER)
KEPT_BY_DVC = (predictions.path("test"), predictions.sums_path("test"), decision.PATH, decision.SUMS)
BOXES = detections.path("test")


@dataclass(frozen=True)
class Scored:
    """What the model said of each test image, and how that becomes decisions.

    Attributes:
        test: Raw logits, labels and units.
        decision: How they become decisions.
        scenes: Boxes that were found, and objects that are there; `None` where labels have no boxes.
    """

    test: Predictions
    decision: Decision
    scenes: Scenes | None

    @cached_property
    def variants(self) -> dict[str, Variant]:
        """The raw, calibrated and decided predictions."""
        return variants(self.test.logits.astype(np.float64), self.decision)


@dataclass(frozen=True)
class Run:
    """What is known of a run.

    Attributes:
        name: Of the commit, or of the working tree.
        metrics: The headline figures.
        tables: The tables of classes and of boxes, by name; empty where another version of the code wrote them.
        hashes: Path -> MD5 of what a stage read or wrote, from `dvc.lock`.
        scored: The predictions on test; `None` where they are not at hand.
        lacking: Why they are not; empty where they are.
    """

    name: str
    metrics: Metrics
    tables: Mapping[str, pd.DataFrame]
    hashes: Mapping[str, str]
    scored: Scored | None
    lacking: str


def read(root: Path, commit: str | None, name: str) -> Run:
    """Fetch and read a run.

    Args:
        root: The repository.
        commit: The hash of a commit; `None` for the working tree.
        name: What messages call it.

    Raises:
        InputError: It has no figures, or not such as this version reads.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        missing = checkout.fetch(root, commit, folder, (*KEPT_BY_GIT, *KEPT_BY_DVC, BOXES))
        if metrics.PATH in missing:
            raise InputError(
                f"{name} has no {metrics.PATH}, so there are no figures to compare; run `dvc repro` there, and commit "
                f"{metrics.PATH}, {metrics.SUMS} and {plots.FOLDER}"
            )
        try:
            figures = metrics.read(folder)
        except storage.ArtifactError as error:
            raise InputError(f"{name}: {_without(folder, error)}") from error
        try:
            tables = {table: plots.read(folder, table) for table in ("classes", "detection_sizes")}
        except storage.ArtifactError:
            tables = {}
        scored, lacking = _scored(folder, missing)
    if commit is not None:
        lock = checkout.text(root, commit, LOCK)
    else:
        lock = (root / LOCK).read_text(encoding="utf-8") if (root / LOCK).is_file() else ""
    return Run(name, figures, tables, hashes(lock), scored, lacking)


def hashes(lock: str) -> dict[str, str]:
    """Read the hashes of all that stages read and wrote from the text of `dvc.lock`; empty where it is none."""
    try:
        content: Any = yaml12.read(lock)
        stages = content["stages"]
        entries = [entry for stage in stages.values() for kind in ("deps", "outs") for entry in stage.get(kind, [])]
        return {entry["path"]: entry["md5"] for entry in entries}
    except (yaml12.RefusedError, KeyError, TypeError, AttributeError):
        return {}


def _scored(folder: Path, missing: Mapping[str, str]) -> tuple[Scored | None, str]:
    """Read predictions and decision, or say why they are not there."""
    from counterpoise.stages.evaluate import scenes_of

    if absent := [path for path in KEPT_BY_DVC if path in missing]:
        return None, f"{absent[0]} is neither here nor in DVC's cache or remote"
    try:
        test, decided = predictions.read(folder, "test"), decision.read(folder)
        if test.classes != decided.classes:
            return None, f"{predictions.path('test')} and {decision.PATH} have different classes"
        if decided.boxes is None:
            return Scored(test, decided, None), ""
        if BOXES in missing:
            return None, f"{BOXES} is neither here nor in DVC's cache or remote"
        return Scored(test, decided, scenes_of(test, detections.read(folder, "test"), decided.boxes)), ""
    except storage.ArtifactError as error:
        return None, f"this version cannot read them: {_without(folder, error)}"


def _without(folder: Path, error: Exception) -> str:
    """Take the temporary folder out of a message."""
    return str(error).splitlines()[0].replace(f"{folder}/", "")
