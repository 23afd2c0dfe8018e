"""What of `params.yaml` makes no sense together, though every single value is right; the reason, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from counterpoise import losses
from counterpoise.calibration import prior_ledger
from counterpoise.config import MANY_LABELS, ONE_CLASS, PATH, InputError
from counterpoise.conflicts import evening_out
from counterpoise.imbalance import class_weights, resampling
from counterpoise.networks import backbones, heads, pretrained
from counterpoise.training import objective

ONLY_FOR = (
    (
        "weighting",
        "scheme",
        ONE_CLASS,
        tuple(name for name in class_weights.SCHEMES if name != "none"),
        "weights whole examples",
    ),
    (
        "weighting",
        "scheme",
        MANY_LABELS,
        tuple(name for name in class_weights.LABEL_SCHEMES if name != "none"),
        "weights the positive entries of each label",
    ),
    ("oversample", "strategy", MANY_LABELS, resampling.OF_LABEL_SETS, "looks at sets of labels"),
    ("decide", "calibrator", ONE_CLASS, ("vector",), "has a bias for each of the classes that exclude each other"),
)
"""Section, key, the task that they are made for, values, and what they do."""


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what makes no sense together, with the reason.

    Args:
        content: A parameter file of which every single value is right.

    Yields:
        A line for each fault: what was found, why it makes no sense, what to do.
    """
    oversample, model, train, decide = (content[name] for name in ("oversample", "model", "train", "decide"))
    if oversample["views"] and oversample["strategy"] not in resampling.REPEATING:
        yield (
            f"{PATH}: oversample.views is {oversample['views']}, but strategy {oversample['strategy']!r} draws no tile "
            "twice, so that no view would ever be seen; set views to 0 or strategy to one of "
            f"{list(resampling.REPEATING)}"
        )
    if oversample["views"] and oversample["policy"] == "none":
        yield f"{PATH}: oversample.views is {oversample['views']}, but policy 'none' makes every view the tile itself"
    if train["augment"] != "none" and model["freeze"] == "backbone":
        yield (
            f"{PATH}: train.augment is {train['augment']!r}, but with model.freeze 'backbone' features are computed "
            "once; use oversample.views for augmented copies, or set model.freeze to 'none'"
        )
    if content["split"]["val_frac"] + content["split"]["test_frac"] >= 1:
        yield f"{PATH}: split.val_frac + split.test_frac leave nothing to train on; their sum must be below 1"
    if content["tile"]["overlap_px"] >= content["tile"]["size_px"]:
        yield f"{PATH}: tile.overlap_px must be below tile.size_px ({content['tile']['size_px']})"
    root = content["ingest"]["root"]
    if Path(root).is_absolute() or ".." in Path(root).parts:
        yield f"{PATH}: ingest.root is {root!r}; expected a folder, or a link, inside the repository"
    yield from _unlabelled(decide["unlabelled"])
    if root == "data/raw/demo" and content["demo"]["name"] == "none":
        yield f"{PATH}: demo.name is 'none', so that ingest.root {root!r} is empty; set it to the folder of your images"
    yield from _target(decide["target"], content["task"])
    if decide["rule"] == "least_cost" and not decide["costs"]:
        yield f"{PATH}: decide.rule is 'least_cost', but decide.costs states no cost"
    if decide["costs"] and decide["rule"] != "least_cost":
        yield f"{PATH}: decide.costs is given, but rule {decide['rule']!r} does not use it; set rule to 'least_cost'"
    yield from _for_the_network(content)
    yield from _for_the_task(content)
    yield from _for_the_loss(content)
    yield from _as_the_loss_is_built(content)
    yield from _for_the_parts(content)
    yield from _for_the_schedule(content)
    yield from _for_members_and_types(content)
    yield from evening_out.refused(content)


def _target(target: object, task: str) -> Iterator[str]:
    """Refuse stated shares that no classes could have; whether the classes exist `decide` alone knows."""
    if isinstance(target, Mapping) and (fault := prior_ledger.refuses(target, task=task)):
        yield f"{PATH}: decide.target {fault}"


