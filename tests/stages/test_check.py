import copy
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import Field

from counterpoise import config, losses, sources
from counterpoise.artifacts import params_ok
from counterpoise.calibration.calibrators import sigmoid, softmax
from counterpoise.config import InputError
from counterpoise.decision import boxes
from counterpoise.decision.links import OF_VALIDATION
from counterpoise.decision.links import softmax as softmax_rules
from counterpoise.imbalance import class_weights, resampling
from counterpoise.networks import tta
from counterpoise.stages import check, decide, oversample
from counterpoise.training import mixup, settings

REPOSITORY = Path(__file__).resolve().parents[2]


def shipped() -> dict[str, Any]:
    return config.load(REPOSITORY)


def changed(**values: object) -> dict[str, Any]:
    """The shipped parameters with some values set, by dotted name; `__` stands for the dot, `...` removes the key."""
    content = copy.deepcopy(shipped())
    for name, value in values.items():
        *owners, last = name.split("__")
        block = content
        for owner in owners:
            block = block[owner]
        if value is ...:
            del block[last]
        else:
            block[last] = value
    return content


def fault(**values: object) -> str:
    found = check.problems(changed(**values))
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def repository(tmp_path):
    shutil.copyfile(REPOSITORY / config.PATH, tmp_path / config.PATH)
    return tmp_path


def test_the_shipped_parameters_pass(repository):
    assert check.problems(shipped()) == []
    check.main(repository)
    assert (repository / params_ok.PATH).read_text() == "ok\n"


def test_the_output_is_constant_so_that_checking_reruns_nothing(repository):
    check.main(repository)
    first = (repository / params_ok.PATH).read_bytes()
    path = repository / config.PATH
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    check.main(repository)
    assert (repository / params_ok.PATH).read_bytes() == first


def test_every_section_is_shared_or_named_after_a_stage():
    assert set(shipped()) == {*check.SHARED, *check.sections()}


@pytest.mark.parametrize("loss", shipped()["losses"])
def test_every_shipped_loss_can_be_chosen(loss):
    task = losses.module(loss).TASKS[0]
    head = "linear" if losses.refuses_head(loss, "linear") is None else "cosine"
    solver = "lbfgs" if losses.refuses_lbfgs(loss) is None else "adamw"
    assert check.problems(changed(loss=loss, task=task, model__head=head, train__solver=solver)) == []


def test_rewriting_by_dvc_keeps_the_shipped_file_byte_for_byte(repository):
    from dvc.utils.serialize import modify_yaml

    path = repository / config.PATH
    text, content = path.read_bytes(), config.load(repository)
    with modify_yaml(str(path)) as found:
        loss = found["loss"]
        found["loss"] = "focal"
    assert config.load(repository) == {**content, "loss": "focal"}
    assert path.read_bytes() == text.replace(f"\nloss: {loss}\n".encode(), b"\nloss: focal\n")
    with modify_yaml(str(path)) as found:
        found["loss"] = loss
    assert path.read_bytes() == text
    assert config.load(repository) == content


def test_dvc_reads_the_shipped_file_as_we_do():
    from dvc.utils.serialize import parse_yaml

    path = REPOSITORY / config.PATH
    assert parse_yaml(path.read_text(encoding="utf-8"), str(path)) == shipped()


def test_a_typo_in_a_section_is_refused_with_what_was_meant():
    known = [*check.SHARED, *check.sections()]
    content = changed(trian=shipped()["train"], train=...)
    assert check.problems(content) == [
        f"params.yaml: trian is not a section; expected one of {known}; did you mean 'train'?",
        "params.yaml: section train is missing; add it",
    ]


