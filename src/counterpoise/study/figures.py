"""The figures that a study compares arms by, with the influence of each image, for one class or any number of labels.

A figure is a mean over classes, or that of one class. It is NaN where one of them has no image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.config import InputError
from counterpoise.evaluation.scores import Variant
from counterpoise.metrics import influence, ranking

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        value: Of (n,) truth, probabilities and decisions of one class.
        influence: The (n,) influence values of the same.
        counts_decisions: Whether it counts decisions; otherwise it ranks by probabilities.
        of_positive: Whether it is of the class that matters alone.
        one_class: Whether it needs exactly one class per image.
    """

    value: Callable[[Bools, Floats, Bools], float]
    influence: Callable[[Bools, Floats, Bools], Floats]
    counts_decisions: bool
    of_positive: bool = False
    one_class: bool = False


def _recall(truth: Bools, probs: Floats, decided: Bools) -> float:
    return float(decided[truth].mean())


def _f1(truth: Bools, probs: Floats, decided: Bools) -> float:
    return 2 * float((truth & decided).sum()) / float(truth.sum() + decided.sum())


def _average_precision(truth: Bools, probs: Floats, decided: Bools) -> float:
    return float(ranking.average_precision(truth, probs))


def _recall_influence(truth: Bools, probs: Floats, decided: Bools) -> Floats:
    return influence.recall(truth, decided)


def _f1_influence(truth: Bools, probs: Floats, decided: Bools) -> Floats:
    return influence.f1(truth, decided)


def _average_precision_influence(truth: Bools, probs: Floats, decided: Bools) -> Floats:
    return influence.average_precision(truth, probs)


FIGURES: Mapping[str, Figure] = {
    "balanced_accuracy": Figure(_recall, _recall_influence, counts_decisions=True, one_class=True),
    "macro_f1": Figure(_f1, _f1_influence, counts_decisions=True),
    "average_precision": Figure(
        _average_precision, _average_precision_influence, counts_decisions=False, of_positive=True
    ),
    "mean_average_precision": Figure(_average_precision, _average_precision_influence, counts_decisions=False),
}


def check(name: str, one_class: bool) -> None:
    """Refuse a figure that these images cannot have.

    Args:
        name: One of `FIGURES`.
        one_class: Whether the task gives each image exactly one class.

    Raises:
        InputError: It needs exactly one class per image, and images may have several or none.
    """
    if FIGURES[name].one_class and not one_class:
        others = [other for other, figure in FIGURES.items() if not figure.one_class]
        raise InputError(
            f"figure is {name!r}, but images may have several labels or none, and deciding for all labels would have "
            f"the best recall; set figure to one of {others}"
        )


def value(name: str, truth: Bools, variant: Variant, classes: Sequence[int]) -> float:
    """Compute a figure, the mean over classes; NaN where one of them has no image.

    Args:
        name: One of `FIGURES`.
        truth: (n, c) which classes each image has.
        variant: (n, c) probabilities and decisions.
        classes: The classes that count.

    Example:
        >>> truth = np.array([[True, False], [True, False], [False, True]])
        >>> variant = Variant(truth * 1.0, np.array([[True, False], [False, True], [False, True]]))
        >>> value("balanced_accuracy", truth, variant, [0, 1])  # (1 / 2 + 1) / 2
        0.75
    """
    if not truth[:, classes].any(axis=0).all():
        return float("nan")
    of_class = FIGURES[name].value
    return float(np.mean([of_class(truth[:, k], variant.probs[:, k], variant.decided[:, k]) for k in classes]))


def influences(name: str, truth: Bools, variant: Variant, classes: Sequence[int]) -> Floats:
    """Compute the (n,) influence values of a figure; arguments as of `value`. NaN where it is undefined."""
    if not truth[:, classes].any(axis=0).all():
        return np.full(len(truth), np.nan)
    of_class = FIGURES[name].influence
    each = [of_class(truth[:, k], variant.probs[:, k], variant.decided[:, k]) for k in classes]
    return np.asarray(np.mean(each, axis=0))


def log_loss(truth: Bools, probs: Floats) -> float:
    """Compute the mean binary cross-entropy over images and classes, in nats: what settings of a grid are chosen by.

    Example:
        >>> round(log_loss(np.array([[True, False]]), np.array([[0.5, 0.5]])), 4)  # log 2
        0.6931
    """
    clipped = np.clip(probs, 1e-12, 1 - 1e-12)
    return float(-np.where(truth, np.log(clipped), np.log1p(-clipped)).mean())
