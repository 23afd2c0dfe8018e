"""Choose on validation how logits become probabilities and decisions.

With `target: estimated`, unlabelled images from deployment are used only to estimate the class shares there.

Reads `results/predictions/val.parquet`, `results/detections/val/`, `models/model/`, `data/prior.json`,
`data/positive.json`, and the folder or file that `decide.unlabelled` names. Writes `models/decision.json` and
`models/decide.sums`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterpoise import labels, tasks
from counterpoise.artifacts import decision as decision_file
from counterpoise.artifacts import detections, model, predictions, unlabelled
from counterpoise.artifacts import positive as positive_file
from counterpoise.artifacts import prior as prior_file
from counterpoise.artifacts.decision import Boxes, Decision
from counterpoise.artifacts.positive import Positive
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import prior_ledger
from counterpoise.config import PATH, InputError, Name, Prevalences, Section, suggest
from counterpoise.decision import boxes, rules, target_prior, validation
from counterpoise.decision.class_names import ClassNames
from counterpoise.decision.links import Rule
from counterpoise.stages import run, warn
from counterpoise.storage import ArtifactError


class Decide(ClassNames):
    """Section `decide`."""

    model_config = Section.model_config

    calibrator: Literal["auto", "none", "temperature", "vector", "platt", "isotonic"]
    """How logits become probabilities. `none`: no calibration; `temperature`: one factor; `vector` (multiclass only),
    `platt` and `isotonic` also have a bias, which learns the prior from validation. `auto` takes `temperature` if the
    ledger knows the prior that the model saw, otherwise `vector` (multiclass) or `platt` (multilabel)."""
    unlabelled: str
    """For `estimated`: raw logits of images from deployment, as `counterpoise predict --logits` writes them; a parquet
    file, or a folder of such files. The path must exist for every target."""
    rule: Literal["most_probable", "balanced", "least_cost", "f_beta", "precision_floor", "false_alarms"]
    """How probabilities become decisions. `most_probable`: maximises accuracy; `balanced`: maximises balanced accuracy;
    `least_cost`: minimises the costs; `f_beta`: maximises F-beta; `precision_floor`: maximises recall at a given
    precision; `false_alarms` (detection only): maximises recall with at most so many false alarms. The last three set a
    threshold for each label, or for the positive one of two classes. With detection `balanced` and `least_cost` are
    refused, as there is no number of boxes that are rightly left out."""
    beta: float = Field(gt=0, le=10)
    """`f_beta` only: how much more recall counts than precision, in (0, 10]."""
    floor: float = Field(gt=0, lt=1)
    """`precision_floor` only: the precision that validation must support with 95 % confidence, in (0, 1). Groups count,
    not images: a floor of 0.8 needs at least 14 groups of the class, all right."""
    false_alarms: float = Field(ge=0, le=1000)
    """`false_alarms` only: how many boxes of a class may be wrong in an image of validation on average, in 0..1000."""
    at_least: int = Field(ge=0, le=1000)
    """Multilabel only: minimum number of labels per image, in 0..1000; the most probable labels are added. 0 allows
    none."""
    min_positives: int = Field(ge=1, le=1_000_000)
    """Multilabel only: labels with fewer positives (or negatives) in validation share one calibration; at least 1, at
    most 1,000,000 (as if always)."""
    search_positives: int = Field(ge=1, le=1_000_000)
    """`f_beta` only: with at least this many positives in validation, the threshold is searched on the true labels.
    With fewer, it is computed from the calibrated probabilities, which varies less. At least 1, at most 1,000,000 (as
    if never)."""
    density: dict[Name, Annotated[float, Field(gt=0, le=1e6)]]
    """Detection only: {class: boxes per image} in deployment, above 0, at most 1e6; classes without one have that of
    validation. Recall and false alarms per image are taken to stay, so that boxes of a rarer class are more often
    wrong. {} states none."""


@dataclass(frozen=True)
class Matters:
    """What a decision is about besides its rule.

    Attributes:
        positive: The class that matters, and why.
        at_prevalence: Other shares of it to decide for, each in (0, 1).
    """

    positive: Positive
    at_prevalence: tuple[float, ...]


class Params(Section):
    """What this stage reads."""

    decide: Decide
    evaluate: Prevalences


def choose(
    val: predictions.Predictions,
    prior: Prior,
    ledger: tuple[prior_ledger.Line, ...],
    params: Decide,
    matters: Matters,
    scores: unlabelled.Unlabelled | None = None,
) -> Decision:
    """Choose on validation: calibrate, correct to the target prior, add the decision rule, and count its decisions.

    Args:
        val: Predictions on validation.
        prior: The task, and the number of images of each class before any balancing.
        ledger: All lines of the model's prior ledger.
        params: Section `decide`.
        matters: The class that matters, and other prevalences of it to decide for.
        scores: For target `estimated`, predictions of the same model for unlabelled images.

    Returns:
        The decision, with both steps of the prior correction.

    Raises:
        InputError: The prior that the model saw is unknown and the calibrator has no bias, a name is not a class, the
            rule does not support the classes, or the target cannot be estimated.
    """
    truth = labels.indicators(val.labels, val.classes)
    rule = Rule(
        name="most_probable" if params.rule in boxes.OF_BOXES_ALONE else params.rule,
        costs=params.costs,
        beta=params.beta,
        floor=params.floor,
        search_positives=params.search_positives,
        at_least=params.at_least,
    )
    calibrated = validation.calibrate(
        val,
        prior,
        ledger,
        calibrator=params.calibrator,
        min_positives=params.min_positives,
        positive=matters.positive,
    )
    at_target = target_prior.move(calibrated, val, truth, params.target, scores)
    ruled = rules.with_rule(at_target, val, truth, rule)
    others = tuple(rules.at_prevalence(at_target, share, val, truth, rule) for share in matters.at_prevalence)
    return validation.counted(replace(ruled, prevalences=others), val, truth)


def choose_boxes(val: predictions.Predictions, found: detections.Tables, params: Decide) -> Boxes:
    """Choose on validation which boxes are decided for.

    Raises:
        InputError: The calibrator or the rule does not suit boxes, or a density is stated for what is no class or has
            no object in validation.
    """
    there = detections.arrays(found, "val", val.image_ids, val.classes)
    matched = boxes.candidates(*there, np.array(val.groups), len(val.classes))
    rule = boxes.Rule(params.rule, params.beta, params.floor, params.search_positives, params.false_alarms)
    density = densities(params.density, val.classes, matched)
    try:
        return boxes.choose(matched, params.calibrator, rule, min_positives=params.min_positives, density=density)
    except ValueError as error:
        raise InputError(f"{PATH}: {error}") from error


def densities(
    stated: Mapping[str, float], classes: tuple[str, ...], val: boxes.Candidates
) -> NDArray[np.float64] | None:
    """Read the stated numbers of boxes per image; other classes have that of validation.

    Args:
        stated: Class name -> boxes per image, above 0.
        classes: The c class names.
        val: What was found in validation.

    Returns:
        (c,); `None` if none is stated.

    Raises:
        InputError: A name is no class, or a class has no object in validation.
    """
    if not stated:
        return None
    found = val.objects / val.images
    for name, value in stated.items():
        if name not in classes:
            raise InputError(f"{PATH}: decide.density names {name!r}, which is no class; {suggest(name, classes)}")
        if not val.objects[classes.index(name)]:
            raise InputError(
                f"{PATH}: decide.density states {value:g} boxes of {name!r} per image, but validation has none, "
                "so their recall is unknown; remove the line, or label more images"
            )
        found[classes.index(name)] = value
    return found


def of_this_model(root: Path, where: str) -> unlabelled.Unlabelled:
    """Read unlabelled predictions.

    Raises:
        InputError: There are none, or they are from another model. The message has the command that writes them.
    """
    command = (
        "write them with `counterpoise predict --logits data/unlabelled/there.parquet IMAGES`, for images from the "
        "place of deployment"
    )
    try:
        scores = unlabelled.read(root, where)
    except ArtifactError as error:
        raise InputError(f"{PATH}: decide.target is 'estimated', but {error}; {command}") from error
    if scores.fingerprint != predictions.fingerprint(root, "val"):
        raise InputError(
            f"{PATH}: decide.target is 'estimated', but the logits in {where} are from another model, or from other "
            f"settings of `tile` or `predict`; {command}"
        )
    return scores


def main(root: Path, params: Params) -> None:
    """Choose and write the decision, and print a summary."""
    card, prior = model.read_card(root), prior_file.read(root)
    scores = of_this_model(root, params.decide.unlabelled) if params.decide.target == "estimated" else None
    matters = Matters(positive_file.read(root), params.evaluate.at_prevalence)
    val = predictions.read(root, "val")
    decision = choose(val, prior, card.ledger, params.decide, matters, scores)
    if tasks.find(prior.task).HAS_BOXES:
        decision = replace(decision, boxes=choose_boxes(val, detections.read(root, "val"), params.decide))
    decision_file.write(root, decision)
    if decision.boxes is not None:
        for line in boxes_warnings(decision.boxes, decision.classes):
            warn(line)
    if decision.pooled:
        warn(f"too few validation images for a separate calibration; these labels share one: {list(decision.pooled)}")
    if never := rules.never_decided(decision):
        warn(
            f"no threshold reaches decide.floor {params.decide.floor} on validation with confidence, so these classes "
            f"are never decided: {never}; lower decide.floor, or label more images"
        )
    print(f"calibrator: {decision.calibrator}; decision rule: {decision.rule}; class that matters: {decision.positive}")
    print(f"class shares that the model saw: {_shares(decision.seen)}; target: {_shares(decision.target)}")
    if decision.estimated is not None:
        images, p_value = decision.estimated.images, decision.estimated.p_value
        print(f"target estimated from {images} unlabelled images; check of the assumption: p = {p_value:.2g}")
        print(decision.estimated.unnoticed)


def boxes_warnings(of: Boxes, classes: tuple[str, ...]) -> list[str]:
    """Say which classes have too few boxes in validation, and which are never decided for."""
    pooled = [name for name, shared in zip(classes, of.pooled, strict=True) if shared]
    never = [name for name, limit in zip(classes, of.thresholds, strict=True) if limit is None]
    return [
        *(
            [f"too few boxes in validation for a separate calibration; these classes share one: {pooled}"]
            * bool(pooled)
        ),
        *(
            [f"no threshold on boxes satisfies decide.rule {of.rule!r} on validation for {never}: never decided for"]
            * bool(never)
        ),
    ]


def _shares(shares: tuple[float, ...] | None) -> str:
    if shares is None:
        return "unknown"
    return " : ".join(f"{share:.3f}" for share in shares[:6]) + (" ..." if len(shares) > 6 else "")


if __name__ == "__main__":
    run(main, Params)
