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
    """A mistake in the parameters or the data which the user can mend; its message stands without a traceback."""


class Section(BaseModel):
    """Base of every set of parameters: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


Task = Literal["multiclass", "multilabel"]
"""What the labels mean: `multiclass`, exactly one class per image, softmax outputs; `multilabel`, any number of classes
per image, none included, a sigmoid output for each."""


class Views(Section):
    """The part of section `oversample` that `embed` reads too: which augmented views of a tile exist."""

    model_config = ConfigDict(extra="ignore")

    views: int = Field(ge=0, le=100)
    """Augmented views of a tile beside the tile itself. A tile drawn r times is drawn as r different views in turn,
    so that with 0 the repeated draws of a rare tile are exact copies."""
    policy: str
    """Name of the augmentation policy that makes the views."""


class Drawn(Views):
    """The part of section `oversample` that `train` reads: which views exist, and from when on the draws hold."""

    defer_frac: float = Field(ge=0, lt=1)
    """Share of the epochs, in [0, 1), in which every tile of train is drawn once, as it is, before the draws hold. If
    above 0 it is at least one epoch, and at least one is left. The best epoch is looked for among the others."""


class Portion(Section):
    """The part of section `train` that `oversample` reads too: of how much of train there is to draw."""

    model_config = ConfigDict(extra="ignore")

    fraction: float = Field(gt=0, le=1)
    """Share of train that is learned from, in (0, 1], as if no more had been labelled: stratified, at least one image
    of each class, images that belong together taken whole. A smaller part lies within a larger one."""


class Tta(Section):
    """The part of section `predict` that `embed` reads too: which views of a tile are averaged when predicting."""

    model_config = ConfigDict(extra="ignore")

    tta: Literal["none", "flips", "dihedral"]
    """Views of a tile over which a prediction is averaged (test-time augmentation). `flips`: 4, as it is and mirrored
    left to right, top to bottom, and both; `dihedral`: 8, these and their transposes. Features of a frozen backbone
    are computed for each of the views."""


class Backbone(Section):
    """The part of section `model` on which features depend."""

    model_config = ConfigDict(extra="ignore")

    backbone: str
    """Name of a timm model, such as `tf_efficientnet_lite0`."""
    weights: str
    """What the backbone begins with. `bundled`: ImageNet weights that came in a pip package; `imagenet`: those that
    timm prefers, downloaded; `none`: random numbers; or the name of a `.safetensors` or `.pth` file in
    `models/pretrained/`."""
    input_px: int = Field(ge=32, le=2048)
    """Side in pixels of the square that the network sees; every tile is resized to it."""
    freeze: Literal["none", "backbone", "all_but_batchnorm", "first_n"]
    """What of the backbone stays as it came. `none`: nothing, everything is trained; `backbone`: all of it, so that
    features are computed once and only the head is trained; `all_but_batchnorm`: all but the scales, shifts and running
    statistics of its batch norms; `first_n`: its first `freeze_first` blocks, with the statistics of their norms."""
    pool: Literal["avg", "avg_max", "as_made"]
    """How a map of features becomes one vector. `avg`: their mean over the picture; `avg_max`: their mean and their
    maximum, side by side, twice as wide, which head `concat_pool` needs; `as_made`: as the makers of the backbone do,
    which for many transformers is one token of it."""
    device: Literal["auto", "cpu", "cuda", "mps"]
    """Where the network runs; `auto` takes CUDA, then MPS, then the CPU."""
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    """Arithmetic inside the backbone; `auto`: bfloat16 or float16 on CUDA, float32 elsewhere."""


class Model(Backbone):
    """Section `model`: the network."""

    model_config = ConfigDict(extra="forbid")

    freeze_first: int = Field(ge=1)
    """`first_n` only: how many blocks of the backbone are frozen, from the picture on. The stem is the first; then each
    stage is one (`resnet18` has 5 blocks, `efficientnet_b0` and `tf_efficientnet_lite0` 8, `densenet121` 6, of which
    the last is a norm)."""
    head: Literal["linear", "cosine", "concat_pool", "dense"]
    """What turns features into logits. `linear`: batch norm, weights and biases, which begin at the prior of the draws;
    `cosine`: batch norm, 30 times the cosine of the angle between features and each class's weights, without biases, so
    that no class wins by the length of its weights; `concat_pool`: batch norm, dropout, a hidden layer, batch norm,
    dropout, a layer as in `linear`; `dense`: batch norm, a hidden layer, dropout, a layer as in `linear`. Heads compute
    in float32, whatever `precision` is. Loss `ldam` needs `cosine`."""
    hidden: int = Field(ge=1)
    """`concat_pool` and `dense` only: units of the hidden layer, which end in a ReLU."""
    dropout: float = Field(ge=0, lt=1)
    """Share of what reaches the last layer that is dropped while training, in [0, 1); in front of the hidden layer of
    `concat_pool` half of it."""
    subclasses: dict[str, Annotated[int, Field(ge=2, le=100)]]
    """One class per image only: {class: k} splits a class into k visual types by clustering its training features; the
    network tells the types apart, and their probabilities are summed back. By `dvc exp run` it is set
    as `-S +model.subclasses.solar=3`."""


class Positive(Section):
    """The part of section `evaluate` that `decide` reads too: what matters, and how rare it may be."""

    model_config = ConfigDict(extra="ignore")

    positive: str | None
    """The class that matters; `null` takes the rarest."""
    at_prevalence: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(strict=False, max_length=8)
    """Shares of the class that matters, each in (0, 1), at which precision and average precision are stated too."""


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
    """How a class's weight follows from its number of draws. One class per image: `none`, `balanced`,
    `square_root`, `effective_number`, `one_minus_share`. Many labels: `none`, `negatives_over_positives`,
    `inverse_share`, which weight positive entries."""
    beta: float = Field(ge=0, lt=1)
    """`effective_number` only: how alike images of one class are, in [0, 1); 0 gives equal weights."""
    defer_frac: float = Field(ge=0, lt=1)
    """Share of the epochs, in [0, 1), that train without weights first. If above 0 it is at least one epoch, and at
    least one is left. The best epoch is looked for among the others."""


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
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            line = node.start_mark.line + 1
            raise InputError(f"{PATH}: key {key!r} stands twice in the mapping that begins in line {line}; remove one")
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
        raise InputError(f"{PATH}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{PATH}: expected sections such as `train:`, found {type(content).__name__}")
    return content


def load(root: Path) -> dict[str, Any]:
    """Read `params.yaml` of the repository at `root`.

    Raises:
        InputError: The file is missing or unreadable as YAML.
    """
    try:
        return parse((root / PATH).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{PATH}: not found in {root}; run from the top of the repository") from error
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
        lines = [_explain(section, dict(problem), where) for problem in error.errors()]
        raise InputError("\n".join(lines)) from error


def read(root: Path, params: type[S]) -> S:
    """Read what one stage needs: those top-level keys of `params.yaml` that `params` declares.

    Raises:
        InputError: A key is missing, unknown, of a wrong type or out of its range.
    """
    content = load(root)
    return validate(params, {key: content[key] for key in params.model_fields if key in content})


def suggest(value: object, expected: Iterable[str]) -> str:
    """Say what was expected, and which of it was probably meant.

    Example:
        >>> suggest("focl", ["cross_entropy", "focal"])
        "expected one of ['cross_entropy', 'focal']; did you mean 'focal'?"
    """
    names = list(expected)
    close = difflib.get_close_matches(str(value), names, n=1)
    return f"expected one of {names}" + (f"; did you mean {close[0]!r}?" if close else "")


_UNION_MEMBER = re.compile(r"(?:literal|dict|tuple|list)\[.*\]")
"""How pydantic names, inside a location, the member of a union that it tried."""


def _explain(section: type[Section], problem: Mapping[str, Any], where: str) -> str:
    location = [str(part) for part in problem["loc"] if not _UNION_MEMBER.fullmatch(str(part))]
    name = ".".join(part for part in [where, *location] if part)
    value = problem["input"]
    if problem["type"] == "extra_forbidden":
        return f"{PATH}: {name} is not a parameter; {suggest(location[-1], _fields(section, location[:-1]))}"
    if problem["type"] == "missing":
        return f"{PATH}: {name} is missing; `counterpoise params` says what it means"
    if problem["type"] == "literal_error":
        return f"{PATH}: {name} is {value!r}; {suggest(value, _literals(section, location))}"
    message = str(problem["msg"])
    return f"{PATH}: {name} is {value!r}; {message[0].lower()}{message[1:]}"


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


def _literals(section: type[Section], location: list[str]) -> list[str]:
    annotation = _annotation(section, location)
    members = [annotation, *get_args(annotation)]
    return [str(value) for member in members if get_origin(member) is Literal for value in get_args(member)]
