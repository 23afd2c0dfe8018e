"""Any number of labels: each is decided for from a threshold of its own on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Decision
from counterpoise.config import suggest
from counterpoise.decision.links import OF_VALIDATION, Rule, Scored, ShiftProblem, threshold

Floats = NDArray[np.float64]
SIDES = "with or without"


def cost_thresholds(costs: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> list[float]:
    """Read what errors of each label cost, as the probability from which deciding for it is the cheaper choice.

    With false alarms at cost a and misses at cost m that is a / (a + m); what is not stated costs 1.

    Args:
        costs: {label: {"missed": m, "false_alarm": a}}.
        classes: The c class names in their order.

    Returns:
        c thresholds in [0, 1].

    Raises:
        ValueError: A name is no class, or an error has another name.

    Example:
        >>> cost_thresholds({"rust": {"missed": 4.0}}, ["rust", "moss"])
        [0.2, 0.5]
    """
    for name, row in costs.items():
        if name not in classes:
            raise ValueError(f"decide.costs names {name!r}, which is no class; {suggest(name, classes)}")
        unknown = sorted(set(row) - {"missed", "false_alarm"})
        if unknown:
            raise ValueError(f"decide.costs.{name} states {unknown[0]!r}; expected 'missed' and 'false_alarm'")
    stated = [costs.get(name, {}) for name in classes]
    pairs = [(row.get("false_alarm", 1.0), row.get("missed", 1.0)) for row in stated]
    if any(min(pair) < 0 or sum(pair) == 0 for pair in pairs):
        raise ValueError("decide.costs must not be negative, and not both 0 for one label")
    return [alarm / (alarm + missed) for alarm, missed in pairs]


def check_costs(costs: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> None:
    """Check that costs name classes and errors."""
    cost_thresholds(costs, classes)


def decide_labels(probs: Floats, thresholds: Sequence[float | None], *, at_least: int = 0) -> NDArray[np.bool_]:
    """Decide for each label whose probability reaches its threshold.

    Args:
        probs: (n, c) probabilities.
        thresholds: For each label, in [0, 1]; `None` decides it never.
        at_least: Images with fewer labels get so many: the most probable ones, whatever their thresholds.

    Returns:
        (n, c) booleans.

    Example:
        >>> decide_labels(np.array([[0.3, 0.2], [0.6, 0.1]]), [0.5, None], at_least=1).tolist()
        [[True, False], [True, False]]
    """
    limits = np.array([np.inf if limit is None else limit for limit in thresholds])
    decided: NDArray[np.bool_] = probs >= limits
    short = decided.sum(axis=1) < at_least
    if short.any():
        ranked = np.argsort(-probs[short], axis=1, kind="stable")[:, :at_least]
        decided[np.flatnonzero(short)[:, None], ranked] = True
    return decided


def with_rule(decision: Decision, rule: Rule, val: Scored) -> Decision:
    """Add the threshold of each label: by cost, from validation, 0.5 for accuracy, or the target prior for balance.

    Raises:
        ValueError: Costs name no class.
    """
    limits: Sequence[float | None]
    if rule.name == "least_cost":
        limits = cost_thresholds(rule.costs, decision.classes)
    elif rule.name in OF_VALIDATION:
        limits = [threshold(decision, rule, val, index) for index in range(len(decision.classes))]
    else:
        limits = [0.5] * len(decision.classes) if rule.name == "most_probable" else decision.target
    return replace(decision, rule=rule.name, thresholds=tuple(limits), at_least=rule.at_least)


def decided(decision: Decision, probs: Floats) -> NDArray[np.bool_]:
    """Decide for each label by its threshold, both (n, c)."""
    return decide_labels(probs, decision.thresholds, at_least=decision.at_least)


def never_decided(decision: Decision) -> list[str]:
    """Name the labels without a threshold, since none reaches what the rule needs on validation."""
    return [name for name, limit in zip(decision.classes, decision.thresholds, strict=True) if limit is None]


def few_images(truth: NDArray[np.bool_], least: int) -> list[int]:
    """List the labels that fewer than `least` images have, or all but fewer, among (m, c)."""
    bearing = truth.sum(axis=0)
    return np.flatnonzero(np.minimum(bearing, len(truth) - bearing) < least).tolist()


def shift_problems(decision: Decision, unlabelled: Floats, val: Floats, truth: NDArray[np.bool_]) -> list[ShiftProblem]:
    """Estimate the share of each label against its absence, by itself."""
    prior = np.array(decision.val)
    return [
        ShiftProblem(
            name,
            _two(unlabelled[:, index]),
            _two(val[:, index]),
            truth[:, index].astype(np.int64),
            _two(prior[[index]])[0],
        )
        for index, name in enumerate(decision.classes)
    ]


def gathered(values: Sequence[Floats]) -> Floats:
    """Take of each pair, without and with a label, the second."""
    return np.array([pair[1] for pair in values])


def _two(positive: Floats) -> Floats:
    """Write probabilities (n,) of a label as those of two classes, without and with it."""
    return np.stack([1 - positive, positive], axis=1)
