"""Boxes of objects: detectors train on stored maps of the pretrained backbone, and are compared scene by scene."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels
from counterpoise.artifacts import boxes as boxes_file
from counterpoise.artifacts import tiles
from counterpoise.config import InputError, suggest
from counterpoise.stages import check
from counterpoise.study import cells as of_labels
from counterpoise.study.cells import Job
from counterpoise.study.detection import experiment, figures, maps
from counterpoise.study.detection.cells import Tested
from counterpoise.study.detection.cells import key as key
from counterpoise.study.detection.cells import read as read
from counterpoise.study.detection.cells import work as work
from counterpoise.study.detection.figures import FIGURES as FIGURES
from counterpoise.study.experiment import Data, changed
from counterpoise.study.images import Images
from counterpoise.study.keys import within
from counterpoise.study.tasks import multiclass

CHANGEABLE: tuple[str, ...] = (*multiclass.CHANGEABLE, "box_loss", "box_losses", "detector")
ALIKE: Mapping[str, str] = {"train.epochs": "number of epochs"}
OF_THE_BACKBONE = ("model.freeze", "model.freeze_first", "detector.freeze_norms", "train.first_rate_frac")
"""Parameters that say how the backbone is trained."""
OF_PICTURES = {
    "train.augment": "would change pictures in each epoch; each epoch takes the next of oversample.views instead",
    "predict.tta": "needs the maps of turned pictures",
}
"""Parameters that have to be `none` where there are only stored maps, and why."""


def faults_of_keys(keys: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what a backbone that is not trained does not feel, and parameters of a box loss that is not in use."""
    box_loss = keys.get("box_loss", content["box_loss"])
    for name in keys:
        if any(within(name, one) for one in OF_THE_BACKBONE):
            yield (
                f"{name} has an effect only where the backbone is trained, but a study of detectors trains on stored "
                "maps of the pretrained backbone; remove it, and compare it by two trainings of the pipeline"
            )
        elif within(name, "box_losses") and not within(name, f"box_losses.{box_loss}"):
            yield f"{name} has no effect with box_loss {box_loss!r}; remove it"


def faults(trial: Mapping[str, Any]) -> Iterator[str]:
    """Name what is wrong, and refuse what changes pictures after their maps were stored.

    Epochs take the stored views in turn, so that without repeated tiles views are of use here.
    """
    turns = trial["oversample"]["strategy"] == "none" and trial["oversample"]["views"] > 0
    yield from check.problems(changed(trial, {"oversample.strategy": "repeat_factor"}) if turns else trial)
    for name, reason in OF_PICTURES.items():
        section, last = name.split(".")
        if (value := trial[section][last]) != "none":
            yield f"{name} is {value!r}, which {reason}; write `{name}: none` under `every`"


def images(data: Data, task: str) -> Images:
    """List the scenes with the classes of their tiles; all classes count in means, rare ones as well."""
    names = data.classes.names
    shown: dict[str, set[str]] = {}
    for part in data.splits.values():
        for image_id, cell in part.tiles.table[["image_id", "labels"]].itertuples(index=False, name=None):
            shown.setdefault(image_id, set()).update(labels.split(cell))
    ids = np.array(sorted(shown))
    truth = np.array([[name in shown[image_id] for name in names] for image_id in ids])
    return multiclass.listed(data, task, ids, truth, FIGURES, one_class=False, least=1)


def check_figure(name: str, of: Images) -> None:
    """Refuse a figure of other labels."""
    if name not in FIGURES:
        raise InputError(f"figure is {name!r}, which is not of boxes; {suggest(name, FIGURES)}")


def data(root: Path, names: tuple[str, ...]) -> Data:
    """Read scenes, once in a process."""
    return experiment.read(root, names).data


def digest_of_data(root: Path, names: Sequence[str]) -> str:
    """Hash the checksums of all files that cells read: those that labels need, and the boxes of tiles."""
    sums = [(root / tiles.sums_path(split)).read_bytes() for split in names]
    return hashlib.sha256(b"\0".join([of_labels.digest_of_data(root, names).encode(), *sums])).hexdigest()


def prepare(jobs: Sequence[Job]) -> None:
    """Store the maps that cells read."""
    for job in jobs:
        scenes = experiment.read(job.root, job.names)
        experiment.plain_maps(job.root, scenes, job.cell.content)


def files(job: Job) -> Iterator[Path]:
    """List the files that a cell may read: those that labels need, boxes, stored maps, and tiles to paste from."""
    yield from of_labels.files(job)
    yield from (job.root / name for name in (boxes_file.PATH, boxes_file.SUMS))
    for split in job.names:
        yield from (job.root / tiles.path(split)).iterdir()
    yield from (job.root / maps.FOLDER).rglob("*")


def value(name: str, of: Images, tested: Tested, view: str, classes: Sequence[int]) -> float:
    """Compute a figure."""
    return figures.value(name, tested, view, classes)


def influences(name: str, of: Images, tested: Tested, view: str, classes: Sequence[int]) -> NDArray[np.float64]:
    """Compute the influence of each unit."""
    units = of.unit[np.searchsorted(of.image_ids, tested.image_ids)]
    result = np.zeros(int(of.unit.max()) + 1)
    found = figures.influences(name, tested, view, classes, units)
    result[list(found)] = list(found.values())
    return result


def described(of: Images, tested: Sequence[Tested], view: str) -> dict[str, float]:
    """Describe nothing more."""
    return {}
