"""What cells found, compared: the images and folds of a study, and the verdict on each arm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from counterpoise import seeds
from counterpoise.config import InputError
from counterpoise.study import experiment, folds, tasks, verdicts
from counterpoise.study.arms import Arm, Study
from counterpoise.study.cells import FOLDER, VIEWS, Cell, Job
from counterpoise.study.experiment import Data
from counterpoise.study.images import Images, Ints
from counterpoise.study.tasks import AnyTested
from counterpoise.study.verdicts import NoVerdict, Verdict

Floats = NDArray[np.float64]
T = TypeVar("T", bound=AnyTested)
Found = Mapping[tuple[str, int, int], Any]
"""(arm, repeat, fold) -> what the best setting of its grid found."""


def images(data: Data, task: str) -> Images:
    """List the images of the splits of some data, such as train and val, for a task."""
    return tasks.find(task).images(data, task)


def assign(of: Images, study: Study, task: str) -> Ints:
    """Assign units to the folds of every repeat, (R, u).

    Raises:
        InputError: There are fewer units than folds, or the figure does not suit the images.
    """
    tasks.find(task).check_figure(study.figure, of)
    if not of.classes_of(study.figure):
        raise InputError(
            f"figure is {study.figure!r}, a mean over the labels with at least {of.least} independent images in "
            "train and validation, and no label has as many; label more of them, or set figure to 'average_precision'"
        )
    folds.check(of.holds, study.folds, of.names, of.counted)
    sizes = np.bincount(of.unit)
    every = [
        folds.assign(of.holds, sizes, study.folds, study.seed, repeat, task=task) for repeat in range(study.repeats)
    ]
    return np.stack(every)


def cells(of: Images, fold: Ints, arms: Sequence[Arm], study: Study) -> list[Cell]:
    """List the cells of arms; those of one repeat and fold learn from the same images with the same draws."""
    listed = []
    for repeat, own in enumerate(fold):
        for number in range(study.folds):
            names = folds.splits(own, number, study.folds)[of.unit]
            split_of = dict(zip(of.image_ids.tolist(), names.tolist(), strict=True))
            draws = seeds.derive(study.seed, "samples of a study", f"{repeat}/{number}")
            listed += [
                Cell(arm.name, trial, repeat, number, _seeded(content, study.seed, repeat, number), split_of, draws)
                for arm in arms
                for trial, content in enumerate(arm.trials)
            ]
    return listed


def jobs(listed: Iterable[Cell], root: Path, task: str, names: tuple[str, ...]) -> list[Job]:
    """Give each cell its file.

    Args:
        listed: Cells of any arms.
        root: A repository that `dvc repro` built.
        task: What the labels mean.
        names: The splits that the cells may read.
    """
    judging = tasks.find(task)
    digest = judging.digest_of_data(root, names)
    return [Job(cell, root, root / FOLDER / f"{judging.key(cell, digest)}.npz", names) for cell in listed]


def _seeded(content: Mapping[str, Any], seed: int, repeat: int, fold: int) -> dict[str, Any]:
    """Give a training its own seed, the same for all arms with the same `train.seed`."""
    own = seeds.derive(seeds.derive(seed, "study", content["train"]["seed"]), "training", f"{repeat}/{fold}")
    return experiment.changed(content, {"train.seed": own, "evaluate.at_prevalence": []})


def best(tested: Sequence[T]) -> T:
    """Choose the setting of a grid with the least loss on the validation fold; the first of equal ones."""
    return tested[int(np.argmin([one.val_loss for one in tested]))]


def values(of: Images, study: Study, found: Found, arm: str, figure: str, view: str, classes: Sequence[int]) -> Floats:
    """Compute a figure of every fold, (R, K), as a mean over some classes."""
    result, task = np.empty((study.repeats, study.folds)), tasks.find(of.task)
    for repeat, fold in np.ndindex(result.shape):
        result[repeat, fold] = task.value(figure, of, found[arm, repeat, fold], view, classes)
    return result


def influences(of: Images, study: Study, found: Found, arm: str, classes: Sequence[int]) -> Floats:
    """Sum the influence values of each unit on the declared figure, (R, u), each in the fold that tests it."""
    result, task = np.zeros((study.repeats, int(of.unit.max()) + 1)), tasks.find(of.task)
    for repeat, fold in np.ndindex(study.repeats, study.folds):
        result[repeat] += task.influences(study.figure, of, found[arm, repeat, fold], study.view, classes)
    return result


def judge(of: Images, fold: Ints, study: Study, found: Found, arm: Arm, comparisons: int) -> Verdict | NoVerdict:
    """Judge an arm by the declared figure and view.

    Args:
        of: Images.
        fold: (R, u) folds.
        study: What is declared.
        found: Of the arm and of its control.
        arm: An arm with a control.
        comparisons: How many arms the study declares.
    """
    return _judge(of, fold, study, found, arm, of.classes_of(study.figure), comparisons)


def judge_labels(
    of: Images, fold: Ints, study: Study, found: Found, arm: Arm, comparisons: int
) -> dict[str, Verdict | NoVerdict]:
    """Judge an arm by the declared figure of every label with enough units, corrected over arms and labels.

    Returns:
        Name of a label -> verdict; empty for one class per image, and for a figure of one class.
    """
    judged = of.judged(study.figure)
    every = comparisons * len(judged)
    return {of.names[label]: _judge(of, fold, study, found, arm, [label], every) for label in judged}


def _judge(
    of: Images, fold: Ints, study: Study, found: Found, arm: Arm, classes: Sequence[int], comparisons: int
) -> Verdict | NoVerdict:
    """Judge an arm by the mean over some classes."""
    assert arm.control is not None, "a control is compared with nothing"
    figure, view, holds = study.figure, study.view, of.holds
    own, control = (values(of, study, found, name, figure, view, classes) for name in (arm.name, arm.control))
    phi, control_phi = (influences(of, study, found, name, classes) for name in (arm.name, arm.control))
    units = holds[:, classes].sum(axis=0)
    return verdicts.compare(
        own - control,
        phi - control_phi,
        fold,
        holds[:, classes[int(np.argmin(units))]],
        comparisons=comparisons,
        margin=study.margin,
        least=verdicts.of_one_unit(units) if tasks.find(of.task).FIGURES[figure].counts_decisions else 0.0,
        needed=of.needed(classes),
    )


def means(of: Images, study: Study, found: Found, arm: str) -> dict[str, dict[str, float]]:
    """Compute the mean of every figure in every view; they describe, and no verdict is about them.

    Returns:
        View -> figure -> mean over folds and repeats, NaN where it is undefined in a fold; beside the figures of
        verdicts what the task describes.
    """
    names = [name for name in tasks.find(of.task).FIGURES if _suits(name, of) and of.classes_of(name)]
    return {
        view: {
            **{name: float(values(of, study, found, arm, name, view, of.classes_of(name)).mean()) for name in names},
            **_described(of, study, found, arm, view),
        }
        for view in VIEWS
    }


def _suits(name: str, of: Images) -> bool:
    try:
        tasks.find(of.task).check_figure(name, of)
    except InputError:
        return False
    return True


def _described(of: Images, study: Study, found: Found, arm: str, view: str) -> dict[str, float]:
    """Take the mean over repeats of what describes all folds together."""
    of_repeats = [
        tasks.find(of.task).described(of, [found[arm, repeat, fold] for fold in range(study.folds)], view)
        for repeat in range(study.repeats)
    ]
    return {name: float(np.mean([own[name] for own in of_repeats])) for name in of_repeats[0]}
