"""Probabilities of labelled images by models that never saw them: of the study, or of heads fitted for the purpose."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from counterpoise import config, tasks
from counterpoise.config import InputError
from counterpoise.engine.threads import one_thread
from counterpoise.stages import split, warn
from counterpoise.study import arms, cells, comparison, dvc_lock, experiment, folds, study
from counterpoise.study.images import Images

Floats = NDArray[np.float64]
VIEW = "calibrated"
"""Which probabilities are compared with labels: calibrated ones, before any rule decides."""
MOST_FOLDS = 5


@dataclass(frozen=True)
class CrossFitted:
    """Images of train and validation with probabilities of models that were trained on the others.

    Attributes:
        images: The images and their labels.
        probs: (n, c) calibrated probabilities.
        source: Where they come from, in words.
    """

    images: Images
    probs: Floats
    source: str


def read(root: Path, content: Mapping[str, Any]) -> CrossFitted:
    """Read the probabilities of the study, or fit heads on the stored features; test is not read.

    Args:
        root: A repository that `dvc repro` built.
        content: Its checked parameters.

    Raises:
        InputError: Labels are boxes, scenes are cut into blocks, a class has too few images, or no study was run and
            the backbone is trained.
        ArtifactError: The pipeline was not run, or with other parameters.
    """
    _refuse(content)
    dvc_lock.check(root, content, study.BUILT, free=split.ONLY_CHECKED)
    data = experiment.read(root, cells.SPLITS)
    return _of_study(root, content, comparison.images(data, content["task"])) or fit(content, data)


def _refuse(content: Mapping[str, Any]) -> None:
    if tasks.find(content["task"]).HAS_BOXES:
        raise InputError(
            f"{config.PATH}: task is {content['task']!r}, and labels are compared with models that never saw the "
            "image, which no command trains for boxes; the report shows the false alarms with the highest "
            "probability and missed objects, among them wrong boxes"
        )
    if content["split"]["blocks"]["size_px"] is not None:
        raise InputError(
            f"{config.PATH}: split.blocks.size_px is not null, and blocks cannot be given new folds, since the tiles "
            "between them depend on the split; set it to null, and build again"
        )


def _of_study(root: Path, content: Mapping[str, Any], of: Images) -> CrossFitted | None:
    """Average the repeats of the first control that the study trained; `None` where there is none."""
    if not any((root / cells.FOLDER).glob("*.npz")):
        return None
    try:
        plan = arms.read(root, content)
        setup = study.prepare(root, content, plan)
    except InputError as error:
        warn(f"the study is not used, since it cannot be read now: {error}")
        return None
    for arm in plan.arms:
        jobs = setup.jobs[arm.name]
        tested = [one for job in jobs if (one := cells.read(job.path)) is not None] if len(arm.trials) == 1 else []
        if arm.control is None and tested and len(tested) == len(jobs):
            repeats = plan.study.repeats
            source = f"arm {arm.name!r} of the study, {plan.study.folds} folds x {repeats} repeats"
            return CrossFitted(of, _averaged(of, tested), source)
    return None


def _averaged(of: Images, tested: Sequence[cells.Tested]) -> Floats:
    """Average the probabilities of every image over the folds that tested it."""
    total, times = np.zeros(of.truth.shape), np.zeros(len(of.truth))
    for one in tested:
        rows = np.searchsorted(of.image_ids, one.image_ids)
        total[rows] += one.variants[VIEW].probs
        times[rows] += 1
    return np.asarray(total / times[:, None])


def fit(content: Mapping[str, Any], data: experiment.Data) -> CrossFitted:
    """Fit heads as `params.yaml` says, each on all folds but two: one validates, and one is judged.

    Args:
        content: Checked parameters.
        data: Artifacts of train and validation, with features.

    Raises:
        InputError: There are no features, or a class has too few images.
    """
    of = comparison.images(data, content["task"])
    if data.splits["train"].features is None:
        raise InputError(
            "no study was run, and model.freeze is not 'backbone': several whole networks would be trained; run "
            "`counterpoise study` first, of which this command then reads the probabilities"
        )
    fewest = int(of.holds[:, of.counted].sum(axis=0).min()) if of.counted.any() else 0
    count = int(np.clip(fewest, folds.LEAST, MOST_FOLDS))
    folds.check(of.holds, count, of.names, of.counted)
    fold = folds.assign(of.holds, np.bincount(of.unit), count, content["seed"], 0, task=content["task"])
    tested = []
    for number in tqdm(range(count), desc="cross-fit", unit="fold", file=sys.stderr, delay=1, leave=False):
        names = folds.splits(fold, number, count)[of.unit]
        split_of = dict(zip(of.image_ids.tolist(), names.tolist(), strict=True))
        cell = cells.Cell("", 0, 0, number, content, split_of, content["seed"])
        silence = io.StringIO()
        with one_thread(), contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            tested.append(cells.compute(cell, data))
    return CrossFitted(of, _averaged(of, tested), f"heads fitted on the stored features, {count} folds")
