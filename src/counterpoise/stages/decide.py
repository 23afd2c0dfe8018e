"""Choose how logits become probabilities and decisions, from validation alone.

With `target: estimated` unlabelled images of deployment say in which shares classes are met there, and nothing else.

Reads `results/predictions/val.parquet`, `models/model/`, `data/prior.json`, and the folder or file that
`decide.unlabelled` names. Writes `models/decision.json`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from counterpoise import labels
from counterpoise.artifacts import decision as decision_file
from counterpoise.artifacts import model, predictions, unlabelled
from counterpoise.artifacts import prior as prior_file
from counterpoise.artifacts.decision import Decision
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import prior_ledger
from counterpoise.config import PATH, InputError, Positive, Section
from counterpoise.decision import rules, target_prior, validation
from counterpoise.decision.links import Rule
from counterpoise.stages import run, warn
from counterpoise.storage import ArtifactError


class Decide(Section):
    """Section `decide`."""

    calibrator: Literal["auto", "none", "temperature", "vector", "platt", "isotonic"]
    """From logits to probabilities; `vector` needs one class per image. `auto` takes `temperature`
    where the ledger knows the prior that the model saw; where it does not, `vector` (one class per image) or `platt`
    (many labels), which learn the prior from validation."""
    target: Literal["natural", "estimated"] | dict[str, float]
    """Prior of deployment: `natural`, as in the labels before any balancing; a share for each class, where of many
    labels those that are not stated stay natural; or `estimated` from unlabelled predictions (`unlabelled`), which
    assumes that images of a class look there as they do here, and of many labels those without it, too. That is
    checked, as far as scores show it, and a failure stops the run."""
    unlabelled: str
    """Where `estimated` finds raw logits of images of deployment, as `counterpoise predict --logits` writes them: a
    parquet file, or a folder of such files. The path must exist, whatever the target."""
    rule: Literal["most_probable", "balanced", "least_cost", "f_beta", "precision_floor"]
    """What a decision should be good for: accuracy; balanced accuracy; the least cost; F_beta;
    a precision. The last two set a threshold for each label, or for the positive one of two classes."""
    costs: dict[str, dict[str, float]]
    """`least_cost` only. One class per image: {truth: {decision: cost}}; many labels: {label: {missed: cost,
    false_alarm: cost}}. What is not stated costs 1, a right decision 0."""
    beta: float = Field(gt=0, le=10)
    """`f_beta` only: how much more recall counts than precision, in (0, 10]."""
    floor: float = Field(gt=0, lt=1)
    """`precision_floor` only: the precision that validation must promise with confidence, in (0, 1)."""
    at_least: int = Field(ge=0)
    """Many labels only: images get at least so many labels, the most probable ones; 0 allows none."""
    min_positives: int = Field(ge=1)
    """Many labels only: labels with fewer positives (or negatives) in validation share one calibration."""
    search_positives: int = Field(ge=1)
    """`f_beta` only: from so many positives in validation on, the threshold is searched on their truths; with fewer it
    follows from the calibrated probabilities, which varies less."""


class Params(Section):
    """What this stage reads."""

    decide: Decide
    evaluate: Positive


def choose(
    val: predictions.Predictions,
    prior: Prior,
    ledger: tuple[prior_ledger.Line, ...],
    params: Decide,
    matters: Positive,
    scores: unlabelled.Unlabelled | None = None,
) -> Decision:
    """Choose on validation: calibrate, move to the target prior, add the rule, and count what it decides.

    Args:
        val: Predictions of validation.
        prior: What labels mean, and how many images bear each before any balancing.
        ledger: Every line that applies to the model.
        params: Section `decide`.
        matters: The class that matters, and other shares of it to decide for.
        scores: For target `estimated`, unlabelled predictions of the same model.

    Returns:
        The decision, with both steps of the prior correction.

    Raises:
        InputError: The prior that the model saw is unknown and the calibrator has no bias, a name is no class, the
            rule does not suit the classes, or the target cannot be estimated.
    """
    truth = labels.indicators(val.labels, val.classes)
    rule = Rule(
        name=params.rule,
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


def of_this_model(root: Path, where: str) -> unlabelled.Unlabelled:
    """Read unlabelled predictions.

    Raises:
        InputError: There are none, or another model made them; the command that makes them is named.
    """
    command = (
        "write them with `counterpoise predict --logits data/unlabelled/there.parquet IMAGES`, with images of the "
        "place where the model is deployed"
    )
    try:
        scores = unlabelled.read(root, where)
    except ArtifactError as error:
        raise InputError(f"{PATH}: decide.target is 'estimated', but {error}; {command}") from error
    if scores.fingerprint != predictions.fingerprint(root, "val"):
        raise InputError(
            f"{PATH}: decide.target is 'estimated', but another model made the logits of {where}, or asked in another "
            f"way (`tile`, `predict`); {command}"
        )
    return scores


def main(root: Path, params: Params) -> None:
    """Choose and write."""
    card, prior = model.read_card(root), prior_file.read(root)
    scores = of_this_model(root, params.decide.unlabelled) if params.decide.target == "estimated" else None
    decision = choose(predictions.read(root, "val"), prior, card.ledger, params.decide, params.evaluate, scores)
    decision_file.write(root, decision)
    if decision.pooled:
        warn(f"too few validation images for a calibration of their own, shared one taken: {list(decision.pooled)}")
    if never := rules.never_decided(decision):
        warn(f"{decision.rule} {params.decide.floor} is unattainable on validation, so never decided: {never}")
    print(f"calibrator {decision.calibrator}, rule {decision.rule}, class that matters {decision.positive}")
    print(f"prior seen {_shares(decision.seen)}, target {_shares(decision.target)}")
    if decision.estimated is not None:
        images, p_value = decision.estimated.images, decision.estimated.p_value
        print(f"target estimated from {images} unlabelled images; check of what that assumes: p = {p_value:.2g}")


def _shares(shares: tuple[float, ...] | None) -> str:
    if shares is None:
        return "unknown"
    return " : ".join(f"{share:.3f}" for share in shares[:6]) + (" ..." if len(shares) > 6 else "")


if __name__ == "__main__":
    run(main, Params)
