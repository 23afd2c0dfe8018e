"""From probabilities to decisions: a gain for each decision of one class, a threshold for each of many labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Decision
from counterpoise.calibration import calibrators

Floats = NDArray[np.float64]


def _most_probable(prior: Floats, costs: Floats | None) -> Floats:
    return np.eye(len(prior))


def _balanced(prior: Floats, costs: Floats | None) -> Floats:
    return np.diag(1 / prior)


def _least_cost(prior: Floats, costs: Floats | None) -> Floats:
    if costs is None:
        raise ValueError("rule 'least_cost' needs decide.costs")
    return -costs


RULES: dict[str, Callable[[Floats, Floats | None], Floats]] = {
    "most_probable": _most_probable,
    "balanced": _balanced,
    "least_cost": _least_cost,
}
OF_VALIDATION = ("f_beta", "precision_floor")
"""Rules whose threshold follows from validation; with one class per image they need two classes."""


def gain(rule: str, prior: Floats, costs: Floats | None = None) -> Floats:
    """Write a rule as what it is worth to decide j where k is true.

    `most_probable` values every right decision at 1, which maximises accuracy; `balanced` values it at 1 / prior_k,
    which maximises balanced accuracy; `least_cost` is minus the cost.

    Args:
        rule: One of the names above.
        prior: (c,) prior that the probabilities hold under.
        costs: (c, c) cost of deciding j (column) where k (row) is true, for `least_cost` alone.

    Returns:
        (c, c), rows = truth, columns = decision.

    Raises:
        ValueError: The rule is unknown or lacks its costs.

    Source: Elkan (2001), The Foundations of Cost-Sensitive Learning, equation 1.

    Example:
        >>> gain("balanced", np.array([0.75, 0.25]))
        array([[1.33333333, 0.        ],
               [0.        , 4.        ]])
    """
    if rule not in RULES:
        raise ValueError(f"decide.rule is {rule!r}; expected one of {list(RULES)}")
    return RULES[rule](np.asarray(prior, dtype=np.float64), costs)


def decide(probs: Floats, gain: Floats) -> NDArray[np.int64]:
    """Decide for the class with the largest expected gain; of equal ones for the first.

    Args:
        probs: (n, c) probabilities.
        gain: (c, c) as `gain` returns it.

    Returns:
        (n,) class indices.

    Example:
        >>> decide(np.array([[0.7, 0.3]]), gain("balanced", np.array([0.75, 0.25])))
        array([1])
    """
    result: NDArray[np.int64] = np.argmax(probs @ gain, axis=1)
    return result


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
            raise ValueError(f"decide.costs names {name!r}, which is no class; expected some of {list(classes)}")
        unknown = sorted(set(row) - {"missed", "false_alarm"})
        if unknown:
            raise ValueError(f"decide.costs.{name} states {unknown[0]!r}; expected 'missed' and 'false_alarm'")
    stated = [costs.get(name, {}) for name in classes]
    pairs = [(row.get("false_alarm", 1.0), row.get("missed", 1.0)) for row in stated]
    if any(min(pair) < 0 or sum(pair) == 0 for pair in pairs):
        raise ValueError("decide.costs must not be negative, and not both 0 for one label")
    return [alarm / (alarm + missed) for alarm, missed in pairs]


def cost_matrix(costs: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> Floats:
    """Read costs that are stated by class name; what is not stated costs 1, a right decision 0.

    Args:
        costs: {truth: {decision: cost}}.
        classes: The c class names in their order.

    Returns:
        (c, c), rows = truth, columns = decision.

    Raises:
        ValueError: A name is no class.

    Example:
        >>> cost_matrix({"defective": {"functional": 10.0}}, ["functional", "defective"])
        array([[ 0.,  1.],
               [10.,  0.]])
    """
    matrix = 1.0 - np.eye(len(classes))
    index = {name: number for number, name in enumerate(classes)}
    for truth, row in costs.items():
        for decision, cost in row.items():
            unknown = [name for name in (truth, decision) if name not in index]
            if unknown:
                raise ValueError(
                    f"decide.costs names {unknown[0]!r}, which is no class; expected some of {list(classes)}"
                )
            matrix[index[truth], index[decision]] = cost
    return matrix


def gain_of_threshold(threshold: float | None, positive: int) -> Floats:
    """Write a threshold on the probability of one of two classes as a gain.

    Deciding for the positive class is worth 1 - t where it is true, for the other t: the first is larger in expectation
    once p > t.

    Args:
        threshold: t in [0, 1]; `None`: the positive class is never decided.
        positive: Index of the positive class, 0 or 1.

    Returns:
        (2, 2), rows = truth, columns = decision.

    Example:
        >>> decide(np.array([[0.7, 0.3], [0.9, 0.1]]), gain_of_threshold(0.2, positive=1))
        array([1, 0])
    """
    worth = np.zeros(2)
    worth[positive], worth[1 - positive] = (0.0, 1.0) if threshold is None else (1 - threshold, threshold)
    return np.diag(worth)


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


def probabilities(
    chosen: Decision, logits: NDArray[np.floating], *, under: Literal["target", "val"] = "target"
) -> Floats:
    """Compute calibrated probabilities from raw logits, both (n, c).

    Args:
        chosen: The decision.
        logits: Raw logits.
        under: The prior that they hold under: that of deployment, or validation's own.
    """
    offset = np.array(chosen.val_offset) + (np.array(chosen.target_offset) if under == "target" else 0.0)
    return calibrators.apply(
        logits.astype(np.float64),
        np.array(chosen.scale),
        np.array(chosen.bias),
        offset,
        task=chosen.task,
        knots=chosen.knots,
        one_vs_rest=chosen.task != "multilabel" and chosen.calibrator in calibrators.ONE_VS_REST,
    )


def raw(logits: NDArray[np.floating], task: str) -> tuple[Floats, NDArray[np.bool_]]:
    """Use raw logits, (n, c), as they are: neither calibrated, nor corrected for a prior, nor under a rule.

    Returns:
        Their softmax, and the most probable class, one in each row; of many labels their sigmoid, and those from 0.5
        on. Both (n, c).
    """
    count = logits.shape[1]
    probs = calibrators.apply(logits.astype(np.float64), np.ones(count), np.zeros(count), np.zeros(count), task=task)
    return probs, most_probable(probs, task)


def most_probable(probs: Floats, task: str) -> NDArray[np.bool_]:
    """Decide for the most probable class, one in each row; of many labels for those from 0.5 on. Both (n, c)."""
    if task == "multilabel":
        return np.asarray(probs >= 0.5)
    return one_hot(decide(probs, np.eye(probs.shape[1])), probs.shape[1])


def decided(chosen: Decision, probs: Floats) -> NDArray[np.bool_]:
    """Decide by the chosen rule.

    Args:
        chosen: The decision.
        probs: (n, c) as `probabilities` returns them.

    Returns:
        (n, c) booleans; of one class per image, one in each row.
    """
    if chosen.task == "multilabel":
        return decide_labels(probs, chosen.thresholds, at_least=chosen.at_least)
    return one_hot(decide(probs, np.array(chosen.gain)), len(chosen.classes))


def one_hot(indices: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Write class indices (n,) as booleans (n, c).

    Example:
        >>> one_hot(np.array([1]), 2)
        array([[False,  True]])
    """
    return np.asarray(np.arange(count) == indices[:, None])