@pytest.mark.parametrize("value", [None, 3, "text", []])
def test_a_section_that_is_no_mapping_is_refused_with_its_keys(value):
    assert fault(tile=value) == (
        f"params.yaml: tile is {config.written(value)}; expected a section with the keys {list(shipped()['tile'])}"
    )


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("train__epochs", 0, "train.epochs is 0; expected a number of at least 1"),
        ("train__epochs", "40", "train.epochs is '40'; expected a whole number"),
        ("train__epochs", ..., "train.epochs is missing"),
        ("train__epoch", 3, "train.epoch is not a parameter"),
        ("split__duplicates__max_distance", 16, "split.duplicates.max_distance is 16"),
        ("ingest__rare__action", "drp", "ingest.rare.action is 'drp'; expected one of ['keep', 'drop', 'other']"),
        ("model__freeze", "bakbone", "did you mean 'backbone'?"),
        ("model__head", "cosin", "model.head is 'cosin'; expected one of ['linear', 'cosine', "),
        ("model__head", "cosin", "did you mean 'cosine'?"),
        ("model__pool", "max", "model.pool is 'max'; expected one of ['avg', 'avg_max', 'as_made']"),
        ("model__hidden", 0, "model.hidden is 0; expected a number of at least 1"),
        ("model__freeze_first", 0, "model.freeze_first is 0; expected a number of at least 1"),
        ("model__weights", "bundeld", "expected one of ['bundled', 'imagenet', 'none']; did you mean 'bundled'?"),
        ("model__weights", "a.onnx", "or name a .safetensors or .pth file in models/pretrained/"),
        ("model__weights", "models/pretrained/a.pth", "expected the name of a file, relative to models/pretrained/"),
        ("model__weights", "../a.pth", "expected the name of a file, relative to models/pretrained/"),
        ("model__backbone", "tf_eficientnet_lite0", "did you mean 'tf_efficientnet_lite0'"),
        ("train__first_rate_frac", 0.0, "train.first_rate_frac is 0.0; expected a number above 0"),
        ("model__subclasses", {"solar": 1}, "model.subclasses.solar is 1; expected a number of at least 2"),
        ("predict__tta", "flip", "predict.tta is 'flip'; expected one of ['none', 'flips', 'dihedral']; did you mean"),
        ("predict__average", "mean", "expected one of ['logits', 'probabilities']"),
        ("train__members", 0, "train.members is 0; expected a number of at least 1"),
        ("train__fraction", 0.0, "train.fraction is 0.0; expected a number above 0"),
        ("weighting__scheme", "balancd", "did you mean 'balanced'?"),
        (
            "task",
            "multiklass",
            "task is 'multiklass'; expected one of ['detection', 'multiclass', 'multilabel']; did you mean",
        ),
        ("evaluate__at_prevalence", [0.5, 1.0], "entry 2 of evaluate.at_prevalence is 1.0; expected a number below 1"),
        ("decide__floor", 1, "decide.floor is 1"),
        ("train__pretrain_frac", 1.0, "train.pretrain_frac is 1.0; expected a number below 1"),
        ("losses__auc_pairwise__power", 4, "losses.auc_pairwise.power is 4"),
        ("seed", -1, "seed is -1; expected a number of at least 0"),
        ("seed", 1.0, "seed is 1.0; expected a whole number"),
        ("loss", "focl", "loss is 'focl'; expected one of"),
        ("loss", "focl", "did you mean 'focal'?"),
        ("losses__focal__gamma", -1.0, "losses.focal.gamma is -1.0"),
        ("losses__focal__gama", 1.0, "losses.focal.gama is not a parameter; expected one of ['gamma', 'alpha']"),
        ("losses__focl", {}, "losses.focl is 'focl'; expected one of"),
        ("losses__focal", None, "losses.focal is null; expected a mapping, such as {name: value}"),
        ("ingest__source", "cvs", "ingest.source is 'cvs'; expected one of ['csv', 'folder', 'coco',"),
        ("ingest__source", "cvs", "did you mean 'csv'?"),
        ("ingest__sources__csv__delimiter", ";;", "ingest.sources.csv.delimiter is ';;'"),
        ("ingest__sources__fodler", {}, "ingest.sources.fodler is 'fodler'"),
        ("demo__name", "elvp", "demo.name is 'elvp'; expected one of ['none', 'elpv'"),
        ("oversample__policy", "strng", "oversample.policy is 'strng'"),
        ("train__augment", "flip", "did you mean 'flips'?"),
    ],
)
def test_each_wrong_value_is_refused_once(name, value, part):
    text = fault(**{name: value})
    assert text.startswith("params.yaml: ")
    assert part in text


def test_a_merge_of_no_list_is_refused_and_one_of_a_list_is_not():
    text = fault(ingest__merge={"new": None})
    assert text.startswith("params.yaml: ")
    assert "ingest.merge.new is null; expected a list, such as [NAME]" in text
    assert check.problems(changed(ingest__merge={"new": "ab"}, ingest__exclude="c")) == []
    assert check.problems(changed(ingest__merge={"new": ["a", "b"]}, ingest__exclude=["c"])) == []


