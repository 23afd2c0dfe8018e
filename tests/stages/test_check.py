import copy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from counterpoise import config, losses
from counterpoise.artifacts import params_ok
from counterpoise.config import InputError
from counterpoise.imbalance import resampling
from counterpoise.networks import backbones
from counterpoise.stages import check

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
    assert check.problems(changed(loss=loss, task=task, model__head=head)) == []


def test_rewriting_by_dvc_keeps_the_shipped_file_byte_for_byte(repository):
    from dvc.utils.serialize import modify_yaml  # type: ignore[import-untyped]

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
        "params.yaml: train is missing",
    ]


@pytest.mark.parametrize("value", [None, 3, "text", []])
def test_a_section_that_is_no_mapping_is_refused_with_its_keys(value):
    assert fault(tile=value) == (
        f"params.yaml: tile is {value!r}; expected a section with keys ['size_px', 'overlap_px']"
    )


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("train__epochs", 0, "train.epochs is 0; input should be greater than or equal to 1"),
        ("train__epochs", "40", "train.epochs is '40'; input should be a valid integer"),
        ("train__epochs", ..., "train.epochs is missing"),
        ("train__epoch", 3, "train.epoch is not a parameter"),
        ("split__duplicates__max_distance", 16, "split.duplicates.max_distance is 16"),
        ("ingest__rare__action", "drp", "ingest.rare.action is 'drp'; expected one of ['keep', 'drop', 'other']"),
        ("model__freeze", "bakbone", "did you mean 'backbone'?"),
        ("model__head", "cosin", "model.head is 'cosin'; expected one of ['linear', 'cosine', "),
        ("model__head", "cosin", "did you mean 'cosine'?"),
        ("model__pool", "max", "model.pool is 'max'; expected one of ['avg', 'avg_max', 'as_made']"),
        ("model__hidden", 0, "model.hidden is 0; input should be greater than or equal to 1"),
        ("model__freeze_first", 0, "model.freeze_first is 0; input should be greater than or equal to 1"),
        ("model__weights", "bundeld", "expected one of ['bundled', 'imagenet', 'none']; did you mean 'bundled'?"),
        ("model__weights", "a.onnx", "or name a .safetensors or .pth file in models/pretrained/"),
        ("model__weights", "models/pretrained/a.pth", "expected the name of a file, as seen from models/pretrained/"),
        ("model__weights", "../a.pth", "expected the name of a file, as seen from models/pretrained/"),
        ("model__backbone", "tf_eficientnet_lite0", "did you mean 'tf_efficientnet_lite0'"),
        ("train__first_rate_frac", 0.0, "train.first_rate_frac is 0.0; input should be greater than 0"),
        ("model__subclasses", {"solar": 1}, "model.subclasses.solar is 1; input should be greater than or equal to 2"),
        ("predict__tta", "flip", "predict.tta is 'flip'; expected one of ['none', 'flips', 'dihedral']; did you mean"),
        ("predict__average", "mean", "expected one of ['logits', 'probabilities']"),
        ("train__members", 0, "train.members is 0; input should be greater than or equal to 1"),
        ("train__fraction", 0.0, "train.fraction is 0.0; input should be greater than 0"),
        ("weighting__scheme", "balancd", "did you mean 'balanced'?"),
        ("task", "multiklass", "task is 'multiklass'; expected one of ['multiclass', 'multilabel']; did you mean"),
        ("evaluate__at_prevalence", [0.5, 1.0], "evaluate.at_prevalence.1 is 1.0; input should be less than 1"),
        ("decide__floor", 1, "decide.floor is 1"),
        ("train__pretrain_frac", 1.0, "train.pretrain_frac is 1.0; input should be less than 1"),
        ("losses__auc_pairwise__power", 4, "losses.auc_pairwise.power is 4"),
        ("seed", -1, "seed is -1; input should be greater than or equal to 0"),
        ("seed", 1.0, "seed is 1.0; input should be a valid integer"),
        ("loss", "focl", "loss is 'focl'; expected one of"),
        ("loss", "focl", "did you mean 'focal'?"),
        ("losses__focal__gamma", -1.0, "losses.focal.gamma is -1.0"),
        ("losses__focal__gama", 1.0, "losses.focal.gama is not a parameter; expected one of ['gamma', 'alpha']"),
        ("losses__focl", {}, "losses.focl is 'focl'; expected one of"),
        ("losses__focal", None, "losses.focal is None; input should be a valid dictionary"),
        ("ingest__source", "cvs", "ingest.source is 'cvs'; expected one of ['csv', 'folder']; did you mean 'csv'?"),
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


