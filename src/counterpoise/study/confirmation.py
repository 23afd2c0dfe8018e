"""The one reading of test, after the verdicts: the winner of a study against its control."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from counterpoise import storage
from counterpoise.artifacts import splits
from counterpoise.config import InputError
from counterpoise.stages import refusal
from counterpoise.study import comparison, tasks, verdicts
from counterpoise.study.arms import Arm, Plan, Study
from counterpoise.study.cells import Cell
from counterpoise.study.experiment import Data
from counterpoise.study.images import Images
from counterpoise.study.results import Confirmation, Row
from counterpoise.study.tasks import AnyTested
from counterpoise.study.verdicts import Estimate, NoVerdict, Verdict


def confirm(root: Path, plan: Plan, best: Row, of: Images, task: str) -> Confirmation:
    """Train the winner and its control on train, choose on validation, and compare them on test.

    Finished trainings are kept as those of the study are, so that a study that is ended here goes on here. Whatever
    fails is told instead of a difference, since the verdicts do not depend on it.

    Args:
        root: A repository that `dvc repro` built.
        plan: What was compared.
        best: The winner.
        of: The images of train and validation, which decide the classes that the figure is a mean over.
        task: What the labels mean.

    Raises:
        OSError: The system refuses to keep a training, for want of room or of permission.
    """
    assert best.control is not None, "a control wins nothing"
    by_name = {arm.name: arm for arm in plan.arms}
    try:
        found = _compare(root, plan.study, by_name[best.name], by_name[best.control], of, task)
    except storage.ArtifactError as error:
        found = NoVerdict(f"test could not be read: {_below(root, error)}")
    except InputError as error:
        found = NoVerdict(f"a training failed: {error}")
    except Exception as error:
        if isinstance(error, OSError) and refusal(error) is not None:
            raise
        found = NoVerdict(f"a training failed: {type(error).__name__}: {_below(root, error)}")
    return Confirmation(best.name, best.control, found)


def _below(root: Path, error: Exception) -> str:
    """Write an error without absolute paths, since git keeps it."""
    return str(error).replace(f"{root}/", "")


def _compare(root: Path, study: Study, arm: Arm, control: Arm, of: Images, task: str) -> Verdict | NoVerdict:
    judging = tasks.find(task)
    data = judging.data(root, splits.NAMES)
    test = comparison.images(replace(data, splits={"test": data.splits["test"]}), task)
    classes = of.classes_of(study.figure)
    held = test.holds[:, classes].sum(axis=0)
    if (units := int(held.min())) < (needed := of.needed(classes)):
        rarest = of.names[classes[int(held.argmin())]]
        return NoVerdict(f"test holds {units} independent images of class {rarest!r}; at least {needed} are needed")
    values, phi = [], []
    for one in (arm, control):
        tested = _on_test(root, one, data, study, task)
        values.append(judging.value(study.figure, test, tested, study.view, classes))
        phi.append(judging.influences(study.figure, test, tested, study.view, classes))
    variance = units / (units - 1) * float(((phi[0] - phi[1]) ** 2).sum())
    if variance > 0 and judging.FIGURES[study.figure].counts_decisions:
        variance = max(variance, verdicts.of_one_unit(held))
    found = Estimate(values[0] - values[1], variance, 0.0, units, 2)
    return verdicts.judge(found, comparisons=1, margin=study.margin)


def _on_test(root: Path, arm: Arm, data: Data, study: Study, task: str) -> AnyTested:
    """Train every setting of an arm on train, unless it is kept, and take the one with the least loss on validation.

    Raises:
        InputError: A training failed.
    """
    split_of = {
        image_id: name for name, part in data.splits.items() for image_id in part.tiles.table["image_id"].tolist()
    }
    listed = [Cell(arm.name, trial, 0, 0, content, split_of, study.seed) for trial, content in enumerate(arm.trials)]
    tested: list[AnyTested] = []
    judging = tasks.find(task)
    for job in comparison.jobs(listed, root, task, splits.NAMES):
        if judging.read(job.path) is None and (fault := judging.work(job).fault) is not None:
            raise InputError(fault)
        tested.append(judging.read(job.path))
    return comparison.best(tested)
