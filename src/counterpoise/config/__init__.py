"""Reading `params.yaml`: the base of every set of parameters, the shared sections, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from counterpoise.config import faults, yaml12
from counterpoise.config.faults import KINDS
from counterpoise.config.faults import MOST_FAULTS as MOST_FAULTS
from counterpoise.config.faults import PATH as PATH
from counterpoise.config.faults import shorten as shorten
from counterpoise.config.faults import suggest as suggest
from counterpoise.config.faults import written as written

ONE_CLASS, MANY_LABELS = "multiclass", "multilabel"
"""What `task` may be: exactly one class per image, or any number of labels."""


class InputError(ValueError):
    """A mistake in the parameters or the data that the user can fix; shown as a message without a traceback."""


class Section(BaseModel):
    """Base of every set of parameters: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


T = TypeVar("T")
Name = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) in (int, float) else value)]
"""A name of a class or a column; a number is taken for the text that it is in a table, `1` for '1'."""
_as_list = BeforeValidator(lambda value: [value] if type(value) in (str, int, float) and value != "" else value)
Listed = Annotated[tuple[T, ...], _as_list, Field(strict=False)]
"""A list; brackets around a single entry may be left out."""


class Views(Section):
    """The part of section `oversample` that `embed` reads too: which augmented views of a tile exist."""

    model_config = ConfigDict(extra="ignore")

    views: int = Field(ge=0, le=100)
    """Number of augmented views of each tile, beside the unchanged tile, in 0..100. A tile that is sampled r times
    shows r different views in turn. With 0, all samples of a tile are exact copies."""
    policy: str
    """Name of the augmentation policy that makes the views."""


class CopyPaste(Section):
    """Block `oversample.copy_paste`: rare objects of train pasted onto views of its tiles, for tasks with boxes."""

    frac: float = Field(ge=0, le=1)
    """Share of the views that get objects, in [0, 1]; 0 pastes none. Unchanged tiles get none."""
    objects: int = Field(ge=1, le=50)
    """Largest number of objects pasted onto one view, in 1..50; each number from 1 is equally likely."""
    margin_px: int = Field(ge=0, le=64)
    """Pixels around an object that come along and fade out, in 0..64."""
    classes: Listed[Name]
    """Classes whose objects are pasted, each equally often, such as [panel]."""


class Drawn(Views):
    """The part of section `oversample` that `train` reads: views, what is pasted onto them, and when it begins."""

    defer_frac: float = Field(ge=0, lt=1)
    """Share of the epochs, in [0, 1), that train without oversampling first: each training tile once, unchanged. Above
    0, this is at least one epoch, and at least one epoch with oversampling remains. The best epoch is chosen among the
    later ones. Needs `train.solver: adamw`."""
    synthetic: Literal["none", "smote", "borderline_smote"]
    """What replaces the repeated samples of a tile, for multiclass with a frozen backbone. `none`: nothing; `smote`:
    points between the features of two neighbours of the same class; `borderline_smote`: the same, only near other
    classes."""
    copy_paste: CopyPaste


class Visible(Section):
    """The part of section `tile` that `train` reads too: how much of a box must be seen."""

    model_config = ConfigDict(extra="ignore")

    min_visible: float = Field(gt=0, le=1)
    """A box of which less than this share of its area lies in a tile is ignored there: it is neither an object nor
    background; in (0, 1]."""


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


class InputSize(Section):
    """The part of section `model` that `oversample` reads too: how large the network sees a tile."""

    model_config = ConfigDict(extra="ignore")

    input_px: int = Field(ge=32, le=2048)
    """Side of the square input of the network, in pixels, in 32..2048. Every tile is resized to it."""


class Backbone(InputSize):
    """The part of section `model` on which features depend."""

    backbone: str
    """Name of a timm model, such as `tf_efficientnet_lite0`."""
    weights: str
    """Initial weights of the backbone. `bundled`: ImageNet weights from a pip package; `imagenet`: the weights that
    timm prefers, downloaded; `none`: random numbers; or the name of a `.safetensors` or `.pth` file in
    `models/pretrained/`."""
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


