"""Choose how logits become probabilities and decisions, from validation alone.

With `target: estimated` unlabelled images of deployment say in which shares classes are met there, and nothing else.

Reads `results/predictions/val.parquet`, `models/model/`, `data/prior.json`, and the folder or file that
`decide.unlabelled` names. Writes `models/decision.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterpoise import labels
from counterpoise.artifacts import decision, model, predictions, prior, unlabelled
from counterpoise.calibration import calibrators, prevalence, prior_ledger
from counterpoise.config import PATH, InputError, Positive, Section, suggest
from counterpoise.decision import rules, target_prior, thresholds
from counterpoise.stages import run, warn
from counterpoise.storage import ArtifactError

Floats = NDArray[np.float64]


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
    opened: prior.Prior,
    ledger: tuple[prior_ledger.Line, ...],
    params: Decide,
    asked: Positive,
    found: unlabelled.Unlabelled | None = None,
) -> decision.Decision:
    """Choose on validation.

    Args:
        val: Predictions of validation.
        opened: What labels mean, and how many images bear each before any balancing.
        ledger: Every line that applies to the model.
        params: Section `decide`.
        asked: The class that matters, and other shares of it to decide for.
        found: For target `estimated`, unlabelled predictions of the same model.

    Returns:
        The decision, with both steps of the prior correction.

    Raises:
        InputError: The prior that the model saw is unknown and the calibrator has no bias, a name is no class, the
            rule does not suit the classes, or the target cannot be estimated.
    """
    many, classes = opened.task == "multilabel", val.classes
    truth = labels.indicators(val.labels, classes)
    val_images, total = truth.sum(axis=0), len(truth)
    natural = prior_ledger.from_counts(opened.natural_counts, opened.natural_total if many else None)
    its_own = prior_ledger.from_counts(val_images, total if many else None)
    seen = prior_ledger.seen(natural, ledger, task=opened.task)
    name = params.calibrator
    if name == "auto":
        name = "temperature" if seen is not None else "platt" if many else "vector"
    refuse_unknown(name, ledger)
    swallows = seen is None or name in calibrators.WITH_BIAS
    val_offset = np.zeros(len(classes)) if swallows else prior_ledger.offset(seen, its_own, task=opened.task)  # type: ignore[arg-type]
    logits = val.logits.astype(np.float64)
    try:
        if many:
            fit = calibrators.fit_labels(name, logits, truth, val_offset, min_positives=params.min_positives)
        else:
            fit = calibrators.fit(name, logits, labels.targets(val.labels, classes), val_offset)
    except ValueError as error:
        raise InputError(f"{PATH}: {error}") from error
    calibrated = decision.Decision(
        task=opened.task,
        classes=classes,
        positive=named_positive(asked.positive, opened),
        calibrator=name,
        pooled=tuple(np.array(classes)[fit.pooled].tolist()),
        scale=_floats(fit.scale),
        bias=_floats(fit.bias),
        ledger=ledger,
        natural=_floats(natural),
        seen=None if seen is None else _floats(seen),
        val=_floats(its_own),
        target=_floats(its_own),
        val_offset=_floats(val_offset),
        target_offset=_floats(np.zeros(len(classes))),
        rule=params.rule,
        gain=(),
        thresholds=(),
        at_least=params.at_least if many else 0,
        val_images=tuple(int(count) for count in val_images),
        val_total=total,
        val_decided=(),
        val_raw=count_decided(truth, rules.raw(logits, opened.task)[1]),
        prevalences=(),
        knots=fit.knots,
    )
    target, estimated = natural, None
    if params.target == "estimated":
        if found is None:
            raise InputError(f"{PATH}: decide.target is 'estimated', but there are no unlabelled predictions")
        target, estimated = target_prior.estimate(calibrated, val, truth, found)
    elif params.target != "natural":
        target = stated_prior(params.target, classes, natural if many else None)
    offset = prior_ledger.offset(its_own, target, task=opened.task)
    without_rule = replace(calibrated, target=_floats(target), target_offset=_floats(offset), estimated=estimated)
    ruled = with_rule(without_rule, val, truth, params)
    decided = rules.decided(ruled, rules.probabilities(ruled, val.logits))
    prevalences = tuple(at_prevalence(without_rule, share, val, truth, params) for share in asked.at_prevalence)
    return replace(ruled, val_decided=count_decided(truth, decided), prevalences=prevalences)


def at_prevalence(
    chosen: decision.Decision,
    share: float,
    val: predictions.Predictions,
    truth: NDArray[np.bool_],
    params: Decide,
) -> decision.Moved:
    """Decide anew for another share of the class that matters.

    Args:
        chosen: All but the rule.
        share: In (0, 1); the other classes keep their proportions.
        val: Predictions of validation.
        truth: (n, c) what its images bear.
        params: Section `decide`.
    """
    index = chosen.classes.index(chosen.positive)
    target = prevalence.moved(np.array(chosen.target), index, share, task=chosen.task)
    offset = prior_ledger.offset(chosen.val, target, task=chosen.task)
    ruled = with_rule(replace(chosen, target=_floats(target), target_offset=_floats(offset)), val, truth, params)
    return decision.Moved(share, ruled.target, ruled.target_offset, ruled.gain, ruled.thresholds)


def named_positive(positive: str | None, opened: prior.Prior) -> str:
    """Name the class that matters: the one asked for, else the rarest.

    Raises:
        InputError: What was asked for is no class.
    """
    if positive is None:
        rarest = min(range(len(opened.classes)), key=lambda index: (opened.natural_counts[index], -index))
        return opened.classes[rarest]
    if positive not in opened.classes:
        raise InputError(f"{PATH}: evaluate.positive is {positive!r}; {suggest(positive, opened.classes)}")
    return positive


def with_rule(
    chosen: decision.Decision, val: predictions.Predictions, truth: NDArray[np.bool_], params: Decide
) -> decision.Decision:
    """Add the gain or the thresholds of the rule.

    Args:
        chosen: All but the rule.
        val: Predictions of validation.
        truth: (n, c) what its images bear.
        params: Section `decide`.

    Raises:
        InputError: Costs name no class, or the rule needs two classes.
    """
    many, target = chosen.task == "multilabel", np.array(chosen.target)

    def from_validation(index: int) -> float | None:
        at_val = rules.probabilities(chosen, val.logits, under="val")[:, index]
        prior_of_val = chosen.val[index]
        if params.rule == "f_beta":
            search = bool(truth[:, index].sum() >= params.search_positives)
            positives = truth[:, index]
            return thresholds.for_f_beta(at_val, positives, prior_of_val, target[index], params.beta, search=search)
        groups = np.array(val.groups)
        return thresholds.for_precision_floor(
            at_val, truth[:, index], groups, prior_of_val, target[index], params.floor
        )

    try:
        if many:
            limits: list[float | None]
            if params.rule == "least_cost":
                limits = [*rules.cost_thresholds(params.costs, chosen.classes)]
            elif params.rule in rules.OF_VALIDATION:
                limits = [from_validation(index) for index in range(len(target))]
            else:
                limits = [0.5] * len(target) if params.rule == "most_probable" else [*_floats(target)]
            return replace(chosen, thresholds=tuple(limits))
        if params.rule in rules.OF_VALIDATION:
            if len(target) != 2:
                raise ValueError(
                    f"decide.rule {params.rule!r} sets a threshold on one class against the other, so that it needs "
                    f"two classes or many labels; there are {len(target)} classes"
                )
            positive = chosen.classes.index(chosen.positive)
            gain = rules.gain_of_threshold(from_validation(positive), positive)
        else:
            gain = rules.gain(params.rule, target, rules.cost_matrix(params.costs, chosen.classes))
    except ValueError as error:
        raise InputError(f"{PATH}: {error}") from error
    return replace(chosen, gain=tuple(_floats(row) for row in gain))


def count_decided(truth: NDArray[np.bool_], decided: NDArray[np.bool_]) -> tuple[tuple[int, int, int, int], ...]:
    """Count true positives, false positives, false negatives and true negatives of each class, both (n, c)."""
    cells = [truth & decided, ~truth & decided, truth & ~decided, ~truth & ~decided]
    columns = np.stack([cell.sum(axis=0) for cell in cells], axis=1)
    return tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in columns)


def never_decided(chosen: decision.Decision) -> list[str]:
    """Name the classes that no probability decides for, since validation cannot promise what the rule asks."""
    if chosen.task == "multilabel":
        return [name for name, limit in zip(chosen.classes, chosen.thresholds, strict=True) if limit is None]
    return [name for index, name in enumerate(chosen.classes) if not any(chosen.gain[index])]


def refuse_unknown(calibrator: str, ledger: tuple[prior_ledger.Line, ...]) -> None:
    """Refuse a calibrator that cannot undo what a remedy did.

    Raises:
        InputError: A line of the ledger is unknown and the calibrator has no bias to learn the prior with.
    """
    unknown = [line for line in ledger if line.factors is None]
    if unknown and calibrator not in calibrators.WITH_BIAS:
        pieces = ", ".join(f"{line.piece} = {line.remedy}" for line in unknown)
        raise InputError(
            f"{PATH}: decide.calibrator is {calibrator!r}, but what {pieces} does to the prior has no closed form; "
            f"set it to 'auto' or one of {list(calibrators.WITH_BIAS)}, which learn the prior from validation"
        )


def stated_prior(shares: Mapping[str, float], classes: tuple[str, ...], natural: Floats | None) -> Floats:
    """Read a prior that is stated by class name.

    Args:
        shares: Class name -> share.
        classes: The c class names.
        natural: Of many labels, the shares of those that are not stated; `None` where every class must be.

    Returns:
        (c,) shares.

    Raises:
        InputError: A class is missing or unknown, a share is out of range, or they do not sum to 1.
    """
    for name in shares:
        if name not in classes:
            raise InputError(f"{PATH}: decide.target names {name!r}, which is no class; {suggest(name, classes)}")
    for name in classes:
        if natural is None and name not in shares:
            raise InputError(
                f"{PATH}: decide.target states no share for class {name!r}; state one for each of {list(classes)}"
            )
    if fault := prior_ledger.refuses(shares, task="multiclass" if natural is None else "multilabel"):
        raise InputError(f"{PATH}: decide.target {fault}")
    if natural is not None:
        return np.array([shares.get(name, own) for name, own in zip(classes, natural, strict=True)])
    prior_ = np.array([shares[name] for name in classes], dtype=np.float64)
    normalised: Floats = prior_ / prior_.sum()
    return normalised


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


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
        found = unlabelled.read(root, where)
    except ArtifactError as error:
        raise InputError(f"{PATH}: decide.target is 'estimated', but {error}; {command}") from error
    if found.fingerprint != predictions.fingerprint(root, "val"):
        raise InputError(
            f"{PATH}: decide.target is 'estimated', but another model made the logits of {where}, or asked in another "
            f"way (`tile`, `predict`); {command}"
        )
    return found


def main(root: Path, params: Params) -> None:
    """Choose and write."""
    card, opened = model.read_card(root), prior.read(root)
    found = of_this_model(root, params.decide.unlabelled) if params.decide.target == "estimated" else None
    chosen = choose(predictions.read(root, "val"), opened, card.ledger, params.decide, params.evaluate, found)
    decision.write(root, chosen)
    if chosen.pooled:
        warn(f"too few validation images for a calibration of their own, shared one taken: {list(chosen.pooled)}")
    if never := never_decided(chosen):
        warn(f"{chosen.rule} {params.decide.floor} is unattainable on validation, so never decided: {never}")
    print(f"calibrator {chosen.calibrator}, rule {chosen.rule}, class that matters {chosen.positive}")
    print(f"prior seen {_shares(chosen.seen)}, target {_shares(chosen.target)}")
    if chosen.estimated is not None:
        images, p_value = chosen.estimated.images, chosen.estimated.p_value
        print(f"target estimated from {images} unlabelled images; check of what that assumes: p = {p_value:.2g}")


def _shares(prior_: tuple[float, ...] | None) -> str:
    if prior_ is None:
        return "unknown"
    return " : ".join(f"{share:.3f}" for share in prior_[:6]) + (" ..." if len(prior_) > 6 else "")


if __name__ == "__main__":
    run(main, Params)
