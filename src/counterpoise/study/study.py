"""A study: every arm of `study/params.yaml` trained on the same folds of train and validation, and judged.

No file of the test split is read before the verdicts. Then test is read once, for the winner and its control.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from tqdm import tqdm

from counterpoise import storage
from counterpoise.config import InputError, shorten
from counterpoise.stages import alone, split
from counterpoise.study import cells, comparison, dvc_lock, page, results, summary, tasks
from counterpoise.study.arms import FOLDER, PATH, Arm, Plan
from counterpoise.study.cells import Engine, Job
from counterpoise.study.confirmation import confirm
from counterpoise.study.images import Images, Ints
from counterpoise.study.results import Row, Summary
from counterpoise.study.tasks import AnyTested, StudiedTask
from counterpoise.study.verdicts import NoVerdict, Verdict

SECONDS = f"{FOLDER}/seconds.csv"
BUILT = ("ingest", "split", "tile", "embed")
"""Stages whose parameters must be those of the artifacts."""
FEWEST_FOLDS = 3
Place: TypeAlias = tuple[int, int]
"""Repeat and fold."""


@dataclass(frozen=True)
class Setup:
    """What is trained: the arms, the images, their folds, and every cell with its file."""

    plan: Plan
    images: Images
    fold: Ints
    jobs: Mapping[str, Sequence[Job]]

    @property
    def task(self) -> StudiedTask:
        """How a cell is computed and read."""
        return tasks.find(self.images.task)


def run(root: Path, content: Mapping[str, Any], plan: Plan, names: Sequence[str], engine: Engine) -> Summary:
    """Train what is missing, judge, read test if there is a winner, and write the results.

    Args:
        root: A repository that `dvc repro` built.
        content: Its checked parameters.
        plan: What is compared.
        names: Arms to compute; all without names. Arms that were computed before are judged too.
        engine: Runs the cells.

    Raises:
        InputError: There is no such arm, too few images, or another study runs in this checkout.
        ArtifactError: The pipeline was not run, or with other parameters.
    """
    with alone(root, "study"):
        setup = prepare(root, content, plan)
        faults = train(setup, [arm.name for arm in plan.chosen(names)], engine)
        trained = {arm.name: _read(setup.task, setup.jobs[arm.name]) for arm in plan.arms}
        tested = {name: {place: comparison.best(own) for place, own in some.items()} for name, some in trained.items()}
        rows = judge(setup, tested, faults)
        best = results.winner(rows)
        confirmation = None if best is None else confirm(root, plan, best, setup.images, content["task"])
        rarest = setup.images.rarest(plan.study.figure)
        units = int(setup.images.holds[:, rarest].sum())
        result = Summary(
            dataset=PurePosixPath(content["ingest"]["root"]).name,
            study=plan.study,
            images=len(setup.images.image_ids),
            positive=setup.images.names[setup.images.positive],
            rarest=setup.images.names[rarest],
            units=units,
            comparisons=plan.comparisons,
            rows=tuple(rows),
            confirmation=confirmation,
            left_out=setup.images.left_out(plan.study.figure),
        )
        _write(root, result, trained)
    return result


def prepare(root: Path, content: Mapping[str, Any], plan: Plan) -> Setup:
    """Read train and validation, and list all cells.

    Raises:
        InputError: There are fewer units than folds, or the figure does not suit the images.
        ArtifactError: The pipeline was not run, or with other parameters.
    """
    dvc_lock.check(root, content, BUILT, free=split.ONLY_CHECKED)
    task = content["task"]
    images = comparison.images(tasks.find(task).data(root, cells.SPLITS), task)
    fold = comparison.assign(images, plan.study, task)
    jobs = defaultdict(list)
    for job in comparison.jobs(comparison.cells(images, fold, plan.arms, plan.study), root, task, cells.SPLITS):
        jobs[job.cell.arm].append(job)
    return Setup(plan, images, fold, jobs)


def train(setup: Setup, names: Sequence[str], engine: Engine) -> dict[Path, str]:
    """Compute the cells of arms that are not there, with progress.

    Returns:
        File of a cell -> why it failed. Arms of the same parameters share their cells.
    """
    waiting = {job.path: job for name in names for job in setup.jobs[name] if setup.task.read(job.path) is None}
    setup.task.prepare(list(waiting.values()))
    faults: dict[Path, str] = {}
    with tqdm(total=len(waiting), unit="training", desc="study", file=sys.stderr, disable=not waiting) as bar:
        for done in engine(setup.task.work, list(waiting.values())) if waiting else ():
            bar.update()
            if done.fault is not None:
                faults[done.job.path] = done.fault
                bar.write(f"arm {done.job.cell.arm!r} failed: {done.fault}", file=sys.stderr)
    return faults


def _read(task: StudiedTask, jobs: Sequence[Job]) -> dict[Place, list[AnyTested]]:
    """Read every setting of every repeat and fold; empty unless all are there."""
    trials: dict[Place, list[AnyTested]] = defaultdict(list)
    for job in jobs:
        tested = task.read(job.path)
        if tested is None:
            return {}
        trials[job.cell.repeat, job.cell.fold].append(tested)
    return trials


def judge(setup: Setup, tested: Mapping[str, Mapping[Place, AnyTested]], faults: Mapping[Path, str]) -> list[Row]:
    """Give every arm its verdict, or the reason why it has none.

    Args:
        setup: What is compared.
        tested: Arm -> repeat and fold -> what its best setting found; empty for an arm of which a training is missing.
        faults: File of a cell -> why it failed.
    """
    plan, images = setup.plan, setup.images
    found = {(name, *place): one for name, own in tested.items() for place, one in own.items()}

    def missing(name: str) -> str | None:
        if tested[name]:
            return None
        failed = [faults[job.path] for job in setup.jobs[name] if job.path in faults]
        return f"a training failed: {failed[0]}" if failed else "it was not trained yet"

    rows = []
    for arm in plan.arms:
        verdict: Verdict | NoVerdict | None = None
        of_labels: dict[str, Verdict | NoVerdict] = {}
        if (reason := missing(arm.name)) is not None:
            verdict = NoVerdict(reason)
        elif arm.control is not None and (reason := missing(arm.control)) is not None:
            verdict = NoVerdict(f"of its control {arm.control!r}: {reason}")
        elif arm.control is not None:
            verdict = comparison.judge(images, setup.fold, plan.study, found, arm, plan.comparisons)
            of_labels = comparison.judge_labels(images, setup.fold, plan.study, found, arm, plan.comparisons)
        means = comparison.means(images, plan.study, found, arm.name) if tested[arm.name] else {}
        rows.append(Row(arm.name, arm.control, arm.changes, verdict, means, of_labels))
    return rows


def _write(root: Path, result: Summary, trained: Mapping[str, Mapping[Place, Sequence[AnyTested]]]) -> None:
    """Write the results, which git keeps, and how long the arms took, which it does not."""
    seconds = {name: sum(one.seconds for own in some.values() for one in own) for name, some in trained.items() if some}
    taken = "".join(f"{name},{own:.2f}\n" for name, own in seconds.items())
    print(f"seconds of each arm: {', '.join(f'{name} {own:.1f}' for name, own in seconds.items())}", file=sys.stderr)
    for name, content in (
        (summary.JSON, _json(summary.to_json(result))),
        (summary.METRICS, _json(summary.to_metrics(result))),
        (summary.LEADERBOARD, summary.leaderboard(result)),
        (summary.DIFFERENCES, summary.differences(result)),
        (page.PATH, page.render(result)),
        (SECONDS, f"arm,seconds\n{taken}"),
    ):
        with storage.replacing(root / name) as temporary:
            temporary.write_text(content, encoding="utf-8")


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def trainings(arms: Sequence[Arm]) -> int:
    """Count the networks or heads that all settings of some arms train on a fold; an ensemble has several."""
    return sum(trial["train"]["members"] for arm in arms for trial in arm.trials)


def within_budget(plan: Plan, missing: Callable[[Plan], int], seconds: float, jobs: int, budget_s: float) -> Plan:
    """Choose as many repeats and folds as fit into a budget; fewer repeats first, then fewer folds.

    Args:
        plan: What is declared.
        missing: Counts the trainings of a plan that are not there yet; see `count`.
        seconds: That one training takes.
        jobs: Trainings at a time.
        budget_s: In seconds.

    Raises:
        InputError: Even one repeat of the fewest folds takes longer.
    """
    study = plan.study
    options = [(study.folds, repeats) for repeats in range(study.repeats, 0, -1)]
    options += [(folds, 1) for folds in range(study.folds - 1, FEWEST_FOLDS - 1, -1)]
    for folds, repeats in options:
        fewer = replace(plan, study=study.model_copy(update={"folds": folds, "repeats": repeats}))
        if (left := missing(fewer)) * seconds / jobs <= budget_s:
            return fewer
    raise InputError(
        f"--budget: one training takes {seconds:.1f} s, so that {left} trainings, of {FEWEST_FOLDS} folds, "
        f"take {written(left * seconds / jobs)}; raise --budget, or choose fewer arms in {PATH} or by --arms"
    )


def count(setup: Setup, names: Sequence[str]) -> tuple[int, int]:
    """Count the networks or heads that some arms train, and those of them that are not there yet.

    Arms of the same parameters share their trainings; an ensemble has several.

    Args:
        setup: What is compared.
        names: Of the arms.
    """
    members = {job.path: job.cell.content["train"]["members"] for name in names for job in setup.jobs[name]}
    return sum(members.values()), sum(number for path, number in members.items() if not path.is_file())


def measure(root: Path, content: Mapping[str, Any], plan: Plan, chosen: Sequence[Arm]) -> float:
    """Compute one cell of the first arm that does not fail, unless it was before, and return its seconds per training.

    Args:
        root: A repository that `dvc repro` built.
        content: Its checked parameters.
        plan: What is compared.
        chosen: The arms that are computed.

    Raises:
        InputError: Every arm fails, or another study runs in this checkout.
        ArtifactError: The pipeline was not run, or with other parameters.
    """
    faults = []
    with alone(root, "study"):
        setup = prepare(root, content, plan)
        for arm in chosen:
            job = setup.jobs[arm.name][0]
            if setup.task.read(job.path) is None:
                setup.task.prepare([job])
                print(f"training arm {arm.name!r} once, to estimate the time", file=sys.stderr, flush=True)
                fault = setup.task.work(job).fault
            else:
                fault = None
            if fault is not None:
                faults.append(f"arm {arm.name!r} failed: {fault}")
                continue
            tested: AnyTested | None = setup.task.read(job.path)
            assert tested is not None, "it was written just now"
            return tested.seconds / trainings([arm]) * len(arm.trials)
    raise InputError("\n".join(shorten(faults)))


def written(seconds: float) -> str:
    """Write a time as people say it.

    Example:
        >>> written(45), written(600), written(9000)
        ('45 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
