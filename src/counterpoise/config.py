"""Reading `params.yaml`: the base of every set of parameters, the shared sections, and errors that say what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

PATH = "params.yaml"
ONE_CLASS, MANY_LABELS = "multiclass", "multilabel"
"""What `task` may be: exactly one class per image, or any number of labels."""


class InputError(ValueError):
    """A mistake in the parameters or the data that the user can fix; shown as a message without a traceback."""


class Section(BaseModel):
    """Base of every set of parameters: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Views(Section):
    """The part of section `oversample` that `embed` reads too: which augmented views of a tile exist."""

    model_config = ConfigDict(extra="ignore")

    views: int = Field(ge=0, le=100)
    """Number of augmented views of each tile, beside the unchanged tile, in 0..100. A tile that is sampled r times
    shows r different views in turn. With 0, all samples of a tile are exact copies."""
    policy: str
    """Name of the augmentation policy that makes the views."""


class Drawn(Views):
    """The part of section `oversample` that `train` reads: which views exist, and when oversampling begins."""

    defer_frac: float = Field(ge=0, lt=1)
    """Share of the epochs, in [0, 1), that train without oversampling first: each training tile once, unchanged. Above
    0, this is at least one epoch, and at least one epoch with oversampling remains. The best epoch is chosen among the
    later ones."""


class Portion(Section):
    """The part of section `train` that `oversample` reads too: how much of the training split is used."""

    model_config = ConfigDict(extra="ignore")

    fraction: float = Field(gt=0, le=1)
    """Share of the training split that is used, in (0, 1], to see what fewer labels would give. The part is stratified,
    has at least one image of each class, and never splits up a group or duplicates. A smaller part is contained in a
    larger one."""


class Tta(Section):
    """The part of section `predict` that `embed` reads too: which views of a tile are averaged when predicting."""

    model_config = ConfigDict(extra="ignore")

    tta: Literal["none", "flips", "dihedral"]
    """Test-time augmentation: views of a tile whose predictions are averaged. `none`: only the unchanged tile; `flips`:
    4 views, the unchanged tile and its mirror images left to right, top to bottom, and both; `dihedral`: 8 views, those
    of `flips` and their transposes. With a frozen backbone, features are computed for every view."""


class Backbone(Section):
    """The part of section `model` on which features depend."""

    model_config = ConfigDict(extra="ignore")

    backbone: str
    """Name of a timm model, such as `tf_efficientnet_lite0`."""
    weights: str
    """Initial weights of the backbone. `bundled`: ImageNet weights from a pip package; `imagenet`: the weights that
    timm prefers, downloaded; `none`: random numbers; or the name of a `.safetensors` or `.pth` file in
    `models/pretrained/`."""
    input_px: int = Field(ge=32, le=2048)
    """Side of the square input of the network, in pixels, in 32..2048. Every tile is resized to it."""
    freeze: Literal["none", "backbone", "all_but_batchnorm", "first_n"]
    """Which part of the backbone is frozen, that is, not trained. `none`: nothing; `backbone`: all of it, so features
    are computed once and only the head is trained; `all_but_batchnorm`: all except the scales, shifts and running
    statistics of its batch norms; `first_n`: its first `freeze_first` blocks, including the statistics of their
    norms."""
    pool: Literal["avg", "avg_max", "as_made"]
    """How a feature map becomes one vector. `avg`: the mean over the image; `avg_max`: mean and maximum, concatenated,
    twice as wide (head `concat_pool` needs this); `as_made`: the pooling that the authors of the backbone use, for many
    transformers the class token."""
    device: Literal["auto", "cpu", "cuda", "mps"]
    """Where the network runs; `auto` takes CUDA, then MPS, then the CPU."""
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    """Precision of the backbone's arithmetic; `auto`: bfloat16 or float16 on CUDA, float32 elsewhere."""


class Model(Backbone):
    """Section `model`: the network."""

    model_config = ConfigDict(extra="forbid")

    freeze_first: int = Field(ge=1)
    """`first_n` only: how many blocks of the backbone are frozen, counted from the input; at least 1. The stem is the
    first block; after it, each stage is one (`resnet18` has 5 blocks, `efficientnet_b0` and `tf_efficientnet_lite0` 8,
    `densenet121` 6, the last of which is a norm)."""
    head: Literal["linear", "cosine", "concat_pool", "dense"]
    """How features become logits. `linear`: batch norm, weights and biases; the biases start at the class prior of the
    samples. `cosine`: batch norm, then 30 times the cosine of the angle between the features and the weights of each
    class, without biases, so the length of its weights gives no class an advantage. `concat_pool`: batch norm, dropout,
    a hidden layer, batch norm, dropout, a last layer as in `linear`. `dense`: batch norm, a hidden layer, dropout, a
    last layer as in `linear`. Heads always compute in float32. Loss `ldam` needs `cosine`."""
    hidden: int = Field(ge=1)
    """`concat_pool` and `dense` only: units of the hidden layer, at least 1. Its activation is ReLU."""
    dropout: float = Field(ge=0, lt=1)
    """Dropout before the last layer, in [0, 1); half of it before the hidden layer of `concat_pool`."""
    subclasses: dict[str, Annotated[int, Field(ge=2, le=100)]]
    """Multiclass only. {class: k}, with k in 2..100, splits a class into k visual subtypes, by clustering its training
    features. The network is trained on subtypes; their probabilities are summed for the decision. With dvc: `dvc exp
    run -S +model.subclasses.solar=3`."""


