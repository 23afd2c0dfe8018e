"""Which boxes are decided for: calibration and a threshold of each class, from validation.

There are no true negatives here, so that rules that need them (`balanced`, `least_cost`) are refused. How many
candidates a detector proposes is no share of the world either, so that only a calibrator with a bias holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Boxes
from counterpoise.boxes import average_precision, matching
from counterpoise.boxes.matching import Detections, Truth
from counterpoise.calibration.calibrators import Curve, sigmoid
from counterpoise.decision import precision_floor, thresholds

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]

IOU = 0.5
"""Overlap from which on a detection is right."""
RULES = ("most_probable", "f_beta", "precision_floor", "false_alarms")
OF_BOXES_ALONE = ("false_alarms",)
"""Rules that say nothing of whole images; for these the most probable labels are decided."""
CALIBRATORS = ("platt", "isotonic")


@dataclass(frozen=True)
class Candidates:
    """Detections of validation that are right or wrong, and the objects there.

    Attributes:
        logits: (n,) raw log-odds.
        label: (n,) number of the class.
        right: (n,) whether each found an object.
        groups: (n,) unit of the image of each.
        objects: (c,) number of objects of each class.
        images: Number of images.
    """

    logits: Floats
    label: Integers
    right: Booleans
    groups: NDArray[np.str_]
    objects: Integers
    images: int


@dataclass(frozen=True)
class Rule:
    """What decisions should be good for.

    Attributes:
        name: One of `RULES`.
        beta: `f_beta` alone: how much more recall counts than precision, positive.
        floor: `precision_floor` alone: precision that validation must support, in (0, 1).
        search_positives: `f_beta` alone: from so many right detections on, the threshold is searched on the truth.
        false_alarms: `false_alarms` alone: how many there may be in an image on average, of each class, at least 0.
    """

    name: str
    beta: float
    floor: float
    search_positives: int
    false_alarms: float


def candidates(
    detections: Detections, truth: Truth, groups: NDArray[np.str_], classes: int, iou: float = IOU
) -> Candidates:
    """Match the detections of validation, and leave out those on ignored places.

    Args:
        detections: Found in the images, with raw log-odds as scores.
        truth: What is there.
        groups: Unit of each image.
        classes: Number of classes.
        iou: Overlap from which on a detection is right.
    """
    matches = matching.match(detections, truth, ious=[iou], sizes=[matching.SIZES["all"]])
    curves = [
        average_precision.curve(detections, truth, matches, label=label, images=len(groups)) for label in range(classes)
    ]
    return Candidates(
        np.concatenate([curve.scores for curve in curves]),
        np.repeat(np.arange(classes), [len(curve.scores) for curve in curves]),
        np.concatenate([curve.hit for curve in curves]),
        groups[np.concatenate([curve.image for curve in curves])],
        np.array([int(curve.objects.sum()) for curve in curves], dtype=np.int64),
        len(groups),
    )


def choose(val: Candidates, calibrator: str, rule: Rule, *, min_positives: int, density: Floats | None = None) -> Boxes:
    """Choose calibration and threshold of each class on validation.

    Args:
        val: Candidates of validation.
        calibrator: `platt`, `isotonic`, or `auto` for `platt`.
        rule: What decisions should be good for.
        min_positives: Right (and wrong) detections below which a class takes the calibration of all together.
        density: (c,) objects in an image of deployment; `None` where they are as in validation. Recall and false
            alarms are taken to be the same there, so that the odds of being right grow with the density.

    Raises:
        ValueError: The calibrator or the rule does not suit boxes, or only one of density and objects is above 0.
    """
    name = "platt" if calibrator == "auto" else calibrator
    if name not in CALIBRATORS:
        raise ValueError(
            f"decide.calibrator is {calibrator!r}, which has no bias; how many boxes a detector proposes is no share "
            f"of the world, so set decide.calibrator to one of {['auto', *CALIBRATORS]}"
        )
    if rule.name not in RULES:
        raise ValueError(
            f"decide.rule is {rule.name!r}, which counts images without the class that are decided right; boxes have "
            f"no such count, so set decide.rule to one of {list(RULES)}"
        )
    ratio = _density_ratio(val, density)
    found = _calibrated(val, name, min_positives)
    unruled = Boxes(IOU, name, *found, tuple(np.log(ratio).tolist()), rule.name, (None,) * len(ratio), (), val.images)
    limits, counts = [], []
    before = probabilities(unruled, val.logits, val.label, moved=False)
    for label in range(len(ratio)):
        own = val.label == label
        limit = _threshold(rule, before[own], val.right[own], val.groups[own], float(ratio[label]), val, label)
        after = thresholds.moved(before[own], *_priors(float(ratio[label])))
        decided = after >= (np.inf if limit is None else limit)
        right = int((val.right[own] & decided).sum())
        limits.append(limit)
        counts.append((right, int(decided.sum()) - right, int(val.objects[label])))
    return Boxes(IOU, name, *found, unruled.offset, rule.name, tuple(limits), tuple(counts), val.images)


def probabilities(boxes: Boxes, logits: Floats, label: Integers, *, moved: bool = True) -> Floats:
    """Compute how probably each detection is right, (n,).

    Args:
        boxes: What validation gave.
        logits: (n,) raw log-odds.
        label: (n,) number of the class.
        moved: Whether at the density of deployment, which decisions use, or at that of validation.
    """
    from scipy.special import expit, logit

    scores = logits * np.array(boxes.scale)[label] + np.array(boxes.bias)[label]
    for index, (places, values) in enumerate(boxes.knots):
        if places:
            own = label == index
            scores[own] = logit(np.interp(logits[own], places, values))
    return np.asarray(expit(scores + (np.array(boxes.offset)[label] if moved else 0.0)))


def decided(boxes: Boxes, logits: Floats, label: Integers) -> Booleans:
    """Say which detections are decided for, (n,): those whose probability reaches the threshold of their class."""
    limits = np.array([np.inf if limit is None else limit for limit in boxes.thresholds])
    return np.asarray(probabilities(boxes, logits, label) >= limits[label])


def stated_density(boxes: Boxes) -> dict[int, float]:
    """Return the objects in an image of deployment of the classes whose density there is stated, by their number.

    A density that equals that of validation changes nothing, and is left out.
    """
    rows = enumerate(zip(boxes.offset, boxes.val_counts, strict=True))
    return {label: float(np.exp(offset)) * count[2] / boxes.val_images for label, (offset, count) in rows if offset}


def _density_ratio(val: Candidates, density: Floats | None) -> Floats:
    if density is None:
        return np.ones(len(val.objects))
    wrong = (density > 0) != (val.objects > 0)
    if wrong.any():
        raise ValueError(
            f"class {int(wrong.argmax())} has {val.objects[wrong.argmax()]} objects in validation and a stated density "
            f"of {density[wrong.argmax()]}; both must be above 0"
        )
    there = density * val.images
    return np.asarray(np.divide(there, val.objects, out=np.ones(len(density)), where=val.objects > 0))


def _priors(ratio: float) -> tuple[float, float]:
    """Write a factor of the odds as two priors, before and after."""
    return 0.5, ratio / (1 + ratio)


def _calibrated(
    val: Candidates, name: str, min_positives: int
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[Curve, ...], tuple[bool, ...]]:
    """Fit each class by itself where it has enough, otherwise take the fit of all detections together."""
    count, zero = len(val.objects), np.zeros(1)
    if not len(val.logits):
        return (1.0,) * count, (0.0,) * count, (((), ()),) * count if name == "isotonic" else (), (True,) * count
    shared = sigmoid.fit("platt", val.logits[:, None], val.right[:, None], zero, min_positives=1)
    scale, bias, curves, pooled = [], [], [], []
    for label in range(count):
        own = val.label == label
        right = int(val.right[own].sum())
        enough = min(right, int(own.sum()) - right) >= min_positives
        fit = shared
        if enough:
            fit = sigmoid.fit(name, val.logits[own, None], val.right[own, None], zero, min_positives=1)
        scale.append(float(fit.scale[0]))
        bias.append(float(fit.bias[0]))
        curves.append(fit.knots[0] if fit.knots else ((), ()))
        pooled.append(not enough)
    return tuple(scale), tuple(bias), tuple(curves) if name == "isotonic" else (), tuple(pooled)


def _threshold(
    rule: Rule,
    probs: Floats,
    right: Booleans,
    groups: NDArray[np.str_],
    ratio: float,
    val: Candidates,
    label: int,
) -> float | None:
    """Choose the threshold of a class on the probability at the density of deployment; `None` decides never."""
    if rule.name == "most_probable":
        return 0.5
    if not len(probs) or not val.objects[label]:
        return None
    if rule.name == "precision_floor":
        return precision_floor.threshold(probs, right, groups, *_priors(ratio), rule.floor)
    after = thresholds.moved(probs, *_priors(ratio))
    if rule.name == "false_alarms":
        return at_most(after, right, rule.false_alarms * val.images)
    search = bool(right.sum() >= rule.search_positives)
    return for_f_beta(probs, after, right, int(val.objects[label]), ratio, rule.beta, search=search)


def for_f_beta(
    probs: Floats, after: Floats, right: Booleans, objects: int, ratio: float, beta: float, *, search: bool
) -> float:
    """Choose the threshold with the largest F_beta at the density of deployment.

    F_beta = (1 + beta^2) w TP / (beta^2 w objects + w TP + FP), w = `ratio`. Objects that no detection found count, so
    that the recall is that of all of them. As in `thresholds.for_f_beta`, with expected TP and FP (plug-in) or those of
    the truth (search).

    Args:
        probs: (n,) calibrated probabilities at the density of validation.
        after: (n,) the same at that of deployment.
        right: (n,) what is true; only a search looks at it.
        objects: Number of objects in validation, above 0.
        ratio: Density of deployment over that of validation.
        beta: Positive.
        search: Whether to look at the truth.

    Returns:
        Threshold on the probability at the density of deployment, in [0, 1].

    Example:
        >>> probs = np.array([0.9, 0.6, 0.2])
        >>> for_f_beta(probs, probs, probs > 0.5, 2, 1.0, 1.0, search=True)
        0.4
    """
    order = np.argsort(-after, kind="stable")
    outcome = (right if search else probs)[order].astype(np.float64)
    hits = np.cumsum(outcome) * ratio
    total = beta**2 * ratio * objects + hits + np.cumsum(1 - outcome)
    values = (1 + beta**2) * hits / total
    ranked = after[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))  # equal scores are decided together
    best = ends[np.argmax(values[ends])]
    if not search:
        return float(min(values[best] / (1 + beta**2), 1.0))
    return float(_between(ranked, int(best)))


def at_most(probs: Floats, right: Booleans, count: float) -> float | None:
    """Find the lowest threshold with at most so many wrong detections; `None` where the first ones are too many.

    Example:
        >>> at_most(np.array([0.9, 0.8, 0.4, 0.2]), np.array([True, False, True, False]), 1)
        0.30000000000000004
    """
    order = np.argsort(-probs, kind="stable")
    ranked, wrong = probs[order], np.cumsum(~right[order])
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    fitting = ends[wrong[ends] <= count]
    return float(_between(ranked, int(fitting[-1]))) if len(fitting) else None


def _between(ranked: Floats, last: int) -> float:
    """Find the middle between the last probability decided for and the next one, or 0."""
    following = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float(ranked[last] + following) / 2
