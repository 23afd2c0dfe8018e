"""The figures of boxes that a study compares arms by, with the influence of each scene.

A figure is a mean over classes. Its view says how detections are ranked, by raw scores (`raw`) or by how probably they
are right (`calibrated`, `decided`), and which are decided for: those that are rather right than wrong, or (`decided`)
those that the rule of section `decide` takes.

Average precision jumps where a scene gets a little more weight, since it reads precision at 101 recalls. So the
influence of a unit is not a derivative, but what the figure loses without the unit (the jackknife), as in
`evaluation.box_scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.boxes import average_precision
from counterpoise.boxes.average_precision import Curve

if TYPE_CHECKING:
    from counterpoise.study.detection.cells import Tested

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        ious: Of which IoUs, by their place among 0.5, 0.55, ..., 0.95, it is a mean.
        of_class: From a curve, which of its detections are decided, and weights (b, scenes), to values (b,).
        counts_decisions: Whether it counts decisions; otherwise it ranks by scores.
        of_positive: Whether it is of the class that matters alone.
    """

    ious: tuple[int, ...]
    of_class: Callable[[Curve, NDArray[np.bool_], Floats], Floats]
    counts_decisions: bool = False
    of_positive: bool = False


def _ranked(of: Curve, decided: NDArray[np.bool_], weights: Floats) -> Floats:
    return np.asarray(average_precision.average_precision(of, weights))


def _f1(of: Curve, decided: NDArray[np.bool_], weights: Floats) -> Floats:
    found = weights[:, of.image] @ (of.hit & decided).astype(np.float64)
    total = weights[:, of.image] @ decided.astype(np.float64) + weights @ of.objects
    there = weights @ of.objects > 0
    return np.asarray(np.divide(2 * found, total, out=np.full(len(total), np.nan), where=there))


FIGURES: Mapping[str, Figure] = {
    "ap50": Figure((0,), _ranked),
    "ap": Figure(tuple(range(10)), _ranked),
    "macro_f1": Figure((0,), _f1, counts_decisions=True),
    "average_precision": Figure((0,), _ranked, of_positive=True),
}


def _curve(tested: Tested, view: str, label: int, iou: int) -> tuple[Curve, NDArray[np.bool_]]:
    """Take the detections of a class that count in a view, and say which are decided for."""
    kept = (tested.label == label) & ~tested.ignored[iou]
    scores, decided = {
        "raw": (tested.logit, tested.logit >= 0),
        "calibrated": (tested.prob, tested.prob >= 0.5),
        "decided": (tested.prob, tested.decided),
    }[view]
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    hit = tested.hit[iou][rows]
    curve = Curve(hit, tested.image[rows], scores[rows], hit.astype(np.float64), tested.objects[:, label])
    return curve, decided[rows]


def weighted(name: str, tested: Tested, view: str, label: int, weights: Floats) -> Floats:
    """Compute a figure of one class for b weightings of the scenes, (b,); NaN where there is nothing to find."""
    figure = FIGURES[name]
    each = [figure.of_class(*_curve(tested, view, label, iou), weights) for iou in figure.ious]
    return np.asarray(np.mean(each, axis=0))


def value(name: str, tested: Tested, view: str, classes: Sequence[int]) -> float:
    """Compute a figure, the mean over classes; NaN where one of them has no object."""
    ones = np.ones((1, len(tested.objects)))
    return float(np.mean([weighted(name, tested, view, label, ones)[0] for label in classes]))


def influences(name: str, tested: Tested, view: str, classes: Sequence[int], unit: Ints) -> dict[int, float]:
    """Compute the influence of each unit of the fold, from the figure without it.

    Of class c, with m_c units that show it: phi_i = (mean of all v_j - v_i) (m_c - 1) / m_c, where v_i is the value
    without unit i. For a mean this is the derivative by the weight of a unit, as `verdicts.compare` expects it.

    Args:
        name: One of `FIGURES`.
        tested: What a cell found in s scenes.
        view: Which detections count.
        classes: The classes that count.
        unit: (s,) unit of each scene.

    Returns:
        Unit -> its influence, the mean over classes; NaN where a class is in one unit alone.
    """
    codes = np.unique(unit)
    weights = (unit[None, :] != codes[:, None]).astype(np.float64)
    total = np.zeros(len(codes))
    for label in classes:
        showing = len(np.unique(unit[tested.objects[:, label] > 0]))
        without = weighted(name, tested, view, label, weights)
        total += (without.mean() - without) * (showing - 1) / showing / len(classes) if showing else np.nan
    return dict(zip(codes.tolist(), total.tolist(), strict=True))