class Positive(Section):
    """The part of section `evaluate` that `decide` reads too: which class matters, and at which other prevalences."""

    model_config = ConfigDict(extra="ignore")

    positive: str | None
    """The class that matters; `null` takes the rarest class."""
    at_prevalence: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(strict=False, max_length=8)
    """Other shares of the class that matters, each in (0, 1), at most 8. Precision and average precision are reported
    at these prevalences too."""


class Weighting(Section):
    """Section `weighting`: class weights, which multiply the loss of an example."""

    scheme: Literal[
        "none",
        "balanced",
        "square_root",
        "effective_number",
        "one_minus_share",
        "negatives_over_positives",
        "inverse_share",
    ]
    """How the weight of a class follows from its samples per epoch. Multiclass: `none`, `balanced`, `square_root`,
    `effective_number`, `one_minus_share`. Multilabel: `none`, `negatives_over_positives`, `inverse_share`; these weight
    the positive entries of each label."""
    beta: float = Field(ge=0, lt=1)
    """`effective_number` only: how similar the images of a class are to each other, in [0, 1); 0 gives equal
    weights."""
    defer_frac: float = Field(ge=0, lt=1)
    """Share of the epochs, in [0, 1), that train without class weights first. Above 0, this is at least one epoch, and
    at least one epoch with weights remains. The best epoch is chosen among the later ones."""


S = TypeVar("S", bound=Section)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the numbers and booleans of YAML 1.2, in which `1e-3` is a number and `no` a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":float", ":int", ":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))  # PyYAML's own would read 012 as an octal number


def _mapping_without_repeats(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    lines: dict[Any, list[int]] = {}
    for key, _ in node.value:
        lines.setdefault(loader.construct_object(key, deep=True), []).append(key.start_mark.line + 1)
    for key, found in lines.items():
        if len(found) > 1:
            kind, often = "key" if node.start_mark.column else "section", " and ".join(map(str, found))
            raise InputError(
                f"{PATH}: {kind} {key!r} occurs twice: lines {often}; keep one, and change the value there"
            )
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping_without_repeats)


def parse(text: str) -> dict[str, Any]:
    r"""Read the text of a parameter file.

    Args:
        text: YAML; numbers are read as YAML 1.2 reads them.

    Returns:
        The mapping at its top.

    Raises:
        InputError: The text is no YAML, or no mapping.

    Example:
        >>> parse("rate: 1e-3\nsource: no")
        {'rate': 0.001, 'source': 'no'}
    """
    try:
        content = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        place = f" near line {mark.line + 1}" if mark else ""
        hint = "often `{}` or `[]` was left before indented lines, or a tab or a space is wrong. The parser says"
        said = str(error).replace("<unicode string>", PATH)
        raise InputError(f"{PATH}: not valid YAML{place}; {hint}: {said}") from error
    if not isinstance(content, dict):
        raise InputError(f"{PATH}: expected sections such as `train:`, found {_KINDS.get(type(content), content)}")
    return content