def _for_the_network(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what timm does not have, or cannot do with this backbone, and heads without the features they read."""
    model, first_rate_frac = content["model"], content["train"]["first_rate_frac"]
    name, pool = model["backbone"], heads.POOL_OF_HEAD.get(model["head"])
    if pool is not None and model["pool"] != pool:
        yield (
            f"{PATH}: model.head is {model['head']!r}, which reads the mean and the maximum of each map, but "
            f"model.pool is {model['pool']!r}; set model.pool to {pool!r}, or model.head to 'dense'"
        )
    try:
        outline = backbones.outline(name, model["pool"], model["input_px"])
    except InputError as error:
        yield str(error)
        return
    refusal = pretrained.refuses(name, model["weights"])
    if refusal:
        yield refusal
    if model["freeze"] == "all_but_batchnorm" and not outline.has_batchnorm:
        yield (
            f"{PATH}: model.freeze is 'all_but_batchnorm', but {name!r} has no batch norm, so that nothing of it would "
            "be trained; take 'backbone', which computes features once, or another value"
        )
    if model["freeze"] == "first_n" and outline.blocks and model["freeze_first"] >= outline.blocks:
        yield (
            f"{PATH}: model.freeze_first is {model['freeze_first']}, but {name!r} has {outline.blocks} blocks, of "
            "which one at least must be left to train; lower it, or set model.freeze to 'backbone', which freezes all"
        )
    if first_rate_frac < 1 and model["freeze"] == "backbone":
        yield (
            f"{PATH}: train.first_rate_frac is {first_rate_frac}, but with model.freeze 'backbone' no block of it is "
            "trained; set it to 1.0, or model.freeze to another value"
        )
    for where, asks in (
        ("model.freeze is 'first_n'", model["freeze"] == "first_n"),
        (f"train.first_rate_frac is {first_rate_frac}", first_rate_frac < 1),
    ):
        if asks and not outline.blocks:
            yield f"{PATH}: {where}, but timm does not say into which blocks {name!r} is divided; take another value"


def _for_the_task(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what is made for the other task."""
    task = content["task"]
    for section, key, suits, values, does in ONLY_FOR:
        value = content[section][key]
        if task != suits and value in values:
            yield f"{PATH}: {section}.{key} {value!r} {does}, which task {task!r} has not; it is for task {suits!r}"
    refusal = losses.refuses_task(content["loss"], task)
    if refusal:
        yield refusal
    if task == MANY_LABELS and content["split"]["balance"]:
        yield f"{PATH}: split.balance needs exactly one class per image: of many labels, one cannot be evened out alone"
    if task == ONE_CLASS and content["decide"]["at_least"]:
        yield f"{PATH}: decide.at_least is for task 'multilabel'; with one class per image each gets exactly one"


def _unlabelled(where: str) -> Iterator[str]:
    """Refuse a place outside, and one that the pipeline fills: predictions of test would decide how test is decided."""
    parts = Path(where).parts
    if Path(where).is_absolute() or ".." in parts or not parts:
        yield f"{PATH}: decide.unlabelled is {where!r}; expected a file or folder inside the repository"
    elif parts[0] in ("results", "models", "reports"):
        yield (
            f"{PATH}: decide.unlabelled is {where!r}, which stages of the pipeline make; nothing that is chosen may "
            "depend on predictions of test. Name a file of `counterpoise predict --logits`, such as "
            "data/unlabelled/there.parquet"
        )


def _as_the_loss_is_built(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what the loss itself refuses when it is built."""
    loss, task = content["loss"], content["task"]
    block = content["losses"][loss]
    if task in losses.module(loss).TASKS:
        try:
            losses.build(loss, task=task, class_counts=(1, 1), example_count=2, params=block)
        except InputError as error:
            yield str(error)


def _for_the_loss(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse heads and first epochs that do not go together with the loss."""
    loss, train = content["loss"], content["train"]
    if refusal := losses.refuses_head(loss, content["model"]["head"]):
        yield refusal
    if train["pretrain_frac"] and not losses.ranks(loss):
        yield (
            f"{PATH}: train.pretrain_frac is {train['pretrain_frac']}, but loss {loss!r} needs no epochs of plain "
            f"cross-entropy before it; set it to 0, or loss to one of {list(filter(losses.ranks, losses.names()))}"
        )
    elif train["pretrain_frac"] and train["epochs"] == 1:
        yield f"{PATH}: train.pretrain_frac is {train['pretrain_frac']}, which leaves no epoch of 1 for loss {loss!r}"


def _for_the_parts(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse batches in parts where there is nothing to cut, or where parts would mean something else."""
    loss, train = content["loss"], content["train"]
    accumulate, batch_size = train["accumulate"], train["batch_size"]
    if accumulate > 1 and losses.ranks(loss):
        yield (
            f"{PATH}: train.accumulate is {accumulate}, but loss {loss!r} looks at pairs of examples or at ranks "
            "within a batch, and there would be none across its parts; set it to 1"
        )
    elif accumulate > 1 and 2 * accumulate > batch_size:
        yield (
            f"{PATH}: train.accumulate is {accumulate}, which leaves parts of fewer than two examples of "
            f"train.batch_size {batch_size}; lower it to at most {max(1, batch_size // 2)}"
        )


def _for_the_schedule(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what begins later but has nothing to begin with, or has nothing to work on."""
    loss, train = content["loss"], content["train"]
    for section, key in (("weighting", "scheme"), ("oversample", "strategy")):
        frac, value = content[section]["defer_frac"], content[section][key]
        if frac and value == "none":
            yield f"{PATH}: {section}.defer_frac is {frac}, but with {section}.{key} 'none' nothing is deferred"
        elif frac and train["epochs"] == 1:
            yield f"{PATH}: {section}.defer_frac is {frac}, which leaves no epoch of 1 for {section}.{key} {value!r}"
    for key, usual in (("sampler", "as_drawn"), ("mix", "none")):
        if train[key] != usual and losses.ranks(loss):
            yield (
                f"{PATH}: train.{key} is {train[key]!r}, but loss {loss!r} looks at pairs of examples or at ranks, "
                f"which need stratified batches of unmixed ones; set it to {usual!r}"
            )
    if train["mix"] == "cutmix" and content["model"]["freeze"] == "backbone":
        yield (
            f"{PATH}: train.mix is 'cutmix', which pastes parts of images, but with model.freeze 'backbone' the head "
            "sees features alone; take 'mixup', or set model.freeze to 'none'"
        )
    if train["sampler"] == "progressive" and train["epochs"] == 1:
        yield f"{PATH}: train.sampler is 'progressive', which leaves no epoch of 1 for even shares; raise train.epochs"
    if train["mix"] != "none" and train["batch_size"] == 1:
        yield f"{PATH}: train.mix is {train['mix']!r}, but train.batch_size 1 leaves nothing to mix with"
    if train["classifier"] == "retrained" and content["model"]["freeze"] == "backbone":
        yield (
            f"{PATH}: train.classifier is 'retrained', but with model.freeze 'backbone' nothing else is trained in the "
            "first place; take oversample.strategy 'over', which draws classes evenly from the beginning"
        )


def _for_members_and_types(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse an average of nothing, and types of classes where something else counts on the classes themselves."""
    train, predict, split = content["train"], content["predict"], content["model"]["subclasses"]
    if predict["average"] == "probabilities" and train["members"] == 1 and predict["tta"] == "none":
        yield (
            f"{PATH}: predict.average is 'probabilities', but with train.members 1 and predict.tta 'none' there is "
            "nothing to average; set one of these, or average to 'logits'"
        )
    if not split:
        return
    loss, given = content["loss"], f"{PATH}: model.subclasses is {split}, but"
    if content["task"] == MANY_LABELS:
        yield (
            f"{given} with task 'multilabel' the probabilities of two labels do not add up, since an image may bear "
            "both; set it to {}"
        )
        return
    if ONE_CLASS in losses.module(loss).TASKS:
        block = content["losses"][loss]
        built = losses.build(loss, task=ONE_CLASS, class_counts=(1, 1), example_count=2, params=block)
        if refusal := objective.refuses_types(loss, built):
            yield refusal
    if content["model"]["weights"] == "none":
        yield (
            f"{given} with model.weights 'none' there are no features to tell the types apart by; set it to {{}}, or "
            "begin with other weights"
        )
    if train["sampler"] == "progressive":
        yield f"{given} train.sampler 'progressive' would even out types in place of classes; set one of the two back"
    if train["classifier"] != "as_trained":
        yield (
            f"{given} train.classifier {train['classifier']!r} makes the last layer anew class by class; set one of "
            "the two back"
        )
