import math
import time
from typing import Literal

import pytest
from pydantic import Field

from counterpoise import config
from counterpoise.config import InputError, Section


class Rare(Section):
    action: Literal["keep", "drop"]


class Train(Section):
    learning_rate: float = Field(gt=0)
    epochs: int = Field(ge=1)
    schedule: Literal["cosine", "step"]
    target: Literal["natural"] | dict[str, float]
    rare: Rare


class Params(Section):
    seed: int
    train: Train


GOOD = {"learning_rate": 1e-3, "epochs": 3, "schedule": "cosine", "target": "natural", "rare": {"action": "keep"}}


def faults(**changes: object) -> list[str]:
    content = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    with pytest.raises(InputError) as caught:
        config.validate(Train, content, "train")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-2.5e+1", -25.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        ("012", 12),
        ("089", 89),
        ("-07", -7),
        ("+1", 1),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("'012'", "012"),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written, meant):
    found = config.parse(f"key: {written}")["key"]
    assert found == meant
    assert type(found) is type(meant)


def test_dvc_reads_the_same_numbers(tmp_path):
    from dvc.utils.serialize import parse_yaml

    text = "a: 1e-3\nb: 012\nc: no\nd: on\ne: 2.0\nf: true\ng: [1, 1.5]\nh: null\n"
    assert config.parse(text) == parse_yaml(text, tmp_path / "params.yaml")


def test_not_a_number_is_read_as_one_and_refused_by_every_section():
    assert math.isnan(config.parse("a: .nan")["a"])
    assert faults(learning_rate=math.nan) == ["params.yaml: train.learning_rate is nan; expected a finite number"]
    assert "inf" in faults(learning_rate=math.inf)[0]
    assert faults(target={"roof": math.inf}) == ["params.yaml: train.target.roof is inf; expected a finite number"]


def test_a_repeated_key_is_refused_wherever_it_is():
    with pytest.raises(InputError, match=r"section 'seed' occurs twice: lines 1 and 3; keep one, and change the value"):
        config.parse("seed: 1\ntrain: {}\nseed: 2\n")
    with pytest.raises(InputError, match=r"key 'epochs' occurs twice: lines 3 and 4 and 5"):
        config.parse("seed: 1\ntrain:\n  epochs: 1\n  epochs: 2\n  epochs: 3\n")
    with pytest.raises(InputError, match="'a' occurs twice"):
        config.parse("list: [{a: 1, a: 2}]")


@pytest.mark.parametrize("text", ["a: [1", "a: 1\n b: 2", "a: !!python/name:os.system x", "a: \x00", "a: *x"])
def test_what_is_no_yaml_is_refused_without_running_it(text):
    with pytest.raises(InputError, match=r"params\.yaml: not valid YAML"):
        config.parse(text)


def test_lines_below_an_empty_mapping_are_explained_with_their_line_and_the_usual_cause():
    with pytest.raises(InputError) as caught:
        config.parse("decide:\n  costs: {}\n    solar: {roof: 3}\n")
    first, *parser = str(caught.value).splitlines()
    assert first.startswith(
        "params.yaml: not valid YAML near line 3; often `{}` or `[]` was left before indented lines"
    )
    assert not [line for line in parser if "unicode string" in line]


@pytest.mark.parametrize(
    ("text", "found"), [("", "nothing"), ("- a\n- b\n", "a list"), ("train", "text"), ("3", "a number")]
)
def test_what_holds_no_sections_is_refused(text, found):
    with pytest.raises(InputError, match=f"expected sections such as `train:`, found {found}"):
        config.parse(text)


@pytest.mark.parametrize("key", ["~", "true", "1", "2.5", ".nan"])
def test_a_key_at_the_top_that_is_no_name_is_refused(key):
    with pytest.raises(InputError, match="is not a section; expected a name such as `train`"):
        config.parse(f"{key}: 1\n")