def load(root: Path) -> dict[str, Any]:
    """Read `params.yaml` of the repository at `root`.

    Raises:
        InputError: The file is missing or unreadable as YAML.
    """
    try:
        return parse((root / PATH).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        todo = f"run from the top of the repository, or restore it with `git checkout {PATH}`"
        raise InputError(f"{PATH}: not found in {root}; {todo}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{PATH}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error


def validate(section: type[S], content: Mapping[str, Any], where: str = "") -> S:
    """Check a mapping against a set of parameters.

    Args:
        section: What is expected.
        content: What was found; keys that a *part* of a section does not declare are left to its owner.
        where: Dotted name of the section, in front of every message; empty at the top.

    Returns:
        The checked parameters.

    Raises:
        InputError: One line for every fault: where, what was found, what was expected, what to do.
    """
    try:
        return section.model_validate(dict(content))
    except ValidationError as error:
        problems = [dict(problem) for problem in error.errors()]
        lines = [_explain(section, problem, where) for problem in problems if not _is_beside(problem, problems)]
        raise InputError("\n".join(dict.fromkeys(lines))) from error


def read(root: Path, params: type[S]) -> S:
    """Read what one stage needs: those top-level keys of `params.yaml` that `params` declares.

    Raises:
        InputError: A key is missing, unknown, of a wrong type or out of its range.
    """
    content = load(root)
    return validate(params, {key: content[key] for key in params.model_fields if key in content})


def suggest(value: object, expected: Iterable[str], others: str = "") -> str:
    """Say what was expected, and which of it was probably meant.

    Args:
        value: What was found.
        expected: The names that are allowed.
        others: What else is allowed, as a clause that follows the names.

    Example:
        >>> suggest("focl", ["cross_entropy", "focal"])
        "expected one of ['cross_entropy', 'focal']; did you mean 'focal'?"
    """
    names, text = list(expected), str(value)
    meant = [name for name in _OTHER_WORDS.get(text.lower(), ()) if name in names]
    close = meant or difflib.get_close_matches(text, names, n=1) or difflib.get_close_matches(text.lower(), names, n=1)
    hint = " or ".join(map(repr, close))
    return f"expected one of {names}{others}" + (f"; did you mean {hint}?" if hint else "")


_UNION_MEMBER = re.compile(r"(?:literal|dict|tuple|list)\[.*\]")
"""How pydantic names, inside a location, the member of a union that it tried."""
_OTHER_WORDS = {"gpu": ("cuda", "mps", "auto"), "nvidia": ("cuda",), "apple": ("mps",)}
"""What people write -> the names that they may mean, which need not look alike."""
_KINDS = {type(None): "nothing", str: "text", int: "a number", float: "a number", list: "a list"}
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "too_long": "at most {max_length} entries, found {actual_length}",
    "dict_type": "a mapping, such as {{name: value}}",
    "model_type": "a section of parameters, such as {{name: value}}",
}
"""What to say for each type of error of pydantic, with the bounds that it states."""
_LISTS = ("tuple_type", "list_type")


def _is_beside(problem: Mapping[str, Any], problems: list[dict[str, Any]]) -> bool:
    """Say whether a problem is only that the other member of a union, a word or a mapping, was not meant."""
    place = _place(problem)
    others = [other for other in problems if other is not problem and _place(other)[: len(place)] == place]
    if problem["type"] == "literal_error":  # the mapping was meant, and something in it is wrong
        return isinstance(problem["input"], Mapping) and bool(others)
    return problem["type"] == "dict_type" and any(other["type"] == "literal_error" for other in others)


def _place(problem: Mapping[str, Any]) -> list[str]:
    return [str(part) for part in problem["loc"] if not _UNION_MEMBER.fullmatch(str(part))]


def _explain(section: type[Section], problem: Mapping[str, Any], where: str) -> str:
    location, value, kind = _place(problem), problem["input"], problem["type"]
    if location[-1] == "[key]":
        owner = ".".join(part for part in [where, *location[:-2]] if part)
        return f"{PATH}: {owner} has the key {value!r}; expected text; write it in quotes: '{value}'"
    name = ".".join(part for part in [where, *location] if part)
    if kind == "extra_forbidden":
        return f"{PATH}: {name} is not a parameter; {suggest(location[-1], _fields(section, location[:-1]))}"
    if kind == "missing":
        return f"{PATH}: {name} is missing; add it (`counterpoise params` explains every parameter)"
    if kind == "literal_error":
        others = ", or a mapping of names to numbers" if _takes_mapping(section, location) else ""
        return f"{PATH}: {name} is {written(value)}; {suggest(value, _literals(section, location), others)}"
    if isinstance(problem["loc"][-1], int) and get_origin(_annotation(section, location[:-1])) is not dict:
        name = f"entry {problem['loc'][-1] + 1} of {name.rpartition('.')[0]}"
    return f"{PATH}: {name} is {written(value)}; {_expected(problem)}"


def written(value: object) -> str:
    """Write a value like YAML does, where Python would write `None` or `True`."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return repr(value)


def _expected(problem: Mapping[str, Any]) -> str:
    """Say in words of `params.yaml` what a value should have been."""
    kind, value = problem["type"], problem["input"]
    if kind in _LISTS:
        example = value if isinstance(value, str | int | float) and value != "" else "NAME"
        return f"expected a list, such as [{example}]"
    if kind == "string_type" and isinstance(value, int | float):
        return f"expected text; write it in quotes: '{written(value)}'"
    if kind in _EXPECTED:
        return "expected " + _EXPECTED[kind].format(**problem.get("ctx", {}))
    message = str(problem["msg"])
    return f"{message[0].lower()}{message[1:]}"


def _annotation(section: type[Section], location: list[str]) -> Any:  # noqa: ANN401 - any annotation
    current: Any = section
    for part in location:
        if not (isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields):
            return None
        current = current.model_fields[part].annotation
    return current


def _fields(section: type[Section], location: list[str]) -> list[str]:
    owner = _annotation(section, location)
    return list(owner.model_fields) if isinstance(owner, type) and issubclass(owner, BaseModel) else []


def _takes_mapping(section: type[Section], location: list[str]) -> bool:
    return any(get_origin(member) is dict for member in get_args(_annotation(section, location)))


def _literals(section: type[Section], location: list[str]) -> list[str]:
    annotation = _annotation(section, location)
    members = [annotation, *get_args(annotation)]
    return [str(value) for member in members if get_origin(member) is Literal for value in get_args(member)]