class Subclasses(Section):
    """The part of section `model` that `split` reads too: names of classes that must exist."""

    model_config = ConfigDict(extra="ignore")

    subclasses: dict[Name, Annotated[int, Field(ge=2, le=100)]]
    """Multiclass only. {class: k}, with k in 2..100, splits a class into k visual subtypes, by clustering its training
    features. The network is trained on subtypes; their probabilities are summed for the decision. With dvc: `dvc exp
    run -S +model.subclasses.solar=3`."""


class Model(Subclasses, Backbone):
    """Section `model`: the network."""

    model_config = ConfigDict(extra="forbid")

    freeze_first: int = Field(ge=1, le=1000)
    """`first_n` only: how many blocks of the backbone are frozen, counted from the input, in 1..1000. The stem is the
    first block; after it, each stage is one (`resnet18` has 5 blocks, `efficientnet_b0` and `tf_efficientnet_lite0` 8,
    `densenet121` 6, the last of which is a norm)."""
    head: Literal["linear", "cosine", "concat_pool", "dense"]
    """How features become logits. `linear`: batch norm, weights and biases; the biases start at the class prior of the
    samples. `cosine`: batch norm, then 30 times the cosine of the angle between the features and the weights of each
    class, without biases, so the length of its weights gives no class an advantage. `concat_pool`: batch norm, dropout,
    a hidden layer, batch norm, dropout, a last layer as in `linear`. `dense`: batch norm, a hidden layer, dropout, a
    last layer as in `linear`. Heads always compute in float32. Loss `ldam` needs `cosine`; `train.solver: lbfgs` is for
    `linear` alone."""
    hidden: int = Field(ge=1, le=65_536)
    """`concat_pool` and `dense` only: units of the hidden layer, in 1..65,536 (then its weights take 1 GB with 4,096
    features). Its activation is ReLU."""
    dropout: float = Field(ge=0, lt=1)
    """Dropout before the last layer, in [0, 1); half of it before the hidden layer of `concat_pool`. 0 for
    `train.solver: lbfgs`; 0.5 suits a stochastic head on frozen features."""


class Prevalences(Section):
    """The part of section `evaluate` that `decide` reads too: at which other prevalences figures are given."""

    model_config = ConfigDict(extra="ignore")

    at_prevalence: Listed[Annotated[float, Field(gt=0, lt=1)]] = Field(max_length=8)
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
    at least one epoch with weights remains. The best epoch is chosen among the later ones. Needs `train.solver:
    adamw`."""


Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""A random seed of 63 bits, as `seeds.derive` returns them and DVC can store them."""
BatchSize = Annotated[int, Field(ge=1, le=65_536)]
"""A number of examples that are computed at a time; with more, a batch of images of 224 pixels takes over 40 GB."""
Epochs = Annotated[int, Field(ge=1, le=100_000)]
"""A number of epochs; the curves keep a row for each, and the longest trainings of images known have some thousand."""
S = TypeVar("S", bound=Section)


def parse(text: str) -> dict[str, Any]:
    r"""Read the text of a parameter file.

    Args:
        text: YAML; numbers are read as YAML 1.2 reads them.

    Returns:
        The mapping at its top.

    Raises:
        InputError: The text is no YAML, more than is ever needed, or no mapping.

    Example:
        >>> parse("rate: 1e-3\nsource: no")
        {'rate': 0.001, 'source': 'no'}
    """
    try:
        content = yaml12.read(text)
    except yaml12.RefusedError as error:
        raise InputError(f"{PATH}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{PATH}: expected sections such as `train:`, found {KINDS.get(type(content), content)}")
    for key in content:
        if not isinstance(key, str):
            raise InputError(
                f"{PATH}: {written(key)} is not a section; expected a name such as `train`; remove the key"
            )
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
        problems = faults.without_untaken(error.errors(include_url=False))
        lines = [faults.explain(section, problem, where) for problem in problems[:MOST_FAULTS]]
        raise InputError("\n".join(shorten(list(dict.fromkeys(lines)), len(problems) - MOST_FAULTS))) from error


def read(root: Path, params: type[S]) -> S:
    """Read what one stage needs: those top-level keys of `params.yaml` that `params` declares.

    Raises:
        InputError: A key is missing, unknown, of a wrong type or out of its range.
    """
    content = load(root)
    return validate(params, {key: content[key] for key in params.model_fields if key in content})
