"""From raw logits to probabilities that hold on validation: the calibrators, a file for each link.

A file `calibration/calibrators/<link>.py` holds the closed set of calibrators that there are for logits of this link:
`CALIBRATORS`, `DEFAULT_WITH_BIAS`, `ONE_VS_REST`, and `fit` as in `Calibrators`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from counterpoise import tasks
from counterpoise.calibration import links

Floats = NDArray[np.float64]
Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Knots of a curve: where they are, rising, and the probability there. Without knots: scale and bias hold instead."""
LOG_TEMPERATURES = (float(np.log(0.05)), float(np.log(100.0)))
"""Where a temperature is looked for, in logarithms."""
WITH_BIAS = ("vector", "platt", "isotonic")
"""Calibrators that learn validation's prior by themselves, so that no ledger correction may precede them."""


@dataclass(frozen=True)
class Fit:
    """How raw logits become calibrated ones; `apply` says by which formula.

    Attributes:
        scale: (c,) factors.
        bias: (c,) added to the logits.
        pooled: (c,) whether a label has too few positives or negatives of its own, so that it borrowed from all.
        knots: c curves, those of `isotonic`; empty for all other calibrators.
    """

    scale: Floats
    bias: Floats
    pooled: NDArray[np.bool_]
    knots: tuple[Curve, ...] = ()


class Calibrators(Protocol):
    """What the file of a link offers."""

    CALIBRATORS: Mapping[str, Callable[..., Fit]]
    DEFAULT_WITH_BIAS: str
    """The calibrator to take where the prior that a model saw is unknown."""
    ONE_VS_REST: tuple[str, ...]
    """Calibrators that look at one class against the rest, where classes exclude each other."""

    def fit(
        self,
        name: str,
        logits: Floats,
        targets: NDArray[Any],
        offset: Floats,
        *,
        min_positives: int = 10,
    ) -> Fit:
        """Fit a calibrator on logits (n, c) and targets of validation, with an offset (c,) in place.

        Raises:
            ValueError: The calibrator is unknown, there are no examples, or an offset is given to one with a bias.
        """


def of_task(task: str) -> Calibrators:
    """Find the calibrators of a task, by its link."""
    calibrators: Calibrators = importlib.import_module(f"{__name__}.{tasks.find(task).LINK}")
    return calibrators


def straight(scale: Floats, bias: Floats) -> Fit:
    """Make a fit without curves, in which no label borrowed from the others."""
    return Fit(scale, bias, np.zeros(len(scale), dtype=np.bool_))


def check(name: str, logits: Floats, offset: Floats) -> None:
    """Refuse what no calibrator can be fitted on.

    Raises:
        ValueError: There are no examples, or an offset is given to a calibrator with a bias.
    """
    if not len(logits):
        raise ValueError("calibration needs at least one validation image")
    if name in WITH_BIAS and np.any(offset):
        raise ValueError(f"{name!r} learns the prior of validation itself; an offset would correct it twice")


def ends(positives: NDArray[np.bool_]) -> tuple[float, float]:
    """Say which probabilities this many examples can support: from 1 / (negatives + 2) to 1 - 1 / (positives + 2).

    That is the rule of succession for the case that all negatives, or all positives, lay in one place: no place could
    hold evidence for less, or for more. Swapping both sides swaps the ends.
    """
    count = int(positives.sum())
    return 1 / (len(positives) - count + 2), 1 - 1 / (count + 2)


def isotonic_curve(scores: Floats, positives: NDArray[np.bool_]) -> Curve:
    """Fit the rising step of scores (n,) with the least squared error, between the `ends` of so many examples."""
    from sklearn.isotonic import IsotonicRegression  # slow to import, and applying a curve needs none of it

    low, high = ends(positives)
    model = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip").fit(scores, positives.astype(np.float64))
    return tuple(model.X_thresholds_.tolist()), tuple(model.y_thresholds_.tolist())


def against_the_rest(logits: Floats) -> Floats:
    """Compute the log-odds of each class against all others.

    z_k - log sum_{j != k} exp(z_j), the log-odds of softmax(z)_k; of two classes, the difference of their logits.

    Args:
        logits: (n, c), c at least 2.

    Returns:
        (n, c) in nats.

    Example:
        >>> against_the_rest(np.log([[2.0, 1.0, 1.0]])).round(3) + 0.0
        array([[ 0.   , -1.099, -1.099]])
    """
    from scipy.special import log_softmax, logsumexp

    if logits.shape[1] == 2:
        return logits - logits[:, ::-1]
    logs = log_softmax(logits, axis=1)
    rows, largest = np.arange(len(logits)), logits.argmax(axis=1)
    others = logits.copy()
    others[rows, largest] = -np.inf
    logs[rows, largest] = -1.0  # any; log(1 - p) of a p near 1 would lose its digits
    odds = logs - np.log1p(-np.exp(logs))
    odds[rows, largest] = logits[rows, largest] - logsumexp(others, axis=1)
    result: Floats = odds
    return result


def apply(
    logits: Floats,
    scale: Floats,
    bias: Floats,
    offset: Floats,
    *,
    task: str,
    knots: Sequence[Curve] = (),
    one_vs_rest: bool = False,
) -> Floats:
    """Compute softmax(g(z) + offset), or for many labels sigmoid of the same, with g the fitted calibrator.

    g(z) = scale * z + bias; of a class or label with knots, g(z) = logit of the curve at z, straight between its knots
    and level beyond them. With `one_vs_rest`, s, each class's log-odds against the rest, takes the place of z, and
    log sigmoid(g(s)) that of g(z): softmax then divides the classes' own probabilities by their sum.

    Args:
        logits: (n, c) raw logits.
        scale: (c,).
        bias: (c,).
        offset: (c,) in nats.
        task: What the labels mean.
        knots: c curves, or none at all.
        one_vs_rest: Whether the calibrator is one of its link's `ONE_VS_REST`.

    Returns:
        (n, c) probabilities.

    Example:
        >>> apply(np.zeros((1, 2)), np.ones(2), np.zeros(2), np.log([0.9, 0.1]), task="multiclass")
        array([[0.9, 0.1]])
        >>> apply(np.zeros((1, 2)), np.ones(2), np.zeros(2), np.log([3.0, 1.0]), task="multilabel")
        array([[0.75, 0.5 ]])
        >>> curve = ((-1.0, 1.0), (0.25, 0.75))
        >>> apply(np.array([[0.5]]), np.ones(1), np.zeros(1), np.zeros(1), task="multilabel", knots=[curve])
        array([[0.625]])
    """
    from scipy.special import log_expit, logit

    raw = np.asarray(logits, dtype=np.float64)
    inputs = against_the_rest(raw) if one_vs_rest else raw
    scores = inputs * scale + bias
    for index, (places, values) in enumerate(knots):
        if places:
            scores[:, index] = logit(np.interp(inputs[:, index], places, values))
    if one_vs_rest:
        scores = log_expit(scores)
    return links.of_task(task).probabilities(scores + offset)
