"""`study/params.yaml`: what a study compares, and how.

An arm is a loss with the parameters that it changes. It is compared with its control, an arm that names no control of
its own. Arm and control have the same number of settings in their grids, and the same solver, so that neither luck nor
the solver is taken for a remedy.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from counterpoise import config
from counterpoise.config import InputError, Name, Section, Seed, suggest
from counterpoise.stages import ingest, split, tile
from counterpoise.study import experiment, tasks
from counterpoise.study.keys import declared, leaves, within
from counterpoise.study.verdicts import ENOUGH_VALUES

FOLDER = "study"
PATH = "study/params.yaml"
PRESETS = "presets/study"
"""Arms for other tasks than that of the default problem, a file for each."""
BEFORE = (ingest.Params, split.Params, tile.Params)
EXPLAINED = "docs/study.md explains every key"
SEPARATOR = ","
"""Between names on the command line."""
NAMES = r"[\w.+-]+( [\w.+-]+)*"
"""Names of arms, which are written on the command line and in tables of Markdown."""


class Study(Section):
    """`study/params.yaml`."""

    seed: Seed
    """Decides the folds, samples and initialisations, the same for all arms."""
    folds: int = Field(ge=3, le=100)
    """K, in 3..100: one fold of train and validation tests, the next one validates, the others train; each in turn."""
    repeats: int = Field(ge=1, le=100)
    """R, in 1..100: how many times the images get new folds."""
    figure: Literal["balanced_accuracy", "macro_f1", "average_precision", "mean_average_precision", "ap50", "ap"]
    """The figure that verdicts are about; all others only describe. `balanced_accuracy`: mean recall of the classes,
    for one class per image; `macro_f1`: mean F1 of the classes; `average_precision`: of the class that matters;
    `mean_average_precision`: the mean over the classes. Of boxes alone `ap50`, the mean over the classes at an IoU of
    0.5, and `ap`, the same at IoUs of 0.5 to 0.95."""
    view: Literal["raw", "calibrated", "decided"]
    """The view that verdicts are about. `raw`: the model's own probabilities, and the most probable class;
    `calibrated`: the same with calibrated probabilities; `decided`: under the rule of section `decide`."""
    margin: float = Field(gt=0, lt=1)
    """A difference of the figure that is smaller than this counts as none, in (0, 1)."""
    every: dict[str, Any]
    """Parameters of `params.yaml` that all arms change first, by their dotted names."""
    arms: dict[Name, dict[str, Any]]
    """Name -> arm, in the order of the table."""

    @property
    def design(self) -> str:
        """How many trainings each setting of an arm has, in words."""
        return f"{self.folds} folds x {self.repeats} repeat{'s' if self.repeats > 1 else ''}"

    @property
    def few_trainings(self) -> str:
        """What it means that each arm has few trainings, and what would change it; empty where there are enough."""
        folds, repeats = self.folds, self.repeats
        if folds * repeats < ENOUGH_VALUES:
            return (
                f"With {self.design} a difference rests on only {folds * repeats} trainings of each arm, so the "
                f"intervals are widened for the luck of so few; `repeats: {math.ceil(ENOUGH_VALUES / folds)}` in "
                f"{PATH} would narrow them."
            )
        if repeats == 1:
            return (
                f"With {self.design} each image was tested by a single training of an arm; `repeats: 2` in "
                f"{PATH} would average out some of the luck of training."
            )
        return ""


class _Arm(Section):
    """An entry of `arms`."""

    loss: str
    """The training loss."""
    control: Name | None = None
    """The arm that this one is compared with; without it, the arm is a control."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of `params.yaml` that the arm changes, by their dotted names."""
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    """Parameters that are tuned on the validation fold, each with the values to try, by their dotted names."""