def test_combinations_are_looked_at_once_every_single_value_is_right():
    size = shipped()["tile"]["size_px"]
    overlap = f"params.yaml: tile.overlap_px is {size}; expected a number below tile.size_px, {size}; lower it"
    assert fault(tile__overlap_px=size) == overlap
    assert "train.epochs is 0" in fault(tile__overlap_px=size, train__epochs=0)


def test_checking_builds_no_loss(monkeypatch):
    def build(*_: object, **__: object) -> None:
        raise AssertionError("a loss was built")

    monkeypatch.setattr(losses, "build", build)
    for name in losses.names():
        monkeypatch.setattr(losses.module(name), "build", build)
        for subclasses in ({}, {"solar": 2}):
            check.problems(changed(loss=name, model__subclasses=subclasses))


@pytest.mark.parametrize("name", ["exclude", "ingest.exclude"])
def test_a_key_at_the_top_of_the_file_is_sent_to_its_section(name):
    assert check.problems({**changed(), name: ["roof"]}) == [
        f"params.yaml: {name} is not a section; write it as `exclude:` under `ingest:`"
    ]


@pytest.mark.parametrize(("name", "value"), [("train__augment", True), ("loss", 3), ("demo__name", None)])
def test_what_is_no_text_is_answered_with_the_names_where_there_is_a_choice(name, value):
    (fault,) = check.problems(changed(**{name: value}))
    assert f" is {config.written(value)}; expected one of [" in fault


def test_a_section_without_content_is_shown_as_it_is_written_in_yaml():
    assert check.problems(changed(demo=None))[0].startswith("params.yaml: demo is null; expected a section")


def test_every_fault_of_a_file_is_told_at_once():
    found = check.problems(changed(train__epochs=0, tile__overlap=1, split=3))
    assert [line.split(" is ")[0] for line in found] == [
        "params.yaml: split",
        "params.yaml: tile.overlap",
        "params.yaml: train.epochs",
    ]


def test_a_refusal_says_what_to_do_and_writes_nothing(repository):
    path = repository / config.PATH
    path.write_text(path.read_text().replace("\ntile:", "\ntiel:"))
    with pytest.raises(InputError) as caught:
        check.main(repository)
    assert "tiel is not a section" in str(caught.value)
    assert str(caught.value).splitlines()[-1] == "Fix params.yaml and run `dvc repro` again."
    assert "To undo" not in str(caught.value), "there is no commit"
    assert list(repository.iterdir()) == [path]


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_a_refusal_says_how_to_undo_the_one_change_that_caused_it(repository):
    git(repository, "init")
    git(repository, "add", config.PATH)
    git(repository, "commit", "-m", "parameters")
    path = repository / config.PATH
    text = path.read_text()
    path.write_text(text.replace("  root: data/demo", "  root: data/raw/mine").replace("  epochs: 60", "  epochs: 0"))
    with pytest.raises(InputError) as caught:
        check.main(repository)
    assert str(caught.value).splitlines() == [
        "params.yaml: train.epochs is 0; expected a number of at least 1",
        "To undo only the change of train.epochs, write `epochs: 60` in section `train` again, as in the last commit.",
        "Fix params.yaml and run `dvc repro` again.",
    ]
    path.write_text(text.replace("\nloss: cross_entropy", "\nloss: focl"))
    assert list(check.undo(repository, config.load(repository), ["params.yaml: loss is 'focl'"])) == [
        "To undo only the change of loss, write `loss: cross_entropy` again, as in the last commit."
    ]


def test_no_former_value_is_named_for_your_own_data_nor_beside_what_to_write(repository):
    git(repository, "init")
    git(repository, "add", config.PATH)
    git(repository, "commit", "-m", "parameters")
    content = changed(ingest__root="data/raw/none", demo__name="none", evaluate__positive="roof", loss="focl")
    faults = ["demo.name is 'none', so ingest.root is empty", "evaluate.positive is 'roof'", *check.problems(content)]
    assert "did you mean 'focal'?" in faults[-1]
    assert list(check.undo(repository, content, faults)) == []


def test_a_long_value_is_cut_in_the_message(repository):
    path = repository / config.PATH
    path.write_text(path.read_text().replace("\nloss: cross_entropy", "\nloss: " + "x" * 100_000))
    with pytest.raises(InputError, match=r"params\.yaml: loss is 'x+\.\.\.\nFix params\.yaml") as caught:
        check.main(repository)
    assert len(str(caught.value)) < 3000


