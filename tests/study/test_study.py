import contextlib
import csv
import errno
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import processes

from counterpoise import __main__ as cli
from counterpoise.artifacts import splits
from counterpoise.config import InputError
from counterpoise.stages import alone, refusal
from counterpoise.storage import ArtifactError
from counterpoise.study import arms, cells, experiment, pool, study, summary, verdicts
from counterpoise.study.cells import Done, Job
from counterpoise.study.results import Summary
from counterpoise.study.verdicts import NoVerdict, Verdict

TEXT = """
seed: 0
folds: 3
repeats: 2
figure: average_precision
view: decided
margin: 0.05
every:
  train.epochs: 4
arms:
  plain:
    loss: cross_entropy
  same:
    loss: cross_entropy
    control: plain
  most_probable:
    loss: cross_entropy
    control: plain
    params: {decide.rule: most_probable}
  few_labels:
    loss: cross_entropy
    control: plain
    params: {train.fraction: 0.1, train.epochs: 1}
"""
CELLS = 3 * 2


@pytest.fixture
def plan(built: Path, content: dict[str, Any]) -> arms.Plan:
    return arms.parse(TEXT, content)


once = pytest.mark.usefixtures("cells_are_computed_once")


def counting(done: list[Job], stop_after: int | None = None) -> cells.Engine:
    """An engine of this process that notes what it runs, and is interrupted after so many."""

    def run(function: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[Done]:
        for job in jobs:
            if stop_after is not None and len(done) == stop_after:
                raise KeyboardInterrupt
            done.append(job)
            yield function(job)

    return run


def found(result: Summary, name: str) -> Verdict | NoVerdict | None:
    (row,) = (row for row in result.rows if row.name == name)
    return row.found


def word(result: Summary, name: str) -> str | None:
    one = found(result, name)
    return one.word if isinstance(one, Verdict) else None


def results(root: Path) -> tuple[bytes, bytes]:
    return (root / summary.JSON).read_bytes(), (root / summary.LEADERBOARD).read_bytes()


@once
def test_a_study_judges_every_arm(built: Path, content: dict[str, Any], plan: arms.Plan) -> None:
    done: list[Job] = []
    result = study.run(built, content, plan, [], counting(done))
    assert len(done) == 3 * CELLS, "the same arm again has the same cells"
    assert found(result, "plain") is None
    assert (word(result, "same"), word(result, "most_probable")) == ("identical", "identical")
    assert word(result, "few_labels") in ("worse", "undecided")
    assert result.confirmation is None, "no arm is better"
    means = {row.name: row.means for row in result.rows}
    assert means["plain"]["calibrated"] == means["most_probable"]["calibrated"]
    assert means["few_labels"]["decided"]["average_precision"] < means["plain"]["decided"]["average_precision"]
    assert (result.rarest, result.units, result.comparisons) == ("solar", 70, 3)


@once
def test_summary_and_leaderboard_say_the_same(built: Path, content: dict[str, Any], plan: arms.Plan) -> None:
    study.run(built, content, plan, [], counting([]))
    said = json.loads((built / summary.JSON).read_text(encoding="utf-8"))
    table = (built / summary.LEADERBOARD).read_text(encoding="utf-8")
    assert list(said["arms"]) == ["plain", "same", "most_probable", "few_labels"]
    assert said["arms"]["same"]["word"] == "identical"
    assert said["arms"]["same"]["df"] is None, "what is infinite is null"
    for name, arm in said["arms"].items():
        assert f"| `{name}` | {arm['control'] or ''} | {arm.get('word', 'control')} |" in table
        if arm["control"]:
            assert f"- `{name}` {arm['sentence']}." in table
    metrics = json.loads((built / summary.METRICS).read_text(encoding="utf-8"))
    assert metrics["arms_identical"] == 2
    assert metrics["control_average_precision"] == said["arms"]["plain"]["figures"]["decided"]["average_precision"]
    assert "**What should I do?** Keep the control (`plain`): no arm is better." in table
    with (built / study.SECONDS).open(encoding="utf-8") as file:
        assert [row["arm"] for row in csv.DictReader(file)] == list(said["arms"])


uninterrupted: list[tuple[bytes, bytes]] = []
"""Results of the study that no one interrupts, computed once."""


@pytest.mark.parametrize("killed_after", [0, 1, 7, 17])
def test_an_interrupted_study_goes_on_and_says_the_same(
    built: Path, content: dict[str, Any], plan: arms.Plan, killed_after: int, request: pytest.FixtureRequest
) -> None:
    """After 7 cells, all are trained once more; else, those that this process has trained are taken again."""
    if killed_after != 7:
        request.getfixturevalue("cells_are_computed_once")
    first: list[Job] = []
    with pytest.raises(KeyboardInterrupt):
        study.run(built, content, plan, [], counting(first, killed_after))
    assert not (built / summary.JSON).exists()
    rest: list[Job] = []
    study.run(built, content, plan, [], counting(rest))
    assert len(rest) == 3 * CELLS - killed_after
    after = results(built)
    if not uninterrupted:
        shutil.rmtree(built / cells.FOLDER)
        study.run(built, content, plan, [], counting([]))
        uninterrupted.append(results(built))
    assert after == uninterrupted[0]


@once
def test_a_damaged_cell_is_computed_again(built: Path, content: dict[str, Any], plan: arms.Plan) -> None:
    study.run(built, content, plan, [], counting([]))
    before = results(built)
    cut, changed, emptied = sorted((built / cells.FOLDER).glob("*.npz"))[:3]
    cut.write_bytes(cut.read_bytes()[:-100])
    changed.write_bytes(changed.read_bytes().replace(b"plain", b"flain"))
    emptied.write_bytes(b"")
    content_of = bytearray(changed.read_bytes())
    content_of[len(content_of) // 2] ^= 0xFF
    changed.write_bytes(bytes(content_of))
    again: list[Job] = []
    study.run(built, content, plan, [], counting(again))
    assert {job.path for job in again} == {cut, changed, emptied}
    assert results(built) == before


@once
def test_another_repeat_or_arm_costs_only_what_is_missing(
    built: Path, content: dict[str, Any], plan: arms.Plan
) -> None:
    study.run(built, content, plan, [], counting([]))
    more: list[Job] = []
    text = TEXT.replace("repeats: 2", "repeats: 3") + "  focal:\n    loss: focal\n    control: plain\n"
    study.run(built, content, arms.parse(text, content), [], counting(more))
    assert len(more) == 3 * 3 + 9
    assert sum(job.cell.arm == "focal" for job in more) == 9


@once
def test_some_arms_are_computed_and_corrections_count_all(
    built: Path, content: dict[str, Any], plan: arms.Plan
) -> None:
    done: list[Job] = []
    result = study.run(built, content, plan, ["most_probable"], counting(done))
    assert {job.cell.arm for job in done} == {"plain", "most_probable"}
    assert result.comparisons == 3
    assert word(result, "same") == "identical", "its cells are those of its control"
    assert found(result, "few_labels") == NoVerdict("it was not trained yet")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("the loss is not a number in epoch 3"), "the loss is not a number in epoch 3"),
        (RuntimeError("out of memory"), "RuntimeError: out of memory"),
    ],
)
@once
def test_a_failing_arm_gets_no_verdict_and_the_others_go_on(
    built: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    compute = cells.compute

    def diverging(cell: cells.Cell, data: experiment.Data) -> cells.Tested:
        if cell.content["loss"] == "focal":
            raise error
        return compute(cell, data)

    monkeypatch.setattr(cells, "compute", diverging)
    plan = arms.parse(TEXT + "  focal:\n    loss: focal\n    control: plain\n", content)
    result = study.run(built, content, plan, [], counting([]))
    assert found(result, "focal") == NoVerdict(f"a training failed: {reason}")
    assert word(result, "same") == "identical"
    said = json.loads((built / summary.JSON).read_text(encoding="utf-8"))["arms"]["focal"]
    assert said["sentence"] == f"no verdict: a training failed: {reason}"


def test_nothing_of_test_is_read_before_the_verdicts(built: Path, content: dict[str, Any], plan: arms.Plan) -> None:
    for kind in ("tiles", "features"):
        shutil.rmtree(built / "data" / kind / "test")
    result = study.run(built, content, plan, [], counting([]))
    assert word(result, "same") == "identical"


def test_test_is_read_last_for_the_winner_and_its_control(
    built: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, read = [], experiment.read

    def noting(root: Path, names: Sequence[str]) -> experiment.Data:
        asked.append(tuple(names))
        return read(root, names)

    monkeypatch.setattr(experiment, "read", noting)
    cells.data.cache_clear()
    result = study.run(built, content, arms.parse(LEARNS, content), [], counting([]))
    assert word(result, "learns") == "better"
    assert asked == [cells.SPLITS, splits.NAMES], "each once"
    assert result.confirmation is not None
    assert (result.confirmation.arm, result.confirmation.control) == ("learns", "plain")
    assert isinstance(result.confirmation.found, Verdict)
    table = (built / summary.LEADERBOARD).read_text(encoding="utf-8")
    assert "**What should I do?** Use `learns`: its average precision is better than that of `plain`" in table
    assert "On test, read once after this choice: " in table


LEARNS = TEXT.replace("every:\n", "every:\n  train.learning_rate: 1.0e-9\n").replace("few_labels", "learns")
LEARNS = LEARNS.replace("{train.fraction: 0.1, train.epochs: 1}", "{train.learning_rate: 0.01, train.epochs: 20}")
"""The control learns nothing, so that the arm that learns is better, and test is read."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("the loss is not a number in epoch 3"), "a training failed: the loss is not a number in epoch 3"),
        (RuntimeError("out of memory"), "a training failed: RuntimeError: out of memory"),
    ],
)
@once
def test_a_confirmation_that_fails_keeps_the_verdicts(
    built: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    compute = cells.compute

    def failing(cell: cells.Cell, data: experiment.Data) -> cells.Tested:
        if "test" in data.splits:
            raise error
        return compute(cell, data)

    monkeypatch.setattr(cells, "compute", failing)
    result = study.run(built, content, arms.parse(LEARNS, content), [], counting([]))
    assert word(result, "learns") == "better"
    said = json.loads((built / summary.JSON).read_text(encoding="utf-8"))
    assert said["arms"]["learns"]["word"] == "better"
    assert said["confirmation_on_test"]["sentence"] == f"no verdict: {reason}"
    assert f"On test, read once after this choice: no verdict: {reason}." in (built / summary.LEADERBOARD).read_text()


@once
def test_a_study_that_ends_while_it_reads_test_keeps_the_trainings_of_that_as_well(
    built: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, of_test = cells.compute, []

    def ending(cell: cells.Cell, data: experiment.Data) -> cells.Tested:
        if "test" in data.splits:
            of_test.append(cell.arm)
            if len(of_test) == 2:
                raise KeyboardInterrupt
        return compute(cell, data)

    monkeypatch.setattr(cells, "compute", ending)
    plan = arms.parse(LEARNS, content)
    with pytest.raises(KeyboardInterrupt):
        study.run(built, content, plan, [], counting([]))
    done: list[cells.Job] = []
    result = study.run(built, content, plan, [], counting(done))
    assert of_test == ["learns", "plain", "plain"]
    assert done == []
    assert result.confirmation is not None
    assert isinstance(result.confirmation.found, Verdict)


@once
def test_a_full_disk_while_test_is_read_ends_the_study_and_is_no_verdict(
    built: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = cells.write

    def refused(path: Path, tested: cells.Tested) -> None:
        if len(tested.image_ids) == 60:  # those of test
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, tested)

    monkeypatch.setattr(cells, "write", refused)
    with pytest.raises(OSError, match="No space left"):
        study.run(built, content, arms.parse(LEARNS, content), [], counting([]))
    assert not (built / summary.JSON).exists()


def test_a_file_in_the_place_of_the_cells_is_named_before_anything_is_trained(
    built: Path, content: dict[str, Any], plan: arms.Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    (built / "study").mkdir(exist_ok=True)
    (built / cells.FOLDER).write_text("in the way")
    monkeypatch.setattr(cells, "compute", None)
    with pytest.raises(FileExistsError) as caught:
        study.run(built, content, plan, [], counting([]))
    assert (refusal(caught.value) or "").startswith(f"{built / cells.FOLDER}: a file is in the place of a folder")


@once
def test_a_test_split_that_cannot_be_read_keeps_the_verdicts(built: Path, content: dict[str, Any]) -> None:
    shutil.rmtree(built / "data" / "features" / "test")
    result = study.run(built, content, arms.parse(LEARNS, content), [], counting([]))
    assert word(result, "learns") == "better"
    assert result.confirmation is not None
    assert isinstance(result.confirmation.found, NoVerdict)
    assert result.confirmation.found.reason.startswith("test could not be read: data/features/test")


@once
def test_a_test_split_of_too_few_images_confirms_nothing(
    built: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "LEAST_UNITS", 16)
    result = study.run(built, content, arms.parse(LEARNS, content), [], counting([]))
    assert word(result, "learns") == "better", "70 units are in train and validation"
    assert result.confirmation is not None
    assert result.confirmation.found == NoVerdict(
        "test holds 15 independent images of class 'solar'; at least 16 are needed"
    )


@once
def test_seconds_of_each_arm_go_to_the_terminal_and_not_into_the_summary(
    built: Path, content: dict[str, Any], plan: arms.Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    study.run(built, content, plan, [], counting([]))
    assert re.search(r"seconds of each arm: plain \d+\.\d, same \d", capsys.readouterr().err)
    assert "second" not in (built / summary.JSON).read_text(encoding="utf-8")


@once
def test_trainings_that_are_there_cost_nothing_of_a_budget(
    built: Path, content: dict[str, Any], plan: arms.Plan
) -> None:
    names = [arm.name for arm in plan.arms]
    assert study.count(study.prepare(built, content, plan), names) == (3 * CELLS, 3 * CELLS)
    study.run(built, content, plan, ["most_probable"], counting([]))

    def missing(fewer: arms.Plan) -> int:
        return study.count(study.prepare(built, content, fewer), names)[1]

    assert missing(plan) == CELLS
    assert study.within_budget(plan, missing, 1.0, 1, CELLS).study == plan.study


@pytest.mark.parametrize("text", [",", " , ", ""])
def test_no_name_between_separators_does_not_mean_all_arms(
    built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (built / "study").mkdir()
    (built / arms.PATH).write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(built)
    with pytest.raises(SystemExit) as ended:
        cli.main(["study", f"--arms={text}"])
    assert f"--arms: found {text!r}; expected names of arms" in str(ended.value.code)
    assert not (built / cells.FOLDER).exists()
    assert not capsys.readouterr().out


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full", "study/cells/a.npz"), KeyboardInterrupt()])
def test_a_study_that_ends_early_says_what_to_run_again(
    built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    (built / "study").mkdir()
    (built / arms.PATH).write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(built)

    def ending(*_: object) -> None:
        raise error

    monkeypatch.setattr(study, "measure", lambda *_: 1.0)
    monkeypatch.setattr(study, "run", ending)
    with pytest.raises(SystemExit) as ended:
        cli.main(["study"])
    said = f"{capsys.readouterr().err} {ended.value.code}"
    assert "run `counterpoise study` again" in said
    assert "With 3 folds x 2 repeats a difference rests on only 6 trainings of each arm" in said, "before it trains"
    assert "dvc repro" not in said


def test_processes_find_the_same_as_this_one(
    built: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They begin as copies of the tests' server; `test_pool.py` starts real ones."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: processes.SERVER)
    plan = arms.parse(TEXT.replace("repeats: 2", "repeats: 1"), content)
    study.run(built, content, plan, ["most_probable"], pool.in_processes(2))
    after = results(built)
    shutil.rmtree(built / cells.FOLDER)
    study.run(built, content, plan, ["most_probable"], counting([]))
    assert results(built) == after


@once
def test_a_grid_takes_the_setting_with_the_least_loss_on_validation(built: Path, content: dict[str, Any]) -> None:
    """A rate at which nothing is learned loses against one at which something is."""
    text = TEXT.replace(
        "    loss: cross_entropy\n", "    loss: cross_entropy\n    grid: {train.learning_rate: [1.0e-9, 0.01]}\n"
    )
    one = TEXT.replace("train.epochs: 4", "train.epochs: 4\n  train.learning_rate: 0.01")
    tuned, fixed = (
        study.run(built, content, arms.parse(given, content), ["same"], counting([])) for given in (text, one)
    )
    assert tuned.rows[0].means == fixed.rows[0].means


def test_two_studies_in_one_checkout_are_refused(built: Path, content: dict[str, Any], plan: arms.Plan) -> None:
    with alone(built, "study"), pytest.raises(InputError, match="'study' is running already"):
        study.run(built, content, plan, [], counting([]))


def test_artifacts_of_other_parameters_are_refused(built: Path, content: dict[str, Any], plan: arms.Plan) -> None:
    with pytest.raises(ArtifactError, match="run `dvc repro`"):
        study.run(built, experiment.changed(content, {"split.val_frac": 0.1}), plan, [], counting([]))


def test_another_loss_or_parameter_has_another_key_and_the_name_of_an_arm_has_not(
    built: Path, content: dict[str, Any], plan: arms.Plan
) -> None:
    jobs = study.prepare(built, content, plan).jobs
    paths = {name: [job.path for job in own] for name, own in jobs.items()}
    assert paths["plain"] == paths["same"]
    assert not set(paths["plain"]) & set(paths["most_probable"])
    assert len(set(paths["plain"])) == CELLS


def test_all_arms_train_on_the_same_images_with_the_same_draws(
    built: Path, content: dict[str, Any], plan: arms.Plan
) -> None:
    jobs = study.prepare(built, content, plan).jobs
    for one, other in zip(jobs["plain"], jobs["few_labels"], strict=True):
        assert (one.cell.split_of, one.cell.seed) == (other.cell.split_of, other.cell.seed)
        assert one.cell.content["train"]["seed"] == other.cell.content["train"]["seed"]
    seeds = {job.cell.content["train"]["seed"] for job in jobs["plain"]}
    assert len(seeds) == CELLS


def declared(chosen: Sequence[arms.Arm]) -> Callable[[arms.Plan], int]:
    """Count the trainings of some arms of which none is there yet."""
    return lambda plan: study.trainings(chosen) * plan.study.folds * plan.study.repeats


@pytest.mark.parametrize(("seconds", "folds", "repeats"), [(1e9, 3, 2), (24.0, 3, 2), (23.0, 3, 1), (12.0, 3, 1)])
def test_a_budget_takes_repeats_away_first(plan: arms.Plan, seconds: float, folds: int, repeats: int) -> None:
    fitting = study.within_budget(plan, declared(plan.arms), 1.0, 1, seconds)
    assert (fitting.study.folds, fitting.study.repeats) == (folds, repeats)


def test_a_budget_takes_folds_away_then_and_says_when_nothing_fits(content: dict[str, Any]) -> None:
    plan = arms.parse(TEXT.replace("folds: 3", "folds: 5"), content)
    assert study.within_budget(plan, declared(plan.arms), 1.0, 2, 8.0).study.folds == 4
    with pytest.raises(InputError, match=r"60\.0 s, so that 12 trainings, of 3 folds, take 12 min"):
        study.within_budget(plan, declared(plan.arms), 60.0, 1, 600.0)


def test_seconds_are_positive_and_the_first_training_is_announced_since_it_may_take_an_hour(
    built: Path, content: dict[str, Any], plan: arms.Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.measure(built, content, plan, plan.arms) > 0
    assert capsys.readouterr().err == "training arm 'plain' once, to estimate the time\n"
    assert np.isfinite(study.measure(built, content, plan, plan.arms))
    assert not capsys.readouterr().err, "it was trained before"


def test_a_budget_counts_the_arms_that_are_computed_and_every_network_of_an_ensemble(content: dict[str, Any]) -> None:
    ensemble = "  ensemble:\n    loss: cross_entropy\n    control: plain\n    params: {train.members: 5}\n"
    plan = arms.parse(TEXT + ensemble, content)
    few = plan.chosen(["same"])
    assert (study.trainings(plan.arms), study.trainings(few)) == (9, 2)
    assert study.within_budget(plan, declared(few), 1.0, 1, 12.0).study.repeats == 2
    assert study.within_budget(plan, declared(plan.arms), 1.0, 1, 53.0).study.repeats == 1
    assert study.within_budget(plan, declared(plan.arms), 1.0, 1, 54.0).study.repeats == 2


def test_the_estimate_skips_an_arm_that_fails_and_says_when_all_do(
    built: Path, content: dict[str, Any], plan: arms.Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, failing = cells.compute, {"plain"}

    def some(cell: cells.Cell, data: experiment.Data) -> cells.Tested:
        if cell.arm in failing:
            raise RuntimeError("out of memory")
        return compute(cell, data)

    monkeypatch.setattr(cells, "compute", some)
    assert study.measure(built, content, plan, plan.chosen(["few_labels"])) > 0
    failing.add("most_probable")
    with pytest.raises(InputError, match="arm 'plain' failed: RuntimeError: out of memory\narm 'most_probable' failed"):
        study.measure(built, content, plan, plan.chosen(["most_probable"]))


def test_an_estimate_beside_another_study_is_refused(built: Path, content: dict[str, Any], plan: arms.Plan) -> None:
    with alone(built, "study"), pytest.raises(InputError, match="'study' is running already"):
        study.measure(built, content, plan, plan.arms)
    assert not (built / cells.FOLDER).exists()


@pytest.mark.slow
def test_whole_networks_train_within_a_budget_that_is_estimated_first(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first training is said to take a second, so that one repeat of three folds fits into 7 seconds."""
    (whole / "study").mkdir()
    (whole / arms.PATH).write_text(TEXT.replace("train.epochs: 4", "train.epochs: 1"), encoding="utf-8")
    monkeypatch.chdir(whole)
    monkeypatch.setattr(study, "measure", lambda *_: 1.0)
    cli.main(["study", "--budget", "7s", "--arms", "most_probable"])
    said = capsys.readouterr()
    assert "6 trainings, of which 0 are kept from before; one takes 1.0 s, the others about 6 s" in said.err
    written = json.loads((whole / summary.JSON).read_text(encoding="utf-8"))
    assert written["arms"]["most_probable"]["word"] == "identical", "average precision asks for no decision"
    assert "no arm is better" in said.out


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_an_arm_whose_features_are_noise_is_worse_and_one_with_a_fifth_of_the_labels_is_not_better(
    built: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The arm `noise` differs from its control by its seed alone, so that its cells can be given other features."""
    text = TEXT.replace("0.1, train.epochs: 1}", "0.2}").replace("few_labels", "a_fifth")
    text = text.replace("seed: 0", f"seed: {seed}").replace("epochs: 4", "epochs: 20").replace("folds: 3", "folds: 5")
    text += "  noise:\n    loss: cross_entropy\n    control: plain\n    params: {train.seed: 1}\n"
    compute, rng = cells.compute, np.random.default_rng(seed)

    def noisy(part: experiment.Split) -> experiment.Split:
        assert part.features is not None, "nothing is frozen"
        values = rng.normal(size=part.features.values.shape).astype(np.float32)
        return replace(part, features=replace(part.features, values=values))

    def with_noise(cell: cells.Cell, data: experiment.Data) -> cells.Tested:
        if cell.arm == "noise":
            data = replace(data, splits={name: noisy(part) for name, part in data.splits.items()})
        return compute(cell, data)

    monkeypatch.setattr(cells, "compute", with_noise)
    result = study.run(built, content, arms.parse(text, content), [], counting([]))
    assert word(result, "noise") == "worse"
    assert word(result, "a_fifth") in ("worse", "undecided", "equivalent")


@pytest.mark.slow
def test_a_study_killed_at_20_random_moments_says_the_same(
    built: Path, content: dict[str, Any], plan: arms.Plan
) -> None:
    """`kill -9` ends the command; its processes end by themselves, and the next run goes on."""
    (built / "study").mkdir()
    (built / arms.PATH).write_text(TEXT, encoding="utf-8")
    study.run(built, content, plan, [], counting([]))
    expected = results(built)
    shutil.rmtree(built / cells.FOLDER)
    for path in (summary.JSON, summary.LEADERBOARD):
        (built / path).unlink()
    rng, quiet = np.random.default_rng(0), subprocess.DEVNULL
    command = [sys.executable, "-m", "counterpoise", "study", "--jobs", "2"]
    for _ in range(20):
        with subprocess.Popen(command, cwd=built, stdout=quiet, stderr=quiet) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(2, 12))
            process.kill()
    subprocess.run(command, cwd=built, check=True, stdout=quiet, stderr=quiet)
    assert results(built) == expected
    assert len(list((built / cells.FOLDER).glob("*.npz"))) == 3 * CELLS
