"""From probabilities to decisions, by the rule that a decision holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Decision, Moved
from counterpoise.artifacts.predictions import Predictions
from counterpoise.calibration import calibrators
from counterpoise.calibration import links as calibration_links
from counterpoise.config import PATH, InputError
from counterpoise.decision import links
from counterpoise.decision.links import Rule, Scored

Floats = NDArray[np.float64]


def probabilities(
    decision: Decision, logits: NDArray[np.floating], *, under: Literal["target", "val"] = "target"
) -> Floats:
    """Compute calibrated probabilities from raw logits, both (n, c).

    Args:
        decision: How.
        logits: Raw logits.
        under: The prior that they hold under: that of deployment, or validation's own.
    """
    offset = np.array(decision.val_offset) + (np.array(decision.target_offset) if under == "target" else 0.0)
    return calibrators.apply(
        logits.astype(np.float64),
        np.array(decision.scale),
        np.array(decision.bias),
        offset,
        task=decision.task,
        knots=decision.knots,
        one_vs_rest=decision.calibrator in calibrators.of_task(decision.task).ONE_VS_REST,
    )


def raw(logits: NDArray[np.floating], task: str) -> tuple[Floats, NDArray[np.bool_]]:
    """Use raw logits, (n, c), unchanged: neither calibrated, nor corrected for a prior, nor under a rule.

    Returns:
        Their softmax, and the most probable class, one in each row; for multilabel their sigmoid, and those from 0.5
        on. Both (n, c).
    """
    link = calibration_links.of_task(task)
    probs = link.probabilities(logits.astype(np.float64))
    return probs, link.most_probable(probs)


def most_probable(probs: Floats, task: str) -> NDArray[np.bool_]:
    """Decide for the most probable class, one in each row; for multilabel for those from 0.5 on. Both (n, c)."""
    return calibration_links.of_task(task).most_probable(probs)


def decided(decision: Decision, probs: Floats) -> NDArray[np.bool_]:
    """Decide by the rule of a decision.

    Args:
        decision: With its rule.
        probs: (n, c) as `probabilities` returns them.

    Returns:
        (n, c) booleans; of one class per image, one in each row.
    """
    return links.of_task(decision.task).decided(decision, probs)


def never_decided(decision: Decision) -> list[str]:
    """Name the classes that are never decided, since no threshold on validation reaches what the rule needs."""
    return links.of_task(decision.task).never_decided(decision)


def with_rule(decision: Decision, val: Predictions, truth: NDArray[np.bool_], rule: Rule) -> Decision:
    """Add the gain or the thresholds of a rule.

    Args:
        decision: All but the rule.
        val: Predictions of validation.
        truth: (n, c) the labels of its images.
        rule: What the decision should be good for.

    Raises:
        InputError: Costs name no class, or the rule needs two classes.
    """
    scored = Scored(probabilities(decision, val.logits, under="val"), truth, np.array(val.groups))
    try:
        return links.of_task(decision.task).with_rule(decision, rule, scored)
    except ValueError as error:
        raise InputError(f"{PATH}: {error}") from error


def at_prevalence(decision: Decision, share: float, val: Predictions, truth: NDArray[np.bool_], rule: Rule) -> Moved:
    """Decide again for another share of the class that matters.

    Args:
        decision: All but the rule.
        share: In (0, 1); the other classes keep their proportions.
        val: Predictions of validation.
        truth: (n, c) the labels of its images.
        rule: What the decision should be good for.
    """
    link = calibration_links.of_task(decision.task)
    target = link.moved(decision.target, decision.classes.index(decision.positive), share)
    offset = link.offset(decision.val, target)
    moved = replace(decision, target=tuple(target.tolist()), target_offset=tuple(offset.tolist()))
    ruled = with_rule(moved, val, truth, rule)
    return Moved(share, ruled.target, ruled.target_offset, ruled.gain, ruled.thresholds)