def test_without_git_a_refusal_names_no_former_value(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    content = changed(train__epochs=0)
    assert list(check.undo(repository, content, check.problems(content))) == []


def test_a_file_of_weights_that_is_not_there_is_refused_before_anything_runs(repository):
    path = repository / config.PATH
    path.write_text(path.read_text().replace("weights: bundled", "weights: mine.pth"))
    assert check.problems(config.load(repository)) == []
    with pytest.raises(InputError, match=r"models/pretrained/mine\.pth does not exist; put the file there"):
        check.main(repository)
    (repository / "models" / "pretrained").mkdir(parents=True)
    (repository / "models" / "pretrained" / "mine.pth").touch()
    check.main(repository)


def test_a_folder_of_images_that_is_not_there_is_named_with_what_is_there_instead(repository):
    path = repository / config.PATH
    for name in ("elpv", "none"):
        changed_text = path.read_text().replace("name: elpv", f"name: {name}").replace("data/demo", "data/raw/mine")
        path.write_text(changed_text)
        with pytest.raises(InputError) as caught:
            check.main(repository)
        text = str(caught.value)
        assert "params.yaml: ingest.root is 'data/raw/mine', but there is no such folder; put your images there" in text
        assert "data/raw has" not in text
    (repository / "data" / "raw" / "roofs").mkdir(parents=True)
    (repository / "presets").mkdir()
    shutil.copyfile(path, repository / "presets" / "roofs.yaml")
    with pytest.raises(InputError) as caught:
        check.main(repository)
    text = str(caught.value)
    assert "(presets/roofs.yaml set it, for images that you bring)" in text
    assert "or set ingest.root to the folder where they are; data/raw has ['roofs']" in text
    (repository / "data" / "raw" / "mine").touch()
    with pytest.raises(InputError, match="but that is a file, not a folder"):
        check.main(repository)


@pytest.mark.parametrize("tracked", ["data/raw/mine.dvc", "data/raw.dvc"])
def test_of_a_missing_folder_that_dvc_tracks_the_command_that_brings_it_back_is_named(repository, tracked):
    path = repository / config.PATH
    path.write_text(path.read_text().replace("name: elpv", "name: none").replace("data/demo", "data/raw/mine"))
    (repository / "data" / "raw").mkdir(parents=True)
    (repository / tracked).touch()
    with pytest.raises(InputError, match=f"bring it back with `dvc checkout {tracked}`, or with `dvc pull {tracked}`"):
        check.main(repository)


def test_a_link_into_an_output_is_refused_and_one_to_elsewhere_is_not(repository, tmp_path_factory):
    path = repository / config.PATH
    path.write_text(path.read_text().replace("name: elpv", "name: none").replace("root: data/demo", "root: data/raw/x"))
    (repository / "data" / "raw").mkdir(parents=True)
    (repository / "data" / "tiles" / "train" / "mine").mkdir(parents=True)
    link = repository / "data" / "raw" / "x"
    link.symlink_to(repository / "data" / "tiles" / "train" / "mine")
    with pytest.raises(InputError, match="'data/raw/x', a link to 'data/tiles/train/mine', inside 'data/tiles/train'"):
        check.main(repository)
    link.unlink()
    link.symlink_to(tmp_path_factory.mktemp("elsewhere"))
    check.main(repository)


def test_the_stage_ends_with_a_message_and_without_a_traceback(repository):
    path = repository / config.PATH
    path.write_text(path.read_text().replace("\nseed: 0\n", "\nseed: zero\n"))
    command = [sys.executable, "-m", "counterpoise.stages.check"]
    found = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "params.yaml: seed is 'zero'; expected a whole number" in found.stderr
    assert "Traceback" not in found.stderr


def unbounded(annotation: Any, metadata: Sequence[Any], name: str) -> Iterator[str]:
    """Name each number below an annotation that lacks a lower or an upper bound."""
    if isinstance(annotation, type) and issubclass(annotation, config.Section):
        for key, field in annotation.model_fields.items():
            yield from unbounded(field.annotation, field.metadata, f"{name}.{key}")
    elif get_origin(annotation) is Annotated:
        own, *more = get_args(annotation)
        bounds = [bound for entry in more for bound in getattr(entry, "metadata", [entry])]
        yield from unbounded(own, [*metadata, *bounds], name)
    elif annotation in (int, float):
        if not any(hasattr(bound, "ge") or hasattr(bound, "gt") for bound in metadata):
            yield f"{name} has no lower bound"
        if not any(hasattr(bound, "le") or hasattr(bound, "lt") for bound in metadata):
            yield f"{name} has no upper bound"
    elif get_origin(annotation) is not Literal:
        inner = metadata if get_origin(annotation) in (UnionType, Union) else []
        for part in get_args(annotation):
            yield from unbounded(part, inner, name)


def test_every_number_has_a_lower_and_an_upper_bound():
    sections = {**check.sections(), "model": config.Model, "weighting": config.Weighting}
    sections |= {f"losses.{name}": losses.module(name).Params for name in losses.names()}
    sections |= {f"sources.{name}": sources.find(name).Params for name in sources.names()}
    assert [line for name, section in sections.items() for line in unbounded(section, [], name)] == []
    stages = [unbounded(params, [], params.__module__) for params in check._stage_params()]
    assert [line for lines in stages for line in lines] == []


def test_a_number_without_a_bound_would_be_found():
    class Loose(config.Section):
        one: int
        two: dict[str, tuple[Annotated[float, Field(ge=0)], ...]] | None
        three: Annotated[int, Field(ge=0, le=1)] | Literal["none"]
        four: float | None = Field(gt=0, lt=1)

    assert list(unbounded(Loose, [], "loose")) == [
        "loose.one has no lower bound",
        "loose.one has no upper bound",
        "loose.two has no upper bound",
    ]


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("train__epochs", 10**18, "train.epochs is 1000000000000000000; expected a number of at most 100,000"),
        ("train__batch_size", 10**25, "train.batch_size is 10000000000000000000000000; expected a number of at most"),
        ("tile__size_px", 10**20, "tile.size_px is 100000000000000000000; expected a number of at most 16,384"),
        ("evaluate__resamples", 10**8, "evaluate.resamples is 100000000; expected a number of at most 10,000"),
        (
            "seed",
            10**39,
            "seed is 1" + "0" * 39 + "; expected a number of at most 9,223,372,036,854,775,808",
        ),
        ("train__learning_rate", 10**30, "; expected a number of at most 10"),
        ("decide__target", {"a": 1.5}, "decide.target.a is 1.5; expected a number of at most 1"),
        ("decide__costs", {"a": {"b": -1.0}}, "decide.costs.a.b is -1.0; expected a number of at least 0"),
    ],
)
def test_a_number_beyond_every_use_is_refused_with_its_bound(name, value, part):
    assert part in fault(**{name: value})


