"""The localization-recall-precision error (LRP): how well boxes lie, how many are missed and how many are wrong."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from counterpoise.boxes.average_precision import CHUNK, Curve
from counterpoise.boxes.geometry import Floats
from counterpoise.boxes.matching import Integers
from counterpoise.metrics.arguments import Values


class Optimal(NamedTuple):
    """The least error over all thresholds on the score.

    Attributes:
        error: In [0, 1]; NaN where there is nothing to find.
        threshold: The lowest score that is still decided for; infinite if deciding for nothing is best.
        badly_placed: Mean of (1 - IoU) / (1 - the threshold of IoU) over the objects found, in [0, 1].
        false_alarms: 1 - precision there.
        missed: 1 - recall there.
    """

    error: float
    threshold: float
    badly_placed: float
    false_alarms: float
    missed: float


def error(of: Curve, iou: float, count: int) -> float:
    """Compute the error of the `count` detections with the highest scores.

    (sum over found of (1 - IoU) / (1 - iou) + false alarms + missed) / (found + false alarms + missed).

    Returns:
        In [0, 1]; NaN where there is nothing to find and nothing decided for.
    """
    hits = of.hit[:count]
    found, there = int(hits.sum()), int(of.objects.sum())
    total = count - found + there
    spread = ((1 - of.overlap[:count][hits]) / (1 - iou)).sum()
    return float((spread + total - found) / total) if total else float("nan")


def optimal(of: Curve, iou: float) -> Optimal:
    """Find the threshold on the score with the least error, and say what the error there consists of.

    Args:
        of: The curve of a class at the threshold `iou`.
        iou: In (0, 1).

    Source: Oksuz, Cam, Akbas, Kalkan (2018), Localization Recall Precision (LRP): a new performance metric for object
        detection. Departure: equal scores are decided for together.

    Example:
        >>> hits = np.array([True, False])
        >>> best = optimal(Curve(hits, np.zeros(2, int), np.array([0.9, 0.2]), hits * 0.8, np.array([2])), 0.5)
        >>> round(best.error, 6), best.threshold  # (0.2 / 0.5 + 0 + 1) / 2
        (0.7, 0.9)
    """
    there = int(of.objects.sum())
    if not there:
        return Optimal(*[float("nan")] * 5)
    values = _errors(of, iou, np.ones((1, len(of.objects))))[0]
    best = int(values.argmin())
    count = int(np.append(0, _ends(of) + 1)[best])
    hits = of.hit[:count]
    found = int(hits.sum())
    return Optimal(
        float(values[best]),
        float(of.scores[count - 1]) if count else float("inf"),
        float(((1 - of.overlap[:count][hits]) / (1 - iou)).mean()) if found else float("nan"),
        float(1 - hits.mean()) if count else float("nan"),
        1 - found / there,
    )


def optimal_error(of: Curve, iou: float, weights: Floats) -> Values:
    """Compute the least error for each of b weightings of the images, (b, images): (b,), NaN as above."""
    step = max(1, CHUNK // max(1, len(of.hit)))
    parts = [_errors(of, iou, weights[start : start + step]).min(axis=1) for start in range(0, len(weights), step)]
    return np.where(weights @ of.objects > 0, np.concatenate(parts), np.nan)


def _ends(of: Curve) -> Integers:
    """Find the last detection of each score."""
    return np.flatnonzero(np.append(np.diff(of.scores) != 0, True)[: len(of.scores)])


def _errors(of: Curve, iou: float, weights: Floats) -> Floats:
    """Compute the error, (b, k + 1), of deciding for nothing and of each of the k different scores."""
    there = (weights @ of.objects)[:, None]
    each = weights[:, of.image]
    ends = _ends(of)
    decided = np.cumsum(each, axis=1)[:, ends]
    found = np.cumsum(each * of.hit, axis=1)[:, ends]
    spread = np.cumsum(each * of.hit * (1 - of.overlap) / (1 - iou), axis=1)[:, ends]
    total = decided - found + there
    values = np.divide(spread + total - found, total, out=np.ones_like(total), where=total > 0)
    return np.concatenate([np.ones((len(weights), 1)), values], axis=1)