def test_a_value_of_millions_of_characters_is_refused_in_a_moment():
    start = time.process_time()
    assert config.suggest("x" * 10**7, ["focal", "ldam"]).endswith("expected one of ['focal', 'ldam']")
    assert time.process_time() - start < 1


def test_a_missing_file_names_the_folder_and_says_where_to_run(tmp_path):
    where = r"not found in .*; run from the top of the repository, or restore it with `git checkout params\.yaml`"
    with pytest.raises(InputError, match=where):
        config.load(tmp_path)


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "params.yaml").write_bytes("demo: é\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"params\.yaml: not UTF-8 .* save it as UTF-8"):
        config.load(tmp_path)


def test_an_unknown_key_is_refused_with_the_one_that_was_meant():
    assert faults(learning_rat=1e-3) == [
        "params.yaml: train.learning_rat is not a parameter; expected one of ['learning_rate', 'epochs', 'schedule', "
        "'target', 'rare']; did you mean 'learning_rate'?"
    ]
    assert "train.rare.acton is not a parameter" in faults(rare={"action": "keep", "acton": 1})[0]
    assert "did you mean 'action'?" in faults(rare={"action": "keep", "acton": 1})[0]


def test_a_missing_key_is_named():
    assert faults(epochs=...) == [
        "params.yaml: train.epochs is missing; add it (`counterpoise params` explains every parameter)"
    ]


@pytest.mark.parametrize(("wrong", "shown"), [("3", "'3'"), (3.5, "3.5"), (True, "true"), (None, "null"), ([3], "[3]")])
def test_types_are_not_guessed(wrong, shown):
    assert faults(epochs=wrong) == [f"params.yaml: train.epochs is {shown}; expected a whole number"]


def test_a_whole_number_is_a_float_where_a_float_is_expected():
    assert config.validate(Train, {**GOOD, "learning_rate": 1}).learning_rate == 1.0


def test_what_is_out_of_range_is_refused_with_the_range():
    assert faults(epochs=0) == ["params.yaml: train.epochs is 0; expected a number of at least 1"]
    assert faults(learning_rate=0.0) == ["params.yaml: train.learning_rate is 0.0; expected a number above 0"]


def test_a_word_that_is_no_choice_is_refused_with_the_choices():
    assert faults(schedule="cosin") == [
        "params.yaml: train.schedule is 'cosin'; expected one of ['cosine', 'step']; did you mean 'cosine'?"
    ]
    assert faults(schedule="zzz")[0].endswith("expected one of ['cosine', 'step']")


def test_a_choice_between_a_word_and_a_mapping_is_explained_without_words_of_pydantic():
    assert faults(target="naturl") == [
        "params.yaml: train.target is 'naturl'; expected one of ['natural'], or a mapping of names to numbers; did you "
        "mean 'natural'?",
    ]
    assert faults(target=3) == [
        "params.yaml: train.target is 3; expected one of ['natural'], or a mapping of names to numbers"
    ]


class Names(Section):
    exclude: config.Listed[config.Name]
    shares: config.Listed[float] = Field(max_length=2)
    positive: config.Name | None
    costs: dict[config.Name, dict[config.Name, float]]


NAMES: dict[str, object] = {"exclude": [], "shares": [], "positive": None, "costs": {}}


def test_a_number_is_taken_where_a_name_is_meant_and_one_entry_where_a_list_is_meant():
    content = config.parse("exclude: 3\nshares: 0.1\npositive: 1\ncosts: {0: {1: 2.0}}")
    found = config.validate(Names, content)
    assert (found.exclude, found.shares, found.positive, found.costs) == (("3",), (0.1,), "1", {"0": {"1": 2.0}})
    assert config.validate(Names, {**NAMES, "exclude": "bad"}).exclude == ("bad",)
    assert config.validate(Names, {**NAMES, "exclude": ["bad", 0]}).exclude == ("bad", "0")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"exclude": None}, "exclude is null; expected a list, such as [NAME]"),
        ({"exclude": ""}, "exclude is ''; expected a list, such as [NAME]"),
        ({"exclude": {"a": 1}}, "exclude is {'a': 1}; expected a list, such as [NAME]"),
        ({"exclude": True}, "exclude is true; expected a list, such as [True]"),
        ({"exclude": [True]}, "entry 1 of exclude is true; expected text; write it in quotes: 'true'"),
        ({"shares": "many"}, "entry 1 of shares is 'many'; expected a number"),
        ({"positive": True}, "positive is true; expected text; write it in quotes: 'true'"),
        ({"costs": {True: {}}}, "costs has the key True; expected text; write it in quotes: 'True'"),
    ],
)
def test_what_is_neither_a_name_nor_a_number_is_refused(content, message):
    with pytest.raises(InputError) as caught:
        config.validate(Names, {**NAMES, **content})
    assert str(caught.value) == f"params.yaml: {message}"


