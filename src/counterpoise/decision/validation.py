"""What a decision takes from validation: its calibration, and the counts of what it decides there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels, tasks
from counterpoise.artifacts import positive as positive_file
from counterpoise.artifacts.decision import Decision
from counterpoise.artifacts.positive import Positive
from counterpoise.artifacts.predictions import Predictions
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import calibrators, links, prevalence, prior_ledger
from counterpoise.config import PATH, InputError
from counterpoise.decision import rules
from counterpoise.storage import ArtifactError

Counts = tuple[tuple[int, int, int, int], ...]


def calibrate(
    val: Predictions,
    prior: Prior,
    ledger: Sequence[prior_ledger.Line],
    *,
    calibrator: str,
    min_positives: int,
    positive: Positive,
) -> Decision:
    """Fit a calibrator on validation, with the correction from the prior that the model saw to validation's.

    Args:
        val: Predictions of validation.
        prior: What labels mean, and how many images have each before any balancing.
        ledger: Every line that applies to the model.
        calibrator: Its name; `auto` takes `temperature` where the prior that the model saw is known, else one that
            learns it from validation.
        min_positives: Labels with fewer positives, or negatives, share one calibration.
        positive: The class that matters.

    Returns:
        A decision without a rule, whose target is the prior of validation.

    Raises:
        InputError: The prior that the model saw is unknown and the calibrator has no bias.
        ArtifactError: The class that matters is none of the predictions' classes.
    """
    if positive.name not in val.classes:
        raise ArtifactError(
            f"{positive_file.PATH} names {positive.name!r}, but the predictions have classes {list(val.classes)}; run "
            "`dvc repro`"
        )
    link, truth = links.of_task(prior.task), labels.indicators(val.labels, val.classes)
    own = link.prior_of_counts(truth.sum(axis=0), len(truth))
    natural = link.prior_of_counts(prior.natural_counts, prior.natural_total)
    seen = prior_ledger.seen(natural, ledger, task=prior.task)
    members = calibrators.of_task(prior.task)
    if calibrator == "auto":
        calibrator = members.DEFAULT_WITH_BIAS if seen is None else "temperature"
    refuse_unknown(calibrator, ledger)
    offset = np.zeros(len(own))
    if seen is not None and calibrator not in calibrators.WITH_BIAS:
        offset = link.offset(seen, own)
    logits = val.logits.astype(np.float64)
    try:
        targets = tasks.find(prior.task).encode(val.labels, val.classes)
        fit = members.fit(calibrator, logits, targets, offset, min_positives=min_positives)
    except ValueError as error:
        raise InputError(f"{PATH}: {error}") from error
    raw = rules.raw(logits, prior.task)[1]
    return Decision(
        task=prior.task,
        classes=val.classes,
        positive=positive.name,
        positive_reason=positive.reason,
        calibrator=calibrator,
        pooled=tuple(np.array(val.classes)[fit.pooled].tolist()),
        scale=tuple(fit.scale.tolist()),
        bias=tuple(fit.bias.tolist()),
        ledger=tuple(ledger),
        natural=tuple(natural.tolist()),
        seen=None if seen is None else tuple(seen.tolist()),
        val=tuple(own.tolist()),
        target=tuple(own.tolist()),
        val_offset=tuple(offset.tolist()),
        target_offset=(0.0,) * len(own),
        rule="",
        gain=(),
        thresholds=(),
        at_least=0,
        val_images=tuple(truth.sum(axis=0).tolist()),
        val_total=len(truth),
        val_decided=(),
        val_raw=count(truth, raw),
        val_decided_effects=prevalence.INDEPENDENT,
        val_raw_effects=_effects(positive.name, val, truth, raw),
        prevalences=(),
        knots=fit.knots,
    )


def refuse_unknown(calibrator: str, ledger: Sequence[prior_ledger.Line]) -> None:
    """Refuse a calibrator that cannot undo what a remedy did.

    Raises:
        InputError: A line of the ledger is unknown and the calibrator has no bias to learn the prior with.
    """
    unknown = [line for line in ledger if line.factors is None]
    if unknown and calibrator not in calibrators.WITH_BIAS:
        pieces = ", ".join(f"{line.piece} = {line.remedy}" for line in unknown)
        raise InputError(
            f"{PATH}: decide.calibrator is {calibrator!r}, but the effect of {pieces} on the prior has no closed "
            f"form; set decide.calibrator to 'auto' or one of {list(calibrators.WITH_BIAS)}, which learn the prior "
            "from validation"
        )


def count(truth: NDArray[np.bool_], decided: NDArray[np.bool_]) -> Counts:
    """Count true positives, false positives, false negatives and true negatives of each class, both (n, c).

    Example:
        >>> count(np.array([[True], [True], [False]]), np.array([[True], [False], [False]]))
        ((1, 0, 1, 1),)
    """
    cells = [truth & decided, ~truth & decided, truth & ~decided, ~truth & ~decided]
    columns = np.stack([cell.sum(axis=0) for cell in cells], axis=1)
    return tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in columns)


def counted(decision: Decision, val: Predictions, truth: NDArray[np.bool_]) -> Decision:
    """Add the counts of what a decision decides on validation, whose true labels are `truth`, (n, c)."""
    decided = rules.decided(decision, rules.probabilities(decision, val.logits))
    effects = _effects(decision.positive, val, truth, decided)
    return replace(decision, val_decided=count(truth, decided), val_decided_effects=effects)


def _effects(name: str, val: Predictions, truth: NDArray[np.bool_], decided: NDArray[np.bool_]) -> tuple[float, float]:
    """Compute the design effects of the rates of one class."""
    index = val.classes.index(name)
    return prevalence.rate_effects(truth[:, index], decided[:, index], np.array(val.groups))
