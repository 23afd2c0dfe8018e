"""The cells of a study of detectors: one training of one arm, tested on the scenes of one fold.

As those of labels (`study.cells`), they are kept by content in `study/cells`. A cell holds what each detection of the
fold found, from which every figure follows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise import storage
from counterpoise.artifacts import detections
from counterpoise.artifacts.decision import Boxes as Choice
from counterpoise.boxes import matching
from counterpoise.boxes.matching import IOUS, SIZES
from counterpoise.decision import boxes
from counterpoise.study import cells, keys
from counterpoise.study.cells import Cell, Done, Job
from counterpoise.study.detection import experiment, figures
from counterpoise.study.detection.experiment import Outcome

READ = (*cells.READ, "detector")
"""Sections of the parameters that decide a cell, beside the losses and their blocks."""
CODE = (*cells.CODE, "boxes", "detection", "study/detection")
"""Files and folders of the package that decide a cell, beside the file of the loss."""
PACKAGES = (*cells.PACKAGES, "torchvision")
"""Those that compute what a cell finds."""


@dataclass(frozen=True)
class Tested:
    """What a cell found, of c classes in the scenes of the fold that tests.

    Attributes:
        image_ids: (s,) scenes.
        objects: (s, c) objects in each.
        image: (n,) scene of each detection, by descending raw score.
        label: (n,) its class.
        logit: (n,) its raw score in log-odds.
        prob: (n,) how probably it is right, as validation says.
        decided: (n,) whether it is decided for.
        hit: (10, n) whether it found an object at an IoU of 0.5, 0.55, ..., 0.95.
        ignored: (10, n) whether it counts for nothing.
        val_loss: 1 less the AP50 of the scenes that validate; chooses among settings.
        seconds: How long it took.
    """

    image_ids: NDArray[np.str_]
    objects: NDArray[np.int64]
    image: NDArray[np.int64]
    label: NDArray[np.int64]
    logit: NDArray[np.float64]
    prob: NDArray[np.float64]
    decided: NDArray[np.bool_]
    hit: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    val_loss: float
    seconds: float


ARRAYS = ("image_ids", "objects", "image", "label", "logit", "prob", "decided", "hit", "ignored")


def compute(cell: Cell, root: Path, names: Sequence[str]) -> Tested:
    """Train, tune and test a detector.

    Args:
        cell: What to train.
        root: A repository.
        names: Its splits that are used; no file of another is read.

    Raises:
        InputError: Settings do not suit each other, or the training diverged.
    """
    begun_s, scenes = time.monotonic(), experiment.read(root, tuple(names))
    choice, outcomes = experiment.run(root, scenes, cell.content, cell.split_of, cell.seed)
    val = matched(outcomes["val"], choice, 0.0, 0.0)
    classes = np.flatnonzero(val.objects.any(axis=0)).tolist()
    val_loss = 1 - figures.value("ap50", val, "raw", classes) if classes else 1.0
    return matched(outcomes["test"], choice, val_loss, time.monotonic() - begun_s)


def matched(outcome: Outcome, choice: Choice, val_loss: float, seconds: float) -> Tested:
    """Match what was found in scenes with what is there."""
    of = outcome.images
    found, there = detections.arrays(outcome.tables, "test", of.image_ids, of.classes)
    probs = boxes.probabilities(choice, found.scores, found.label)
    decided = boxes.decided(choice, found.scores, found.label)
    matches = matching.match(found, there, ious=IOUS, sizes=[SIZES["all"]])
    objects = np.zeros((len(of.image_ids), len(of.classes)), dtype=np.int64)
    np.add.at(objects, (there.image[~there.ignore], there.label[~there.ignore]), 1)
    order = matches.order
    return Tested(
        np.array(of.image_ids),
        objects,
        found.image[order],
        found.label[order],
        found.scores[order],
        probs[order],
        decided[order],
        matches.found[:, 0] >= 0,
        matches.ignored[:, 0],
        val_loss,
        seconds,
    )


def work(job: Job) -> Done:
    """Compute a cell and keep it, in any process; whatever goes wrong in one training is its fault alone."""
    return cells.attempt(job, lambda: write(job.path, compute(job.cell, job.root, job.names)))


def write(path: Path, tested: Tested) -> None:
    """Write what a cell found, whole or not at all."""
    with storage.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **{name: getattr(tested, name) for name in (*ARRAYS, "val_loss", "seconds")})


def read(path: Path) -> Tested | None:
    """Read what a cell found; `None` if it is not there or damaged, so that it is computed."""

    def build(file: Mapping[str, Any]) -> Tested:
        arrays = {name: file[name] for name in ARRAYS}
        return Tested(**arrays, val_loss=float(file["val_loss"]), seconds=float(file["seconds"]))

    return cells.loaded(path, build)


def key(cell: Cell, data: str) -> str:
    """Compute the name of a cell from all that decides it, but not from the name of its arm.

    Args:
        cell: The cell.
        data: Digest of the data.
    """
    content = cell.content
    loss, box_loss = content["loss"], content["box_loss"]
    decides = {
        "params": {name: content[name] for name in READ} | {"min_visible": content["tile"]["min_visible"]},
        "losses": [loss, content["losses"][loss], box_loss, content["box_losses"][box_loss]],
        "splits": sorted(cell.split_of.items()),
        "draws": cell.seed,
        "data": data,
        "code": keys.digest_of_code((*CODE, f"losses/{loss}.py"), PACKAGES),
    }
    return keys.digest(decides)
