import copy
from pathlib import Path
from typing import Any

import pytest

from counterpoise import config, losses
from counterpoise.config import InputError
from counterpoise.study import arms, experiment

ROOT = Path(__file__).parents[2]
CONTENT = config.load(ROOT)
TEXT = """
seed: 0
folds: 5
repeats: 2
figure: balanced_accuracy
view: decided
margin: 0.05
every:
  decide.rule: balanced
arms:
  plain:
    loss: cross_entropy
  focal:
    loss: focal
    control: plain
"""


def with_lines(*lines: str) -> str:
    return TEXT + "".join(f"    {line}\n" for line in lines)


def test_the_default_study_is_valid_and_compares_at_least_24_arms() -> None:
    plan = arms.read(ROOT, CONTENT)
    assert plan.comparisons >= 24
    assert plan.arms[0].control is None


def test_the_default_study_has_every_loss_for_one_class_per_image() -> None:
    used = {arm.trials[0]["loss"] for arm in arms.read(ROOT, CONTENT).arms}
    assert used == {name for name in losses.names() if losses.refuses_task(name, "multiclass") is None}


def test_the_switches_of_params_yaml_reach_no_arm_of_the_default_study() -> None:
    """An arm says what it changes; what `params.yaml` happens to switch on is switched off first."""
    switched = copy.deepcopy(CONTENT)
    switched["weighting"]["scheme"], switched["oversample"]["strategy"] = "balanced", "over"
    switched["decide"]["rule"], switched["train"]["mix"] = "most_probable", "mixup"
    found = [arm.trials for arm in arms.read(ROOT, switched).arms]
    assert found == [arm.trials for arm in arms.read(ROOT, CONTENT).arms]


def test_the_study_of_several_labels_has_every_loss_for_them_and_a_wrong_one_names_it(tmp_path: Path) -> None:
    content = config.parse((ROOT / "presets" / "icons.yaml").read_text(encoding="utf-8"))
    text = (ROOT / arms.PRESETS / "multilabel.yaml").read_text(encoding="utf-8")
    plan = arms.parse(text, content)
    fitting = {name for name in losses.names() if losses.refuses_task(name, "multilabel") is None}
    assert {arm.trials[0]["loss"] for arm in plan.arms} == fitting
    with pytest.raises(InputError, match=r"`cp presets/study/multilabel\.yaml study/params\.yaml` takes arms"):
        arms.read(ROOT, content)
    (tmp_path / arms.PRESETS).mkdir(parents=True)
    (tmp_path / arms.PRESETS / "multilabel.yaml").write_text(text)
    (tmp_path / arms.PATH).parent.mkdir()
    (tmp_path / arms.PATH).write_text(text.replace("folds: 5", "folds: 1"))
    with pytest.raises(InputError) as caught:
        arms.read(tmp_path, content)
    assert "cp " not in str(caught.value), "arms for this task are there already"


def test_an_arm_changes_what_it_says_after_what_all_change() -> None:
    plan = arms.parse(with_lines("params: {decide.rule: most_probable, losses.focal.gamma: 1.0}"), CONTENT)
    plain, focal = plan.arms
    assert (plain.control, plain.trials[0]["decide"]["rule"]) == (None, "balanced")
    assert (focal.control, focal.trials[0]["decide"]["rule"]) == ("plain", "most_probable")
    assert focal.trials[0]["losses"]["focal"]["gamma"] == 1.0
    assert CONTENT["losses"]["focal"]["gamma"] == 2.0
    assert plan.comparisons == 1


def test_a_grid_is_every_combination_of_its_values() -> None:
    text = with_lines("grid: {losses.focal.gamma: [1.0, 2.0], train.learning_rate: [0.1, 0.01]}").replace(
        "loss: cross_entropy\n", "loss: cross_entropy\n    grid: {train.learning_rate: [0.1, 0.01, 0.001, 1.0]}\n"
    )
    trials = arms.parse(text, CONTENT).arms[1].trials
    found = [(trial["losses"]["focal"]["gamma"], trial["train"]["learning_rate"]) for trial in trials]
    assert found == [(1.0, 0.1), (1.0, 0.01), (2.0, 0.1), (2.0, 0.01)]


