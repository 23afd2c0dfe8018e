"""From probabilities to decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

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
        for decision, cost in row.items():
            unknown = [name for name in (truth, decision) if name not in index]
            if unknown:
                raise ValueError(
                    f"decide.costs names {unknown[0]!r}, which is no class; expected some of {list(classes)}"
                )
            matrix[index[truth], index[decision]] = cost
    return matrix
