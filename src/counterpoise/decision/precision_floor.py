"""The lowest threshold whose precision in deployment stays above a floor with confidence, found on validation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from counterpoise.decision import thresholds
from counterpoise.metrics import intervals

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
FIRST_FRAC = 0.7
"""The first test decides for this share of the largest number that is expected to pass: a margin for bad luck."""
STEP = 1.1
"""Each later test decides for so many times as many images as the one before."""
PLANNED_STEP = 1.01
"""The plan looks at numbers of decided images that are this factor apart, or one image."""


def threshold(
    probs: Floats,
    truth: NDArray[np.bool_],
    groups: NDArray[np.str_],
    val: float,
    target: float,
    floor: float,
    *,
    level: float = 0.95,
) -> float | None:
    """Choose a low threshold whose precision in deployment is at least `floor` with confidence.

    With x right among the k highest probabilities, L(x, k) is Clopper and Pearson's one-sided lower bound,
    Beta(1 - level; x, k - x + 1), with x and k divided by the design effect of groups. It is compared with the floor,
    moved from the target prior to that of validation.

    The order of the tests is fixed before any label is looked at: e_k is the sum of the k highest probabilities, and
    the first k is 0.7 times the largest one with L(e_k, k) >= floor (if there is none, the k with the largest L). From
    there k grows by a tenth as long as L(x, k) >= floor. The last k that passed is kept. Since the tests stop at the
    first failure, each one may use the whole level.

    Args:
        probs: (n,) calibrated probabilities at the prior of validation.
        truth: (n,) what the images are.
        groups: (n,) group of each image.
        val: Prior of validation, in (0, 1).
        target: Prior of deployment, in (0, 1).
        floor: Wanted precision, in (0, 1).
        level: Confidence, in (0, 1).

    Returns:
        Threshold on the probability at the prior of deployment, in [0, 1]; `None` where the first test fails, so that
        validation does not support the floor.

    Source: Maurer, Hothorn, Lehmacher (1995), for the fixed sequence, as in Angelopoulos, Bates, Candes, Jordan, Lei
        (2021), Learn then Test. Departure: the start looks at labels after all, through the calibrator and the design
        effect; `benchmarks/precision_floor.py` includes this, and floors are kept.

    Example:
        >>> many = np.repeat([0.9, 0.1], 200)
        >>> threshold(many, many > 0.5, np.arange(400).astype(str), 0.5, 0.5, 0.9)
        0.5
        >>> threshold(many[198:202], many[198:202] > 0.5, np.array(list("abcd")), 0.5, 0.5, 0.9)  # 2 of 2
    """
    order = np.argsort(-probs, kind="stable")
    ranked = probs[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True)) + 1  # equal probabilities are decided together
    effects = design_effects(ranked, truth[order], groups[order])
    needed = float(thresholds.moved(np.array([floor]), target, val)[0])
    right = np.cumsum(truth[order])
    passed = None
    for size in _sizes(_first(ranked, ends, effects, needed, level), ends):
        if _low(right[size - 1], size, effects[size - 1], level) < needed:
            break
        passed = size
    if passed is None:
        return None
    edge = (ranked[passed - 1] + (ranked[passed] if passed < len(ranked) else 0.0)) / 2
    return float(thresholds.moved(np.array([edge]), val, target)[0])


def design_effects(probs: Floats, truth: NDArray[np.bool_], groups: NDArray[np.str_]) -> Floats:
    """Say by how much groups reduce the information of the first k images, for each k.

    1 + r (sum of n_g^2 / k - 1), with n_g images of group g among the first k, and r the likeness of two images of a
    group: r = sum of d_i d_j / sum of |d_i d_j| over all pairs of a group among all n images, d = truth - probability,
    limited to [0, 1]. If all images of each group have one label, r is 1, and k images count as k^2 / sum of n_g^2
    groups, even if all of them happen to be right. If labels vary by chance within groups, r is about 0.

    Args:
        probs: (n,) calibrated probabilities, in (0, 1).
        truth: (n,) what the images are.
        groups: (n,) group of each image.

    Returns:
        (n,) design effects, at least 1; exactly 1 if each image has a group of its own.

    Source: Kish (1965), Survey Sampling, section 8.2. Departure: with d^2 in the place of |d_i d_j|, r would be the
        correlation of Liang and Zeger (1986); for weak correlations r is larger.

    Example:
        >>> design_effects(np.full(4, 0.5), np.array([True, True, False, False]), np.array(list("aabb")))
        array([1.        , 2.        , 1.66666667, 2.        ])
    """
    codes = np.unique(groups, return_inverse=True)[1]
    gaps = truth - probs
    alike, possible = (
        float((np.bincount(codes, values) ** 2).sum() - (values**2).sum()) for values in (gaps, np.abs(gaps))
    )
    likeness = float(np.clip(alike / possible, 0, 1)) if possible > 1e-12 else 0.0
    by_group = np.argsort(codes, kind="stable")
    before = np.empty(len(codes), dtype=np.int64)  # images of the same group that come earlier
    before[by_group] = np.arange(len(codes)) - np.searchsorted(codes[by_group], codes[by_group])
    squares = np.cumsum(2 * before + 1)
    result: Floats = 1 + likeness * (squares / np.arange(1, len(codes) + 1) - 1)
    return result


def _first(ranked: Floats, ends: Integers, effects: Floats, needed: float, level: float) -> float:
    """Plan from probabilities alone how many images the first test decides for."""
    grid = PLANNED_STEP ** np.arange(np.ceil(np.log(len(ranked)) / np.log(PLANNED_STEP)) + 1)
    sizes = np.unique(ends[np.minimum(np.searchsorted(ends, grid), len(ends) - 1)])
    expected = np.minimum(np.cumsum(ranked)[sizes - 1], sizes)
    lows = _low(expected, sizes, effects[sizes - 1], level)
    enough = np.flatnonzero(lows >= needed)
    return FIRST_FRAC * float(sizes[enough[-1]]) if len(enough) else float(sizes[np.argmax(lows)])


def _sizes(first: float, ends: Integers) -> Iterator[int]:
    """Count up the images that each test decides for."""
    place = int(np.searchsorted(ends, first))
    while place < len(ends):
        yield int(ends[place])
        place = max(int(np.searchsorted(ends, ends[place] * STEP)), place + 1)


def _low(right: Floats | Integers, decided: Integers | int, effect: Floats, level: float) -> Floats:
    """Return the one-sided lower bound of a precision, in [0, 1]."""
    low, _ = intervals.clopper_pearson(right, decided, level=2 * level - 1, design_effect=effect)
    return np.asarray(low)