def test_chosen_arms_bring_their_control() -> None:
    text = with_lines() + "  other:\n    loss: asymmetric\n    control: plain\n"
    plan = arms.parse(text, CONTENT)
    assert [arm.name for arm in plan.chosen(["other"])] == ["plain", "other"]
    assert [arm.name for arm in plan.chosen([])] == ["plain", "focal", "other"]
    assert plan.comparisons == 2, "corrections count all declared arms"
    with pytest.raises(InputError, match=r"--arms: 'focl' is no arm of study/params.yaml; .*did you mean 'focal'"):
        plan.chosen(["focl"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["params: {train.learning_rat: 1}"], r"arm 'focal': train.learning_rat is not a .*mean 'train.learning_rate'"),
        (["params: {nothing: 1}"], r"nothing is not a parameter; expected one of \('oversample'|\['oversample'"),
        (["params: {train.learning_rate: -1}"], r"arm 'focal': train.learning_rate is -1; expected a number above 0"),
        (["params: {split.val_frac: 0.1}"], "arm 'focal': split.val_frac changes what comes before `oversample`"),
        (["params: {seed: 1}"], "arm 'focal': seed changes what comes before `oversample`"),
        (["params: {split: {}}"], "arm 'focal': split changes what comes before `oversample`"),
        (["params: {model.backbone: resnet18}"], "model.backbone changes the stored features"),
        (["params: {oversample.views: 2}"], "oversample.views changes the stored features"),
        (["params: {report.mistakes: 3}"], "report.mistakes changes nothing of what is compared"),
        (["params: {loss: ohem}"], "write the loss as `loss:` of the arm"),
        (["params: {losses.ohem.fraction: 0.2}"], "losses.ohem.fraction has no effect with loss 'focal'"),
        (["params: {train.mix: cutmix}"], "arm 'focal': train.mix is 'cutmix'.* head only sees features"),
        (["params: {train.seed: 1}", "grid: {train.seed: [2]}"], r"\['train.seed'\] are in `params` and in `grid`"),
        (["grid: {losses.focal.gamma: [1.0, 2.0]}"], "its grid has 2 settings, and that of its control 'plain' has 1"),
        (["grid: {losses.focal.gamma: []}"], "grid of losses.focal.gamma has no values"),
        (["los: x"], "arms.focal.los is not a parameter; .*did you mean 'loss'.*"),
    ],
)
def test_a_wrong_arm_says_what_is_wrong(lines: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        arms.parse(with_lines(*lines), CONTENT)
    assert all(line.startswith("study/params.yaml: ") for line in str(raised.value).splitlines())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    loss: focal\n", "", "arms.focal.loss is missing; add it .docs/study.md"),
        ("control: plain", "control: plan", "arm 'focal': control is 'plan'; expected one of .*did you mean 'plain'"),
        ("control: plain", "control: focal", "arm 'focal': control is 'focal'; expected one of"),
        ("loss: focal", "loss: focl", "arm 'focal': loss is 'focl'; .*did you mean 'focal'"),
        ("  focal:", "  a,b:", "'a,b' is no name of an arm, which the command line .* use letters"),
        ("  focal:", "  'a|b':", "is no name of an arm"),
        ("  focal:", "  'a`b':", "is no name of an arm"),
        ("  focal:", "  ' focal':", "is no name of an arm"),
        ("  focal:", '  "a\\nb":', "is no name of an arm"),
        ("  focal:", '  "":', "is no name of an arm"),
        (TEXT[TEXT.index("arms:") :], "arms: {}", "arms is empty; list a control and the arms to compare with it"),
        ("folds: 5", "folds: 2", "folds is 2; expected a number of at least 3"),
        ("figure: balanced_accuracy", "figure: accuracy", "figure is 'accuracy'; .*did you mean 'balanced_accuracy'"),
        ("decide.rule: balanced", "decide.rul: balanced", "every: decide.rul is not a .*did you mean 'decide.rule'"),
        ("  focal:", "  plain:", "key 'plain' occurs twice: lines"),
    ],
)
def test_a_wrong_study_says_what_is_wrong(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        arms.parse(TEXT.replace(old, new), CONTENT)


@pytest.mark.parametrize("name", ["cross-entropy 2", "focal_1.5", "größer", "+aug"])
def test_names_of_arms_are_words(name: str) -> None:
    assert arms.parse(TEXT.replace("  focal:", f"  {name}:"), CONTENT).arms[1].name == name


def test_a_control_of_a_control_is_refused() -> None:
    text = TEXT + "  third:\n    loss: ohem\n    control: focal\n"
    with pytest.raises(InputError, match="control is 'focal', which is itself compared with 'plain'"):
        arms.parse(text, CONTENT)


def test_an_arm_of_another_solver_than_its_control_is_refused() -> None:
    """Otherwise the solver would be measured, not the remedy; every setting of a grid counts."""
    with pytest.raises(InputError, match=r"train.solver is 'adamw', and that of its control 'plain' is 'lbfgs'"):
        arms.parse(with_lines("params: {train.solver: adamw}"), CONTENT)


def test_a_study_without_a_file_says_how_to_restore_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"git checkout study/params.yaml"):
        arms.read(tmp_path, CONTENT)


def test_whole_networks_may_mix_images() -> None:
    content: dict[str, Any] = copy.deepcopy(CONTENT)
    content["model"]["freeze"], content["train"]["solver"] = "none", "adamw"
    plan = arms.parse(with_lines("params: {model.dropout: 0.2, train.mix: cutmix}"), content)
    assert plan.arms[1].trials[0]["train"]["mix"] == "cutmix"


def test_what_cross_fitting_cannot_compare_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        arms.read(ROOT, experiment.changed(CONTENT, {"split.blocks.size_px": 512}))
    message = "params.yaml: split.blocks.size_px is not null, and blocks cannot be given new folds"
    assert str(caught.value).startswith(message), "before any arm is found to be wrong"


def test_a_study_of_another_task_is_refused_with_the_preset_that_suits() -> None:
    with pytest.raises(InputError, match=r"cp presets/study/detection\.yaml study/params\.yaml"):
        arms.read(ROOT, experiment.changed(CONTENT, {"task": "detection"}))
