"""The one reading of test, after the verdicts: the winner of a study against its control."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from counterpoise import storage
from counterpoise.artifacts import splits
from counterpoise.config import InputError
from counterpoise.engine.threads import one_thread
from counterpoise.study import comparison, experiment, tasks, verdicts
from counterpoise.study.arms import Arm, Plan, Study
from counterpoise.study.cells import Cell
from counterpoise.study.images import Images
from counterpoise.study.results import Confirmation, Row
from counterpoise.study.tasks import AnyTested
from counterpoise.study.verdicts import Estimate, NoVerdict, Verdict


def confirm(root: Path, plan: Plan, best: Row, of: Images, task: str) -> Confirmation:
    """Train the winner and its control on train, choose on validation, and compare them on test.

    Whatever fails here is told instead of a difference, since the verdicts do not depend on it.

    Args:
        root: A repository that `dvc repro` built.
        plan: What was compared.
        best: The winner.
        of: The images of train and validation, which decide the classes that the figure is a mean over.
        task: What the labels mean.
    """
    assert best.control is not None, "a control wins nothing"
    by_name = {arm.name: arm for arm in plan.arms}
    try:
        with one_thread():
            found = _compare(root, plan.study, by_name[best.name], by_name[best.control], of, task)
    except storage.ArtifactError as error:
        where = str(error).replace(f"{root}/", "")  # git keeps no absolute paths
        found = NoVerdict(f"test could not be read: {where}")
    except InputError as error:
        found = NoVerdict(f"a training failed: {error}")
    except Exception as error:
        found = NoVerdict(f"a training failed: {type(error).__name__}: {error}")
    return Confirmation(best.name, best.control, found)


def _compare(root: Path, study: Study, arm: Arm, control: Arm, of: Images, task: str) -> Verdict | NoVerdict:
    data = experiment.read(root, splits.NAMES)
    test = comparison.images(replace(data, splits={"test": data.splits["test"]}), task)
    classes = of.classes_of(study.figure)
    held = test.holds[:, classes].sum(axis=0)
    if (units := int(held.min())) < (needed := of.needed(classes)):
        rarest = of.names[classes[int(held.argmin())]]
        return NoVerdict(f"test holds {units} independent images of class {rarest!r}; at least {needed} are needed")
    values, phi, judging = [], [], tasks.find(task)
    for one in (arm, control):
        tested = _on_test(root, one, data, study, task)
        values.append(judging.value(study.figure, test, tested, study.view, classes))
        phi.append(judging.influences(study.figure, test, tested, study.view, classes))
    variance = units / (units - 1) * float(((phi[0] - phi[1]) ** 2).sum())
    if variance > 0 and judging.FIGURES[study.figure].counts_decisions:
        variance = max(variance, verdicts.of_one_unit(held))
    found = Estimate(values[0] - values[1], variance, 0.0, units, 2)
    return verdicts.judge(found, comparisons=1, margin=study.margin)


def _on_test(root: Path, arm: Arm, data: experiment.Data, study: Study, task: str) -> AnyTested:
    """Train every setting of an arm on train, and take the one with the least loss on validation."""
    split_of = {
        image_id: name for name, part in data.splits.items() for image_id in part.tiles.table["image_id"].tolist()
    }
    tested: list[AnyTested] = []
    for trial, content in enumerate(arm.trials):
        cell = Cell(arm.name, trial, 0, 0, {**content}, split_of, study.seed)
        tested.append(tasks.find(task).compute(cell, root, splits.NAMES))
    return comparison.best(tested)
