"""The prior of deployment: natural, stated, or estimated from unlabelled predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Decision, Estimated
from counterpoise.artifacts.predictions import Predictions
from counterpoise.artifacts.unlabelled import Unlabelled
from counterpoise.calibration import label_shift
from counterpoise.calibration import links as calibration_links
from counterpoise.config import PATH, InputError, suggest
from counterpoise.decision import links, rules
from counterpoise.decision.links import ShiftProblem

Floats = NDArray[np.float64]
LEAST_IMAGES = 100
"""Minimum number of unlabelled images for an estimate."""
LEAST_VALIDATION = 10
"""Minimum number of validation images of each class, to know what the class looks like."""
LEAST_SEPARATION = 0.05
"""Minimum of `label_shift.separation`; with less, the model cannot distinguish some classes, nor their shares."""
LEVEL = 0.01
"""The check rejects below this."""
OR_OTHERS = ", or other labels that raise the same scores are more frequent there"
UNNOTICED = (
    "The check cannot notice every change: where images of a class look less typical than in validation, or where "
    "a change looks like other shares, the estimate is wrong, and its interval need not contain the truth. In "
    "simulations with 525 validation images, positives half as distinct made the estimate two thirds too small, and "
    "the check refused 1 %; a shift of all scores by 0.3 standard deviations made it four times too large, and the "
    "check let 25 % pass."
)
"""What an estimate states about itself; the figures are from `benchmarks/label_shift.py`."""
OF_LABELS_UNNOTICED = (
    " Of several labels, one whose scores another label raises is overestimated where the other is more frequent."
)
INSTEAD = "state the shares by hand in decide.target, or set it to 'natural'"


def move(
    decision: Decision,
    val: Predictions,
    truth: NDArray[np.bool_],
    target: str | Mapping[str, float],
    unlabelled: Unlabelled | None,
) -> Decision:
    """Move a calibrated decision from the prior of validation to that of deployment.

    Args:
        decision: Calibrated on validation.
        val: Predictions of validation.
        truth: (m, c) labels of its images.
        target: `natural`, `estimated`, or shares by class name.
        unlabelled: For `estimated`, raw logits of unlabelled images of deployment, of the same model.

    Raises:
        InputError: Stated shares do not belong to the classes, or the target cannot be estimated.
    """
    prior, rests_on = np.array(decision.natural), None
    if target == "estimated":
        if unlabelled is None:
            raise InputError(f"{PATH}: decide.target is 'estimated', but there are no unlabelled predictions")
        prior, rests_on = estimate(decision, val, truth, unlabelled)
    elif isinstance(target, Mapping):
        prior = stated(target, decision.classes, np.array(decision.natural), task=decision.task)
    offset = calibration_links.of_task(decision.task).offset(decision.val, prior)
    return replace(decision, target=tuple(prior.tolist()), target_offset=tuple(offset.tolist()), estimated=rests_on)


def stated(shares: Mapping[str, float], classes: Sequence[str], natural: Floats, *, task: str) -> Floats:
    """Read a prior that is stated by class name.

    Args:
        shares: Class name -> share.
        classes: The c class names.
        natural: (c,) their natural shares, which labels keep that are not stated.
        task: What the labels mean.

    Returns:
        (c,) shares.

    Raises:
        InputError: A class is missing or unknown, a share is out of range, or they do not sum to 1.
    """
    for name in shares:
        if name not in classes:
            raise InputError(f"{PATH}: decide.target names {name!r}, which is no class; {suggest(name, classes)}")
    link = calibration_links.of_task(task)
    try:
        return link.stated(shares, classes, natural)
    except ValueError as error:
        raise InputError(f"{PATH}: decide.target {error}") from error


def estimate(
    decision: Decision, val: Predictions, truth: NDArray[np.bool_], unlabelled: Unlabelled
) -> tuple[Floats, Estimated]:
    """Estimate the target prior, and check its assumption; for multilabel, label by label.

    Args:
        decision: Calibrated, whatever its target.
        val: Predictions of validation.
        truth: (m, c) labels of its images.
        unlabelled: Raw logits of unlabelled images of deployment, of the same model.

    Returns:
        (c,) prior, and what it rests on.

    Raises:
        InputError: There are too few unlabelled images, or validation images of a class; the model cannot distinguish
            classes; EM did not converge; or validation's classes, in whatever shares, do not explain the scores.
    """
    link = links.of_task(decision.task)
    _refuse_too_few(decision, unlabelled, link.few_images(truth, LEAST_VALIDATION), link.SIDES)
    here, there = (rules.probabilities(decision, logits, under="val") for logits in (val.logits, unlabelled.logits))
    problems = link.shift_problems(decision, there, here, truth)
    estimates = [_solve(problem, np.array(val.groups)) for problem in problems]
    p_value = min(1.0, len(estimates) * min(check.p_value for _, check in estimates))
    if p_value < LEVEL:
        worst = problems[int(np.argmin([check.p_value for _, check in estimates]))].label
        raise InputError(_unexplained(worst, p_value))
    rests_on = Estimated(
        images=len(unlabelled.logits),
        low=tuple(link.gathered([check.low for _, check in estimates]).tolist()),
        high=tuple(link.gathered([check.high for _, check in estimates]).tolist()),
        iterations=max(by_em.iterations for by_em, _ in estimates),
        separation=min(check.separation for _, check in estimates),
        p_value=p_value,
        unnoticed=UNNOTICED if problems[0].label is None else UNNOTICED + OF_LABELS_UNNOTICED,
    )
    return link.gathered([by_em.prior for by_em, _ in estimates]), rests_on


def _refuse_too_few(decision: Decision, unlabelled: Unlabelled, few: Sequence[int], sides: str) -> None:
    if unlabelled.classes != decision.classes:
        classes = list(unlabelled.classes)
        raise InputError(
            _refusal(f"the unlabelled logits have classes {classes}, the model has {list(decision.classes)}")
        )
    images = len(unlabelled.logits)
    if images < LEAST_IMAGES:
        raise InputError(_refusal(f"there are {images} unlabelled images; at least {LEAST_IMAGES} are needed"))
    if few:
        classes = [decision.classes[index] for index in few]
        raise InputError(_refusal(f"validation has fewer than {LEAST_VALIDATION} images {sides} {classes}"))


def _solve(problem: ShiftProblem, groups: NDArray[np.str_]) -> tuple[label_shift.Estimate, label_shift.Check]:
    """Estimate the shares of one problem, unless the model cannot distinguish its classes."""
    apart = label_shift.separation(problem.val, problem.targets, problem.prior)
    if apart < LEAST_SEPARATION:
        classes = "some classes" if problem.label is None else f"images with and without {problem.label!r}"
        raise InputError(
            _refusal(
                f"the model cannot distinguish {classes} well enough to estimate shares (separation {apart:.3f}, at "
                f"least {LEAST_SEPARATION} is needed)"
            )
        )
    by_em = label_shift.estimate(problem.unlabelled, problem.prior)
    if not by_em.converged:
        of_label = "" if problem.label is None else f" of {problem.label!r}"
        raise InputError(_refusal(f"EM{of_label} did not converge in {by_em.iterations} steps"))
    check = label_shift.check(problem.unlabelled, problem.val, problem.targets, groups, problem.prior, by_em.prior)
    return by_em, check


def _unexplained(label: str | None, p_value: float) -> str:
    of_label, others = ("", "") if label is None else (f" of {label!r}", OR_OTHERS)
    return _refusal(
        f"no class shares explain the scores{of_label} (p = {p_value:.2g}, below {LEVEL}), so an estimate would be "
        f"meaningless: images of the same class look different there than in validation{others}. Label some images "
        "from there"
    )


def _refusal(fault: str) -> str:
    return f"{PATH}: decide.target is 'estimated', but {fault}; {INSTEAD}"