@dataclass(frozen=True)
class Arm:
    """What is compared.

    Attributes:
        name: Of the arm.
        control: The name of the arm that it is compared with; `None` for a control.
        trials: The parameters of each setting of its grid, complete as in `params.yaml`; at least one.
        changes: What it changes in words of `params.yaml`, the loss included, without `every`.
    """

    name: str
    control: str | None
    trials: tuple[Mapping[str, Any], ...]
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A checked `study/params.yaml`.

    Attributes:
        study: Its values.
        arms: All arms, in their order.
    """

    study: Study
    arms: tuple[Arm, ...]

    @property
    def comparisons(self) -> int:
        """How many arms are compared with a control: all that are declared, computed or not."""
        return sum(arm.control is not None for arm in self.arms)

    def chosen(self, names: Sequence[str]) -> tuple[Arm, ...]:
        """Take the arms of these names and their controls, in the order of the file; all without names.

        Raises:
            InputError: There is no such arm.
        """
        by_name = {arm.name: arm for arm in self.arms}
        for name in names:
            if name not in by_name:
                raise InputError(f"--arms: {name!r} is no arm of {PATH}; {suggest(name, by_name)}")
        wanted = {name for given in names for name in (given, by_name[given].control)} if names else set(by_name)
        return tuple(arm for arm in self.arms if arm.name in wanted)


def read(root: Path, content: Mapping[str, Any]) -> Plan:
    """Read and check `study/params.yaml`.

    Args:
        root: A repository.
        content: Its checked `params.yaml`, which the arms change.

    Raises:
        InputError: The file is missing or wrong, one line for every fault; or the problem cannot be cross-fitted.
    """
    try:
        text = (root / PATH).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{PATH}: not found in {root}; restore it with `git checkout {PATH}`") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{PATH}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    try:
        return parse(text, content)
    except InputError as error:
        task = content["task"]
        if f"not {task!r}" not in str(error) or not (root / PRESETS / f"{task}.yaml").is_file():
            raise
        raise InputError(f"{error}\n`cp {PRESETS}/{task}.yaml {PATH}` takes arms for task {task!r}") from error


def parse(text: str, content: Mapping[str, Any]) -> Plan:
    """Check the text of `study/params.yaml`; see `read`."""
    _refuse(content)
    try:
        study = config.validate(Study, config.parse(text))
        entries = {name: config.validate(_Arm, block, f"arms.{name}") for name, block in study.arms.items()}
    except InputError as error:
        text = re.sub(rf"^{config.PATH}", PATH, str(error), flags=re.MULTILINE)
        raise InputError(text.replace("`counterpoise params` explains every parameter", EXPLAINED)) from error
    faults = [f"{PATH}: {fault}" for fault in _faults(study, entries, content)]
    if not faults:
        plan = Plan(study, tuple(_arm(name, entry, study.every, content) for name, entry in entries.items()))
        faults = [f"{PATH}: {fault}" for fault in _faults_of_trials(plan, tasks.find(content["task"]))]
    if faults:
        raise InputError("\n".join(config.shorten(faults)))
    return plan


def _refuse(content: Mapping[str, Any]) -> None:
    """Refuse what cannot be compared by cross-fitting."""
    if content["split"]["blocks"]["size_px"] is not None:
        raise InputError(
            f"{config.PATH}: split.blocks.size_px is not null, and blocks cannot be given new folds: neighbours would "
            "train and test each other, with no guard band between; set it to null, and build again"
        )


def _arm(name: str, entry: _Arm, every: Mapping[str, Any], content: Mapping[str, Any]) -> Arm:
    own = {"loss": entry.loss, **entry.params}
    settings = [dict(zip(entry.grid, values, strict=True)) for values in itertools.product(*entry.grid.values())]
    trials = tuple(experiment.changed(content, {**every, **own, **setting}) for setting in settings)
    return Arm(name, entry.control, trials, {**own, **entry.grid})


def _faults(study: Study, entries: Mapping[str, _Arm], content: Mapping[str, Any]) -> Iterator[str]:
    """Name what is wrong with names, controls and keys, before any value is looked at."""
    known, task = list(leaves(content)), tasks.find(content["task"])
    if study.figure not in task.FIGURES:
        yield (
            f"figure is {study.figure!r}, which is of other labels, not {content['task']!r}; "
            f"{suggest(study.figure, task.FIGURES)}"
        )
    if not entries:
        yield "arms is empty; list a control and the arms to compare with it"
    for fault in _faults_of_keys(study.every, known, content):
        yield f"every: {fault}"
    for name, entry in entries.items():
        if not re.fullmatch(NAMES, name):
            yield (
                f"arms: {name!r} is no name of an arm, which the command line and the tables write; use letters, "
                "digits, '_', '-', '.' and single spaces"
            )
        for fault in itertools.chain(
            _faults_of_control(name, entry, entries),
            _faults_of_keys({**entry.params, **entry.grid}, known, content),
            _faults_of_losses(entry),
        ):
            yield f"arm {name!r}: {fault}"


def _faults_of_control(name: str, entry: _Arm, entries: Mapping[str, _Arm]) -> Iterator[str]:
    if entry.control is None:
        return
    control = entries.get(entry.control)
    if control is None or entry.control == name:
        others = [other for other in entries if other != name]
        yield f"control is {entry.control!r}; {suggest(entry.control, others)}"
    elif control.control is not None:
        yield (
            f"control is {entry.control!r}, which is itself compared with {control.control!r}; name a control, or "
            f"remove `control` from {entry.control!r}"
        )
    elif (count := _settings(entry)) != (needed := _settings(control)):
        yield (
            f"its grid has {count} settings, and that of its control {entry.control!r} has {needed}; "
            "give both the same number, since the best of more settings looks better by chance"
        )


def _settings(entry: _Arm) -> int:
    count = 1
    for values in entry.grid.values():
        count *= len(values)
    return count


def _faults_of_keys(keys: Mapping[str, Any], known: Sequence[str], content: Mapping[str, Any]) -> Iterator[str]:
    sections = tasks.find(content["task"]).CHANGEABLE
    before = {key for params in BEFORE for key in declared(params)} - set(split.ONLY_CHECKED)
    wrong = list(tasks.find(content["task"]).faults_of_keys(keys, content))
    yield from wrong
    for key in keys:
        if key == "loss":
            yield "write the loss as `loss:` of the arm"
        elif any(within(key, one) or within(one, key) for one in before):
            yield f"{key} changes what comes before `oversample`, which all arms share; set it in {config.PATH}"
        elif any(fault.startswith(f"{key} ") for fault in wrong):
            continue
        elif key not in known:
            under = key.rpartition(".")[0]
            beside = [name for name in known if _is_changeable(name, sections) and within(name, under)]
            yield f"{key} is not a parameter; {suggest(key, beside or sections)}"
        elif not _is_changeable(key, sections):
            yield f"{key} changes nothing of what is compared; remove it"


def _faults_of_losses(entry: _Arm) -> Iterator[str]:
    if not entry.grid.keys().isdisjoint(entry.params):
        yield f"{sorted(entry.grid.keys() & entry.params.keys())} are in `params` and in `grid`; keep one of them"
    for key, values in entry.grid.items():
        if not values:
            yield f"grid of {key} has no values; list some, or remove it"
    for key in (*entry.params, *entry.grid):
        if within(key, "losses") and not within(key, f"losses.{entry.loss}"):
            yield f"{key} has no effect with loss {entry.loss!r}; remove it"


def _faults_of_trials(plan: Plan, task: tasks.StudiedTask) -> Iterator[str]:
    """Name parameters that are out of range or exclude each other, and arms unlike their control in what they share."""
    by_name = {arm.name: arm for arm in plan.arms}
    for arm in plan.arms:
        found = dict.fromkeys(fault for trial in arm.trials for fault in task.faults(trial))
        yield from (f"arm {arm.name!r}: {fault.removeprefix(f'{config.PATH}: ')}" for fault in found)
        for name, what in task.ALIKE.items() if arm.control is not None else ():
            section, key = name.split(".")
            pair = (arm, by_name[arm.control or ""])
            own, other = ({trial[section][key] for trial in one.trials} for one in pair)
            if own != other or len(own) > 1:
                yield (
                    f"arm {arm.name!r}: {name} is {_listed(own)}, and that of its control {arm.control!r} is "
                    f"{_listed(other)}, so that the {what} would be compared, not the remedy; name a control with the "
                    f"same {what}"
                )


def _listed(names: Iterable[Any]) -> str:
    return " or ".join(map(repr, sorted(names)))


def _is_changeable(key: str, sections: Collection[str]) -> bool:
    owner, dot, _ = key.partition(".")
    return owner in sections and (bool(dot) or owner == "box_loss")
