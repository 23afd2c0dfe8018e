"""One class of several that exclude each other: the decision with the largest expected gain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Decision
from counterpoise.calibration.links import softmax
from counterpoise.config import suggest
from counterpoise.decision.links import OF_VALIDATION, Rule, Scored, ShiftProblem, threshold

Floats = NDArray[np.float64]
SIDES = "with"


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
        for name in (truth, *row):
            if name not in index:
                raise ValueError(f"decide.costs names {name!r}, which is no class; {suggest(name, classes)}")
        for decision, cost in row.items():
            matrix[index[truth], index[decision]] = cost
    return matrix


def check_costs(costs: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> None:
    """Check that costs name classes."""
    cost_matrix(costs, classes)


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


def with_rule(decision: Decision, rule: Rule, val: Scored) -> Decision:
    """Add the gain of each decision for each truth.

    Raises:
        ValueError: Costs name no class, or the rule needs two classes.
    """
    if rule.name in OF_VALIDATION:
        if len(decision.classes) != 2:
            raise ValueError(
                f"decide.rule {rule.name!r} sets a threshold on one class against the other, so it needs "
                f"two classes, or task multilabel; there are {len(decision.classes)} classes"
            )
        positive = decision.classes.index(decision.positive)
        values = gain_of_threshold(threshold(decision, rule, val, positive), positive)
    else:
        values = gain(rule.name, np.array(decision.target), cost_matrix(rule.costs, decision.classes))
    return replace(decision, rule=rule.name, gain=tuple(tuple(row) for row in values.tolist()))


def decided(decision: Decision, probs: Floats) -> NDArray[np.bool_]:
    """Decide for one class in each row, both (n, c)."""
    return softmax.truth(decide(probs, np.array(decision.gain)), len(decision.classes))


def never_decided(decision: Decision) -> list[str]:
    """Name the classes that are never decided, since no threshold on validation reaches what the rule needs."""
    return [name for name, values in zip(decision.classes, decision.gain, strict=True) if not any(values)]


def few_images(truth: NDArray[np.bool_], least: int) -> list[int]:
    """List the classes with fewer images than `least` among (m, c)."""
    return np.flatnonzero(truth.sum(axis=0) < least).tolist()


def shift_problems(decision: Decision, unlabelled: Floats, val: Floats, truth: NDArray[np.bool_]) -> list[ShiftProblem]:
    """Estimate the shares of all classes together."""
    return [ShiftProblem(None, unlabelled, val, truth.argmax(axis=1), np.array(decision.val))]


def gathered(values: Sequence[Floats]) -> Floats:
    """Take what was found for all classes."""
    return values[0]