REPEATING = resampling.REPEATING[0]
COMBINATIONS = [
    (
        {"oversample__views": 2, "oversample__strategy": "none"},
        "oversample.views is 2, but strategy 'none' draws no tile twice",
        {"oversample__views": 2, "oversample__strategy": REPEATING, "oversample__policy": "standard"},
    ),
    (
        {"oversample__views": 2, "oversample__strategy": REPEATING, "oversample__policy": "none"},
        "policy 'none' makes every view the tile itself",
        {"oversample__views": 0, "oversample__strategy": REPEATING, "oversample__policy": "none"},
    ),
    (
        {"train__augment": "flips", "model__freeze": "backbone"},
        "use oversample.views for augmented copies, or set model.freeze to 'none'",
        {"train__augment": "flips", "model__freeze": "none"},
    ),
    (
        {"split__val_frac": 0.5, "split__test_frac": 0.5},
        "split.val_frac + split.test_frac leave nothing to train on; their sum must be below 1",
        {"split__val_frac": 0.5, "split__test_frac": 0.4},
    ),
    (
        {"tile__size_px": 64, "tile__overlap_px": 64},
        "tile.overlap_px must be below tile.size_px (64)",
        {"tile__size_px": 64, "tile__overlap_px": 63},
    ),
    ({"ingest__root": "/data"}, "inside the repository", {"ingest__root": "data/raw/roofs"}),
    ({"ingest__root": "data/../../x"}, "inside the repository", {"ingest__root": "data"}),
    (
        {"ingest__root": "data/raw/demo", "demo__name": "none"},
        "demo.name is 'none', so that ingest.root 'data/raw/demo' is empty",
        {"ingest__root": "data/raw/roofs", "demo__name": "none"},
    ),
    (
        {"ingest__merge": {"new": "ab"}},
        "ingest.merge.new is 'ab'; input should be a valid tuple",
        {"ingest__merge": {"new": ["a", "b"]}, "ingest__exclude": ["c"]},
    ),
    (
        {"decide__rule": "least_cost", "decide__costs": {}},
        "decide.costs states no cost",
        {"decide__rule": "least_cost", "decide__costs": {"a": {"b": 5.0}}},
    ),
    (
        {"decide__rule": "balanced", "decide__costs": {"a": {"b": 5.0}}},
        "rule 'balanced' does not use it; set rule to 'least_cost'",
        {"decide__rule": "balanced", "decide__costs": {}},
    ),
    (
        {"loss": "focal", "decide__calibrator": "temperature"},
        "what loss 'focal' does to the prior has no closed form; set it to 'auto' or one of ['vector', 'platt', "
        "'isotonic']",
        {"loss": "focal", "decide__calibrator": "vector"},
    ),
    (
        {"loss": "focal", "decide__calibrator": "none"},
        "decide.calibrator is 'none'",
        {"loss": "cross_entropy", "decide__calibrator": "none"},
    ),
    (
        {"weighting__scheme": "inverse_share"},
        "weighting.scheme 'inverse_share' weights the positive entries of each label, which task 'multiclass' has not",
        {"weighting__scheme": "inverse_share", "task": "multilabel"},
    ),
    (
        {"weighting__scheme": "balanced", "task": "multilabel"},
        "weighting.scheme 'balanced' weights whole examples, which task 'multilabel' has not",
        {"weighting__scheme": "balanced"},
    ),
    (
        {"oversample__strategy": "ml_ros"},
        "oversample.strategy 'ml_ros' looks at sets of labels",
        {"oversample__strategy": "ml_ros", "task": "multilabel"},
    ),
    (
        {"decide__unlabelled": "results/predictions/test.parquet"},
        "decide.unlabelled is 'results/predictions/test.parquet', which stages of the pipeline make",
        {"decide__unlabelled": "data/unlabelled/there.parquet"},
    ),
    (
        {"decide__unlabelled": "../there.parquet"},
        "decide.unlabelled is '../there.parquet'; expected a file or folder inside the repository",
        {"decide__unlabelled": "there.parquet", "decide__target": "estimated"},
    ),
    (
        {"decide__calibrator": "vector", "task": "multilabel"},
        "decide.calibrator 'vector' has a bias for each of the classes that exclude each other",
        {"decide__calibrator": "vector"},
    ),
    (
        {"oversample__strategy": "over", "task": "multilabel", "decide__calibrator": "temperature"},
        "what oversample.strategy 'over' does to the prior has no closed form",
        {"oversample__strategy": "over", "task": "multilabel", "decide__calibrator": "isotonic"},
    ),
    (
        {"split__balance": True, "task": "multilabel"},
        "split.balance needs exactly one class per image",
        {"split__balance": True},
    ),
    (
        {"loss": "auc_pairwise", "weighting__scheme": "balanced"},
        "weighting.scheme is 'balanced', but loss 'auc_pairwise' looks at pairs of examples or at ranks",
        {"loss": "auc_pairwise", "weighting__scheme": "none"},
    ),
    (
        {"loss": "auc_margin", "task": "multilabel", "weighting__scheme": "inverse_share"},
        "weighting.scheme is 'inverse_share', but loss 'auc_margin'",
        {"loss": "auc_margin", "task": "multilabel", "weighting__scheme": "none"},
    ),
    (
        {"loss": "average_precision", "decide__calibrator": "temperature"},
        "what loss 'average_precision' does to the prior has no closed form",
        {"loss": "average_precision", "decide__calibrator": "vector"},
    ),
    (
        {"train__pretrain_frac": 0.2},
        "train.pretrain_frac is 0.2, but loss 'cross_entropy' needs no epochs of plain cross-entropy before it",
        {"train__pretrain_frac": 0.2, "loss": "auc_pairwise"},
    ),
    (
        {"train__pretrain_frac": 0.2, "loss": "auc_pairwise", "train__epochs": 1},
        "train.pretrain_frac is 0.2, which leaves no epoch of 1 for loss 'auc_pairwise'",
        {"train__pretrain_frac": 0.2, "loss": "auc_pairwise", "train__epochs": 2},
    ),
    (
        {"train__accumulate": 2, "loss": "auc_pairwise"},
        "train.accumulate is 2, but loss 'auc_pairwise' looks at pairs of examples or at ranks within a batch",
        {"train__accumulate": 2},
    ),
    (
        {"train__accumulate": 5, "train__batch_size": 8},
        "train.accumulate is 5, which leaves parts of fewer than two examples of train.batch_size 8; lower it to at",
        {"train__accumulate": 4, "train__batch_size": 8},
    ),
    (
        {"weighting__defer_frac": 0.8},
        "weighting.defer_frac is 0.8, but with weighting.scheme 'none' nothing is deferred",
        {"weighting__defer_frac": 0.8, "weighting__scheme": "balanced"},
    ),
    (
        {"oversample__defer_frac": 0.8},
        "oversample.defer_frac is 0.8, but with oversample.strategy 'none' nothing is deferred",
        {"oversample__defer_frac": 0.8, "oversample__strategy": "over"},
    ),
    (
        {"weighting__defer_frac": 0.8, "weighting__scheme": "balanced", "train__epochs": 1},
        "weighting.defer_frac is 0.8, which leaves no epoch of 1 for weighting.scheme 'balanced'",
        {"weighting__defer_frac": 0.8, "weighting__scheme": "balanced", "train__epochs": 2},
    ),
    (
        {"weighting__defer_frac": 0.8, "weighting__scheme": "balanced", "decide__calibrator": "temperature"},
        "what weighting.defer_frac does to the prior has no closed form",
        {"weighting__scheme": "balanced", "decide__calibrator": "temperature"},
    ),
    (
        {"train__mix": "mixup", "loss": "auc_pairwise"},
        "train.mix is 'mixup', but loss 'auc_pairwise' looks at pairs of examples or at ranks",
        {"train__mix": "mixup"},
    ),
    (
        {"train__mix": "mixup", "decide__calibrator": "temperature"},
        "what train.mix 'mixup' does to the prior has no closed form",
        {"train__mix": "mixup", "decide__calibrator": "vector"},
    ),
    (
        {"train__mix": "cutmix"},
        "with model.freeze 'backbone' the head sees features alone; take 'mixup'",
        {"train__mix": "cutmix", "model__freeze": "none"},
    ),
    (
        {"predict__average": "probabilities"},
        "with train.members 1 and predict.tta 'none' there is nothing to average",
        {"predict__average": "probabilities", "train__members": 2},
    ),
    (
        {"model__subclasses": {"solar": 3}, "task": "multilabel"},
        "the probabilities of two labels do not add up",
        {"model__subclasses": {"solar": 3}},
    ),
    (
        {"model__subclasses": {"solar": 3}, "loss": "auc_margin"},
        "loss 'auc_margin' looks at pairs of examples or at ranks, of classes and not of their types",
        {"model__subclasses": {"solar": 3}, "loss": "balanced_softmax"},
    ),
    (
        {"model__subclasses": {"solar": 3}, "loss": "gradient_harmonized"},
        "loss 'gradient_harmonized' keeps a memory of the classes that it saw",
        {"model__subclasses": {"solar": 3}, "loss": "focal"},
    ),
    (
        {"model__subclasses": {"solar": 3}, "model__weights": "none"},
        "with model.weights 'none' there are no features to tell the types apart by",
        {"model__subclasses": {"solar": 3}},
    ),
    (
        {"model__subclasses": {"solar": 3}, "train__sampler": "progressive"},
        "train.sampler 'progressive' would even out types in place of classes",
        {"train__sampler": "progressive"},
    ),
    (
        {"model__subclasses": {"solar": 3}, "train__classifier": "tau_normalised"},
        "train.classifier 'tau_normalised' makes the last layer anew class by class",
        {"train__classifier": "tau_normalised"},
    ),
    (
        {"train__sampler": "progressive", "loss": "auc_margin"},
        "which need stratified batches of unmixed ones; set it to 'as_drawn'",
        {"train__sampler": "progressive"},
    ),
    (
        {"train__sampler": "progressive", "task": "multilabel"},
        "train.sampler 'progressive' evens out classes that exclude each other",
        {"train__sampler": "progressive"},
    ),
    (
        {"train__sampler": "progressive", "weighting__scheme": "balanced"},
        "train.sampler 'progressive' evens out the classes, and so does weighting.scheme 'balanced'",
        {"train__sampler": "progressive"},
    ),
    (
        {"train__sampler": "progressive", "oversample__strategy": "over"},
        "oversample.strategy 'over' has changed them; set one of the two back",
        {"train__sampler": "progressive", "oversample__strategy": "none"},
    ),
    (
        {"train__classifier": "retrained"},
        "with model.freeze 'backbone' nothing else is trained in the first place; take oversample.strategy 'over'",
        {"train__classifier": "retrained", "model__freeze": "none", "decide__calibrator": "temperature"},
    ),
    (
        {"train__classifier": "retrained", "model__freeze": "none", "weighting__scheme": "balanced"},
        "train.classifier 'retrained' evens out the classes, and so does weighting.scheme 'balanced'",
        {"train__classifier": "retrained", "model__freeze": "none"},
    ),
    *(
        ({"train__sampler": "progressive", "loss": loss}, f"and so does loss {loss!r}", {"loss": loss})
        for loss in ("balanced_softmax", "logit_adjustment", "vector_scaling", "seesaw")
    ),
    (
        {"oversample__strategy": "over", "weighting__scheme": "balanced"},
        "weighting.scheme 'balanced' goes by the draws of a class, which oversample.strategy 'over' makes the same",
        {"oversample__strategy": "square_root", "weighting__scheme": "balanced"},
    ),
    (
        {"oversample__strategy": "under", "loss": "balanced_softmax"},
        "loss 'balanced_softmax' goes by the draws of a class, which oversample.strategy 'under' makes the same",
        {"oversample__strategy": "under", "loss": "seesaw"},
    ),
    (
        {
            "train__sampler": "progressive",
            "train__classifier": "retrained",
            "model__freeze": "none",
            "loss": "balanced_softmax",
        },
        "train.sampler 'progressive' evens out the classes, and so does loss 'balanced_softmax'",
        {"train__classifier": "retrained", "model__freeze": "none", "loss": "balanced_softmax"},
    ),
    (
        {"train__classifier": "tau_normalised", "loss": "balanced_softmax"},
        "train.classifier 'tau_normalised' evens out the classes, and so does loss 'balanced_softmax'",
        {"train__classifier": "retrained", "loss": "balanced_softmax", "model__freeze": "none"},
    ),
    (
        {"train__classifier": "tau_normalised", "oversample__strategy": "over"},
        "but oversample.strategy 'over' evens out the draws; take one of the two",
        {"train__classifier": "tau_normalised"},
    ),
    (
        {"train__classifier": "tau_normalised", "train__sampler": "progressive"},
        "but train.sampler 'progressive' evens out the draws; take one of the two",
        {"train__sampler": "progressive"},
    ),
    (
        {"train__sampler": "progressive", "train__epochs": 1},
        "which leaves no epoch of 1 for even shares",
        {"train__sampler": "progressive", "train__epochs": 2},
    ),
    (
        {"train__mix": "mixup", "train__batch_size": 1},
        "train.batch_size 1 leaves nothing to mix with",
        {"train__mix": "mixup", "train__batch_size": 2},
    ),
    (
        {"train__sampler": "progressive", "decide__calibrator": "temperature"},
        "what train.sampler 'progressive' does to the prior has no closed form",
        {
            "train__sampler": "progressive",
            "train__classifier": "retrained",
            "model__freeze": "none",
            "decide__calibrator": "temperature",
        },
    ),
    (
        {"oversample__defer_frac": 0.5, "oversample__strategy": "over", "decide__calibrator": "temperature"},
        "what oversample.defer_frac does to the prior has no closed form",
        {
            "oversample__defer_frac": 0.5,
            "oversample__strategy": "over",
            "train__classifier": "retrained",
            "model__freeze": "none",
            "decide__calibrator": "temperature",
        },
    ),
    (
        {"train__mix": "mixup", "loss": "focal", "decide__calibrator": "temperature"},
        "what loss 'focal' and train.mix 'mixup' do to the prior has no closed form",
        {"train__mix": "mixup", "loss": "focal"},
    ),
    ({"decide__target": {"a": 2.0, "b": -1.0}}, "must be shares between 0 and 1", {"decide__target": "natural"}),
    ({"decide__target": {}}, "must be shares that sum to 1, found {}", {"decide__target": {"a": 0.9, "b": 0.1}}),
    (
        {"decide__target": {"a": 2.0}, "task": "multilabel"},
        "must be shares between 0 and 1",
        {"decide__target": {"a": 0.2}, "task": "multilabel"},
    ),
    (
        {"train__classifier": "tau_normalised", "decide__calibrator": "temperature"},
        "what train.classifier 'tau_normalised' does to the prior has no closed form",
        {"train__classifier": "tau_normalised", "decide__calibrator": "vector"},
    ),
    (
        {"train__classifier": "tau_normalised", "model__head": "cosine"},
        "with model.head 'cosine' all have the same length already",
        {"train__classifier": "tau_normalised", "model__head": "linear"},
    ),
    (
        {"loss": "distribution_balanced"},
        "loss 'distribution_balanced' is ",
        {"loss": "distribution_balanced", "task": "multilabel"},
    ),
    (
        {"loss": "focal", "losses__focal__alpha": 0.25},
        "losses.focal.alpha is 0.25, which weighs a label that is borne against one that is not",
        {"loss": "focal", "losses__focal__alpha": 0.25, "task": "multilabel"},
    ),
    (
        {"loss": "focal", "losses__focal__alpha": 0.75, "task": "multilabel", "weighting__scheme": "inverse_share"},
        "losses.focal.alpha is 0.75 and weighting.scheme is 'inverse_share', which both weigh the entries",
        {"loss": "focal", "losses__focal__alpha": None, "task": "multilabel", "weighting__scheme": "inverse_share"},
    ),
    (
        {"loss": "ldam", "model__head": "linear"},
        "model.head is 'linear', but the margins of loss 'ldam' mean nothing where the lengths of features and weights",
        {"loss": "ldam", "model__head": "cosine", "weighting__scheme": "balanced"},
    ),
    (
        {"loss": "logit_adjustment", "weighting__scheme": "balanced"},
        "weighting.scheme is 'balanced', but loss 'logit_adjustment' already moves the prior by class counts",
        {"loss": "logit_adjustment", "oversample__strategy": "square_root", "model__head": "cosine"},
    ),
    (
        {"loss": "balanced_softmax", "task": "multilabel"},
        "'multilabel': it shifts the logits of one softmax, in which classes exclude each other",
        {"loss": "balanced_softmax"},
    ),
    (
        {"loss": "seesaw", "decide__calibrator": "temperature"},
        "what loss 'seesaw' does to the prior has no closed form",
        {"loss": "logit_adjustment", "decide__calibrator": "temperature"},
    ),
    (
        {"model__backbone": "resnet18"},
        "model.weights is 'bundled', but no pip package brings weights of 'resnet18'",
        {"model__backbone": "resnet18", "model__weights": "imagenet"},
    ),
    (
        {"model__backbone": "efficientnet_b8", "model__weights": "imagenet"},
        "model.weights is 'imagenet', but timm has no weights of 'efficientnet_b8'",
        {"model__backbone": "efficientnet_b0", "model__weights": "imagenet"},
    ),
    (
        {"model__head": "concat_pool"},
        "model.head is 'concat_pool', which reads the mean and the maximum of each map, but model.pool is 'avg'",
        {"model__head": "concat_pool", "model__pool": "avg_max"},
    ),
    (
        {"model__backbone": "test_vit", "model__weights": "none", "model__pool": "avg_max"},
        "model.pool is 'avg_max', but timm's 'test_vit' cannot pool in this way",
        {"model__backbone": "test_vit", "model__weights": "none"},
    ),
    (
        {"model__backbone": "vit_tiny_patch16_224", "model__weights": "none", "model__input_px": 64},
        "model.backbone does not take pictures of model.input_px 64",
        {"model__backbone": "test_resnet", "model__weights": "none", "model__input_px": 64},
    ),
    (
        {"model__backbone": "test_vit", "model__weights": "none", "model__freeze": "all_but_batchnorm"},
        "model.freeze is 'all_but_batchnorm', but 'test_vit' has no batch norm",
        {"model__freeze": "all_but_batchnorm", "train__augment": "standard", "train__mix": "cutmix"},
    ),
    (
        {"model__freeze": "first_n", "model__freeze_first": 8},
        "model.freeze_first is 8, but 'tf_efficientnet_lite0' has 8 blocks, of which one at least",
        {"model__freeze": "first_n", "model__freeze_first": 7, "train__augment": "standard"},
    ),
    (
        {"train__first_rate_frac": 0.1},
        "train.first_rate_frac is 0.1, but with model.freeze 'backbone' no block of it is trained",
        {"train__first_rate_frac": 0.1, "model__freeze": "all_but_batchnorm", "train__classifier": "retrained"},
    ),
    (
        {"train__classifier": "retrained", "model__head": "dense"},
        "train.classifier is 'retrained', but with model.freeze 'backbone'",
        {"train__classifier": "tau_normalised", "model__head": "dense"},
    ),
    (
        {"decide__at_least": 2},
        "decide.at_least is for task 'multilabel'",
        {"decide__at_least": 2, "task": "multilabel"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), COMBINATIONS)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed):
    text = fault(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert check.problems(changed(**allowed)) == []


def test_every_fault_of_a_file_is_told_at_once():
    found = check.problems(changed(train__epochs=0, tile__overlap=1, split=3))
    assert [line.split(" is ")[0] for line in found] == [
        "params.yaml: split",
        "params.yaml: tile.overlap",
        "params.yaml: train.epochs",
    ]


def test_a_refusal_names_the_way_back_and_writes_nothing(repository):
    path = repository / config.PATH
    path.write_text(path.read_text().replace("\ntile:", "\ntiel:"))
    with pytest.raises(InputError) as caught:
        check.main(repository)
    assert "tiel is not a section" in str(caught.value)
    assert str(caught.value).endswith("or go back to the committed one with `git checkout -- params.yaml`.")
    assert list(repository.iterdir()) == [path]


def test_a_file_of_weights_that_is_not_there_is_refused_before_anything_runs(repository):
    path = repository / config.PATH
    path.write_text(path.read_text().replace("weights: bundled", "weights: mine.pth"))
    assert check.problems(config.load(repository)) == []
    with pytest.raises(InputError, match=r"models/pretrained/mine\.pth does not exist; put the file there"):
        check.main(repository)
    (repository / "models" / "pretrained").mkdir(parents=True)
    (repository / "models" / "pretrained" / "mine.pth").touch()
    check.main(repository)


def test_blocks_that_timm_does_not_tell_apart_can_be_neither_frozen_nor_slowed(monkeypatch):
    monkeypatch.setattr(backbones, "outline", lambda *_: backbones.Outline(width=8, blocks=0, has_batchnorm=True))
    unknown = "but timm does not say into which blocks"
    assert f"model.freeze is 'first_n', {unknown}" in fault(model__freeze="first_n")
    slowed = fault(model__freeze="none", train__first_rate_frac=0.1)
    assert f"train.first_rate_frac is 0.1, {unknown}" in slowed


def test_the_stage_ends_with_a_message_and_without_a_traceback(repository):
    path = repository / config.PATH
    path.write_text(path.read_text().replace("\nseed: 0\n", "\nseed: zero\n"))
    command = [sys.executable, "-m", "counterpoise.stages.check"]
    found = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "params.yaml: seed is 'zero'; input should be a valid integer" in found.stderr
    assert "Traceback" not in found.stderr