class Lists(Section):
    exclude: tuple[str, ...] = Field(strict=False, max_length=2)
    costs: dict[str, dict[str, float]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"exclude": "bad"}, "exclude is 'bad'; expected a list, such as [bad]"),
        ({"exclude": None}, "exclude is null; expected a list, such as [NAME]"),
        ({"exclude": ["a", 4]}, "entry 2 of exclude is 4; expected text; write it in quotes: '4'"),
        ({"exclude": [True]}, "entry 1 of exclude is true; expected text; write it in quotes: 'true'"),
        ({"exclude": ["a", "b", "c"]}, "exclude is ['a', 'b', 'c']; expected at most 2 entries, found 3"),
        ({"costs": {1: {"a": 2.0}}}, "costs has the key 1; expected text; write it in quotes: '1'"),
        ({"costs": {"a": 2.0}}, "costs.a is 2.0; expected a mapping, such as {name: value}"),
        ({"costs": {"a": {"b": "2"}}}, "costs.a.b is '2'; expected a number"),
    ],
)
def test_lists_and_mappings_are_explained_in_words_of_the_file(content, message):
    with pytest.raises(InputError) as caught:
        config.validate(Lists, {"exclude": [], "costs": {}, **content})
    assert str(caught.value) == f"params.yaml: {message}"


def test_every_fault_has_its_line():
    assert len(faults(epochs=0, schedule="x", learning_rate=...)) == 3


def test_a_stage_reads_its_own_sections_and_no_others(tmp_path):
    (tmp_path / "params.yaml").write_text(
        "seed: 1\nother: {typo: 1}\ntrain:\n  learning_rate: 1e-3\n  epochs: 3\n  schedule: step\n"
        "  target: {roof: 0.5}\n  rare: {action: drop}\n"
    )
    found = config.read(tmp_path, Params)
    assert found.train.learning_rate == 0.001
    assert found.train.target == {"roof": 0.5}
    assert found.train.rare.action == "drop"


def test_a_missing_section_is_named(tmp_path):
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    with pytest.raises(InputError, match=r"params\.yaml: train is missing"):
        config.read(tmp_path, Params)


def test_parameters_cannot_be_changed():
    found = config.validate(Train, GOOD)
    with pytest.raises(ValueError, match="frozen"):
        found.epochs = 4  # type: ignore[misc]


def test_a_part_of_a_section_leaves_other_keys_to_their_owner():
    views = {"views": 2, "policy": "flips"}
    assert config.validate(config.Views, {**views, "strategy": "over"}).views == 2


def test_a_word_that_means_a_choice_but_looks_like_another_suggests_the_one_it_means():
    devices = ["auto", "cpu", "cuda", "mps"]
    assert config.suggest("gpu", devices).endswith("did you mean 'cuda' or 'mps' or 'auto'?")
    assert config.suggest("CPU", devices).endswith("did you mean 'cpu'?")
    assert config.suggest("gpu", ["cpu"]).endswith("did you mean 'cpu'?")


def test_nothing_is_suggested_where_nothing_is_close():
    assert config.suggest("zzz", ["focal"]) == "expected one of ['focal']"
