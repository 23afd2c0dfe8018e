"""Confidence intervals of shares, also of grouped examples.

Examples of one group share something, such as a roof, a scene or a patient. They carry less information than the same
number of independent examples, so intervals become wider: `design_effect` says by how much.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from counterpoise.metrics.arguments import FloatArray, Values, unit_codes
from counterpoise.metrics.intervals.interval import tail


def wilson(
    successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95, design_effect: ArrayLike = 1.0
) -> tuple[Values, Values]:
    """Wilson's score interval of a proportion.

    `(x + z^2 / 2 -+ z sqrt(x (n - x) / n + z^2 / 4)) / (n + z^2)`, where x and n are divided by the design effect.

    Args:
        successes: Number x of successes, 0 <= x <= n; integer or weighted; any shape.
        trials: Number n of trials, at least 0; a shape that broadcasts with `successes`.
        level: Nominal coverage, in (0, 1).
        design_effect: Number of grouped trials with the information of one independent trial, at least 1.

    Returns:
        Lower and upper bound in [0, 1], in the broadcast shape. Without trials they are (0, 1).

    Raises:
        ValueError: x, n, the level or the design effect is out of range.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference". Dividing x
        and n: Rao & Scott 1992, "A simple method for the analysis of clustered binary data".

    Example:
        >>> low, high = wilson(0, 21)
        >>> float(low), round(float(high), 4)  # 0 and z^2 / (21 + z^2) = 3.8415 / 24.8415
        (0.0, 0.1546)
    """
    from scipy.special import ndtri

    x, n = _effective(successes, trials, design_effect)
    z = -ndtri(tail(level))
    spread = z * np.sqrt(x * (n - x) / np.where(n > 0, n, 1) + z**2 / 4)
    low, high = ((x + z**2 / 2 + sign * spread) / (n + z**2) for sign in (-1, 1))
    return _closed(low, high, x, n)


def clopper_pearson(
    successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95, design_effect: ArrayLike = 1.0
) -> tuple[Values, Values]:
    """Clopper and Pearson's interval of a proportion. It covers at least as often as it says.

    `Beta(a / 2; x, n - x + 1)` to `Beta(1 - a / 2; x + 1, n - x)`, where x and n are divided by the design effect.

    Args:
        successes: Number x of successes, 0 <= x <= n; integer or weighted; any shape.
        trials: Number n of trials, at least 0; a shape that broadcasts with `successes`.
        level: Nominal coverage 1 - a, in (0, 1).
        design_effect: Number of grouped trials with the information of one independent trial, at least 1.

    Returns:
        Lower and upper bound in [0, 1], in the broadcast shape. Without trials they are (0, 1).

    Raises:
        ValueError: x, n, the level or the design effect is out of range.

    Source: Clopper & Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the
        binomial". Dividing x and n: Korn & Graubard 1998, "Confidence intervals for proportions with small expected
        number of positive counts estimated from survey data".

    Example:
        >>> low, high = clopper_pearson(0, 21)
        >>> float(low), round(float(high), 4)  # 0 and 1 - 0.025^(1 / 21)
        (0.0, 0.1611)
    """
    from scipy.special import betaincinv

    x, n = _effective(successes, trials, design_effect)
    outside = tail(level)
    low = betaincinv(np.where(x > 0, x, 1), n - x + 1, outside)
    high = betaincinv(x + 1, np.where(x < n, n - x, 1), 1 - outside)
    return _closed(low, high, x, n)


def design_effect(successes: ArrayLike, groups: ArrayLike) -> float:
    """Variance of a proportion over grouped examples, relative to the same number of independent examples.

    `v / (p (1 - p) / n)` with the variance of a ratio over m groups, `v = m / (m - 1) * sum_g r_g^2 / n^2`,
    where `r_g = x_g - n_g p` for x_g successes among the n_g examples of group g.

    Args:
        successes: Whether each example succeeded, boolean or 0/1, shape (n,).
        groups: Group of each example, sortable values, shape (n,).

    Returns:
        Design effect d of at least 1: n examples have the information of n / d independent examples. It is 1.0 if
        every group has one example. If it cannot be estimated (one group, or p of 0 or 1), the examples of a group
        count as one: `sum of n_g^2 / n`. With fewer than about 20 groups the estimate is itself uncertain.

    Raises:
        ValueError: Lengths differ, or a success is not 0 or 1.

    Source: Rao & Scott 1992, "A simple method for the analysis of clustered binary data".
        Departure: values below 1 become 1, so grouping never narrows an interval.

    Example:
        >>> design_effect([1, 1, 0, 0], groups=["a", "a", "b", "b"])  # r = 1, -1: (2 * 2 / 16) / (1 / 16)
        4.0
    """
    y, codes = np.asarray(successes), unit_codes(groups, "groups")
    if y.shape != codes.shape or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"successes: found shape {y.shape}, values {np.unique(y)[:5]}; expected shape {codes.shape}, the shape of "
            "groups, with values 0 and 1"
        )
    n, total = len(y), float(y.sum())
    m = int(codes.max(initial=-1)) + 1
    if m == n:
        return 1.0
    if m == 1 or total in (0, n):
        return float((np.bincount(codes).astype(np.float64) ** 2).sum() / n)
    p = total / n
    residuals = np.bincount(codes, y - p)
    return max(1.0, float(m / (m - 1) * (residuals**2).sum() / (n * p * (1 - p))))


def cautious_design_effect(successes: ArrayLike, groups: ArrayLike) -> float:
    """Design effect that allows for being estimated itself, from few groups.

    `design_effect` times the square of Student's over the normal quantile, with the groups less one as degrees of
    freedom, where a group has several examples.

    Args:
        successes: Whether each example succeeded, boolean or 0/1, shape (n,).
        groups: Group of each example, sortable values, shape (n,).

    Returns:
        At least 1. Of a single group it is the number of examples.

    Raises:
        ValueError: Lengths differ, or a success is not 0 or 1.

    Source: Korn & Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts
        estimated from survey data".

    Example:
        >>> cautious_design_effect([1, 0, 1, 0], groups=range(4))
        1.0
        >>> round(cautious_design_effect([1, 1, 0, 0], groups=["a", "a", "b", "b"]), 1)  # 4 (12.71 / 1.96)^2
        168.1
    """
    from scipy.special import ndtri, stdtrit

    effect, codes = design_effect(successes, groups), unit_codes(groups, "groups")
    m = int(codes.max(initial=-1)) + 1
    return effect * float((stdtrit(m - 1, 0.975) / ndtri(0.975)) ** 2) if 1 < m < len(codes) else effect


def _closed(low: FloatArray, high: FloatArray, x: FloatArray, n: FloatArray) -> tuple[Values, Values]:
    """Clip to [0, 1]. The lower bound is exactly 0 for 0 successes, the upper exactly 1 for n of n."""
    return np.where(x == 0, 0, np.clip(low, 0, 1))[()], np.where(x == n, 1, np.clip(high, 0, 1))[()]


def _effective(successes: ArrayLike, trials: ArrayLike, effect: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Check successes and trials, and divide both by the design effect."""
    x, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    wrong = ~((x >= 0) & (x <= n) & np.isfinite(n))
    if wrong.any():
        raise ValueError(
            f"found {x[wrong][0]:g} successes of {n[wrong][0]:g} trials ({wrong.sum()} of {wrong.size} are wrong); "
            "expected 0 <= successes <= trials"
        )
    d = np.asarray(effect, dtype=np.float64)
    if not (np.isfinite(d) & (d >= 1)).all():
        raise ValueError(f"design_effect: found {d}; expected finite values of at least 1")
    x, n, _ = np.broadcast_arrays(x / d, n / d, d)
    return x, n