@pytest.mark.parametrize(
    ("owner", "value"),
    [
        ((), 3),
        (("train",), 3),
        (("losses",), {}),
        (("ingest", "sources"), {}),
        (("ingest", "merge"), True),
        (("decide", "costs"), 3),
        (("decide", "target"), 3),
        (("model", "subclasses"), 1),
    ],
)
def test_twenty_thousand_wrong_keys_take_a_moment_and_few_lines(owner, value):
    content = copy.deepcopy(shipped())
    block = content
    for key in owner[:-1]:
        block = block[key]
    wrong = {f"key{number}": value for number in range(20_000)}
    if owner:
        block[owner[-1]] = {**block[owner[-1]], **wrong} if isinstance(block[owner[-1]], dict) else wrong
    else:
        block |= wrong
    begin = time.process_time()
    found = check.problems(content)
    assert time.process_time() - begin < 3  # one second on a free machine, where each fault once took one millisecond
    assert len(found) == config.MOST_FAULTS + 1
    assert re.fullmatch(r"params\.yaml: 19,\d{3} more faults are not shown", found[-1])


def literals(section: type[config.Section], name: str) -> set[str]:
    return set(section.model_json_schema()["properties"][name]["enum"])


@pytest.mark.parametrize(
    ("section", "name", "functions"),
    [
        (decide.Decide, "calibrator", {"auto", *softmax.CALIBRATORS, *sigmoid.CALIBRATORS}),
        (decide.Decide, "rule", {*softmax_rules.RULES, *OF_VALIDATION, *boxes.RULES}),
        (oversample.Oversample, "strategy", set(resampling.STRATEGIES)),
        (config.Weighting, "scheme", {*class_weights.SCHEMES, *class_weights.LABEL_SCHEMES}),
        (settings.Train, "mix", {"none", *mixup.NAMES}),
        (config.Tta, "tta", set(tta.VIEWS)),
    ],
)
def test_a_parameter_accepts_the_functions_that_there_are(
    section: type[config.Section], name: str, functions: set[str]
) -> None:
    assert literals(section, name) == functions
