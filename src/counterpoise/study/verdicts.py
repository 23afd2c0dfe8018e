"""Whether an arm of a study differs from its control, with one interval from which the word follows.

Arms are compared by cross-fitting: K folds of units, R repeats, the same for all arms. Every unit is tested once in
each repeat, by a model that was trained and tuned without it. A unit is what must not be separated (an image, or
images of one group or near duplicates), and it is what is counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
"""All intervals of a study contain the true differences at the same time with this probability."""
MARGIN = 0.05
"""A smaller difference counts as none, unless the study sets another margin."""
LEAST_UNITS = 10
"""With fewer units of the rarest class nothing is said."""
POWER = 0.8
"""What a data set can show is what it finds with this probability."""
ENOUGH_VALUES = 10
"""From fewer differences (folds times repeats) V_rep is so uncertain that the interval is made wider; see `_df`."""
MOST = 100.0
"""More times as many units are not counted."""

Word = Literal["better", "worse", "equivalent", "undecided", "identical"]


@dataclass(frozen=True)
class Estimate:
    """A difference between an arm and its control, and where its variance comes from.

    Attributes:
        difference: D, arm minus control, the mean over folds and repeats.
        image_variance: V_img, from which images the data set happens to hold.
        repeat_variance: V_rep, from folds, draws and initialisation.
        units: m, units of the rarest class.
        values: K R, how many differences the mean is of.
    """

    difference: float
    image_variance: float
    repeat_variance: float
    units: int
    values: int

    @property
    def variance(self) -> float:
        """V = V_img + V_rep."""
        return self.image_variance + self.repeat_variance


@dataclass(frozen=True)
class NoVerdict:
    """Nothing is said.

    Attributes:
        reason: Why, as the end of a sentence.
    """

    reason: str


@dataclass(frozen=True)
class Verdict:
    """What a study says of one arm.

    Attributes:
        word: `better` or `worse` (the interval leaves out 0), `equivalent` (it lies inside plus or minus the margin),
            `undecided`, or `identical` (every unit counts the same in every fold).
        difference: Arm minus control.
        low: Lower end of the interval, which covers the truth for all comparisons together.
        high: Its upper end.
        se: Standard error of the difference.
        df: Its degrees of freedom; infinite where identical.
        p_value: Of no difference, for this comparison alone.
        p_adjusted: The same for all comparisons together; below 0.05 where the interval leaves out 0.
        detectable: The true difference that is found with probability `POWER`.
        units: Of the rarest class.
        units_factor: Of an undecided arm: about how many times as many units of this class would decide with
            probability `POWER`, if the difference is as estimated; infinite above `MOST`. Otherwise `None`.
        repeats_help: Of an undecided arm: whether it would be decided if repeats added no variance.
    """

    word: Word
    difference: float
    low: float
    high: float
    se: float
    df: float
    p_value: float
    p_adjusted: float
    detectable: float
    units: int
    units_factor: float | None
    repeats_help: bool


def compare(
    differences: ArrayLike,
    influences: ArrayLike,
    folds: ArrayLike,
    rarest: ArrayLike,
    *,
    comparisons: int,
    margin: float = MARGIN,
    least: float = 0.0,
    needed: int = LEAST_UNITS,
) -> Verdict | NoVerdict:
    """Judge an arm by its folds and units.

    Args:
        differences: (R, K) figure of the arm minus that of its control, by repeat and fold; NaN where undefined.
        influences: (R, u) sum of the influence values of the images of each unit, arm minus control, in the fold that
            tests the unit. An influence value is the derivative of the figure of the fold by the weight of an image.
        folds: (R, u) the fold, in 0..K-1, that tests each unit.
        rarest: (u,) whether a unit holds the rarest class, or the class that the figure is of.
        comparisons: C, how many comparisons the study declares, at least 1.
        margin: A smaller difference counts as none; above 0.
        least: Of a figure that counts decisions, the variance that one unit adds; see `of_one_unit`.
        needed: How many units of the class are enough. With fewer than `LEAST_UNITS`, which are for means over labels
            of which others are less rare, a fold may test one of them.

    Returns:
        A verdict, or why there is none: fewer units of the class than needed, a fold in which the figure is undefined
        or that tests fewer than two of these units, or a difference without any variance.

    Raises:
        ValueError: Shapes do not suit each other, or a number is out of range.
    """
    d, holds = np.asarray(differences, dtype=np.float64), np.asarray(rarest, dtype=np.bool_)
    fold_of, phi = np.asarray(folds, dtype=np.int64), np.asarray(influences, dtype=np.float64)
    if d.ndim != 2 or d.size < 2 or fold_of.shape != (len(d), len(holds)) or phi.shape != fold_of.shape:
        raise ValueError(
            f"found differences {d.shape}, influences {phi.shape}, folds {fold_of.shape}, rarest {holds.shape}; "
            "expected (R, K) with R K > 1, (R, u), (R, u), (u,)"
        )
    if (units := int(holds.sum())) < needed:
        return NoVerdict(f"{units} independent images of the class are too few; at least {needed} are needed")
    tested = np.stack([np.bincount(row[holds], minlength=d.shape[1]) for row in fold_of])
    for what, wrong in (
        ("the figure is undefined in fold {} of repeat {}", ~np.isfinite(d)),
        (
            "fold {} of repeat {} tests fewer than two independent images of the class",
            (tested < 2) & (needed >= LEAST_UNITS),
        ),
    ):
        if wrong.any():
            repeat, fold = np.argwhere(wrong)[0]
            return NoVerdict(f"{what.format(fold + 1, repeat + 1)}; use fewer folds")
    return judge(estimate(d, phi, fold_of, tested, least), comparisons=comparisons, margin=margin)


def estimate(
    differences: NDArray[np.float64],
    influences: NDArray[np.float64],
    folds: NDArray[np.int64],
    tested: NDArray[np.int64],
    least: float = 0.0,
) -> Estimate:
    """Estimate the difference and its two variances.

    psi_i = mean over repeats of phi_i / K sqrt(m_f / (m_f - 1)), V_img = sum over units of psi_i^2 and
    V_rep = var(d_rf) / (K R), with m_f units of the rarest class in fold f, or 2 if there are fewer.

    V_img is at least `least` where any unit counts differently: arms that decide differently for a few images of
    frequent classes, and by chance for none of the rarest class, would seem certain otherwise.

    Args:
        differences: (R, K) by repeat and fold, finite.
        influences: (R, u) phi of each unit, arm minus control.
        folds: (R, u) the fold that tests each unit.
        tested: (R, K) how many units of the rarest class each fold tests.
        least: Of a figure that counts decisions, `of_one_unit`; of a ranking 0.

    Source: the infinitesimal jackknife, Efron 1982, "The jackknife, the bootstrap and other resampling plans",
        chapter 6; degrees of freedom by Satterthwaite 1946. That the sum of both variances covers the truth is shown by
        simulation in `benchmarks/verdicts.py`.
    """
    shape, repeat = differences.shape, np.arange(len(folds))[:, None]
    counted = np.maximum(tested, 2)
    scale = np.sqrt(counted / (counted - 1)) / shape[1]
    psi = (influences * scale[repeat, folds]).mean(axis=0)
    of_images = float((psi**2).sum())
    spread = float(differences.var(ddof=1)) if np.ptp(differences) > 0 else 0.0  # exactly 0 for equal values
    return Estimate(
        difference=float(differences.mean()),
        image_variance=max(of_images, least) if influences.any() or spread > 0 else 0.0,
        repeat_variance=spread / differences.size,
        units=int(tested[0].sum()),
        values=differences.size,
    )


def of_one_unit(units: ArrayLike) -> float:
    """Compute what one unit of each class adds to V_img when its decisions change in every repeat.

    `sum_c (1 / (C m_c))^2`, for a mean over C classes of shares of m_c units.

    Args:
        units: (c,) m_c; classes without units do not count.

    Example:
        >>> of_one_unit([20, 10])  # (1 / 40)^2 + (1 / 20)^2
        0.003125
    """
    present = np.asarray(units, dtype=np.float64)
    present = present[present > 0]
    return float((1 / (len(present) * present) ** 2).sum())


def judge(found: Estimate, *, comparisons: int, margin: float = MARGIN) -> Verdict | NoVerdict:
    """Say which word follows from an estimate.

    The interval is D +- t(1 - a / 2, df) sqrt(V), with a = 1 - .95^(1 / C), and df as `_df` says.

    Args:
        found: The difference.
        comparisons: C, at least 1.
        margin: A smaller difference counts as none; above 0.

    Raises:
        ValueError: A number is out of range.

    Source: the simultaneous level is that of Sidak 1967. One interval serves both claims, difference and equivalence,
        so that they cannot contradict each other.

    Example:
        >>> found = Estimate(0.04, 8e-5, 6.6667e-5, units=84, values=10)
        >>> verdict = judge(found, comparisons=24)
        >>> verdict.word, round(verdict.low, 7), round(verdict.high, 7)
        ('better', 6.57e-05, 0.0799343)
    """
    if comparisons < 1 or not margin > 0:
        raise ValueError(f"found {comparisons} comparisons and a margin of {margin}; expected at least 1, and above 0")
    if found.variance == 0:
        if found.difference != 0:
            return NoVerdict("the difference is the same in every fold and for every image: its variance is unknown")
        return Verdict("identical", 0.0, 0.0, 0.0, 0.0, math.inf, 1.0, 1.0, 0.0, found.units, None, repeats_help=False)
    tail = -math.expm1(math.log(LEVEL) / comparisons) / 2
    se, d = math.sqrt(found.variance), found.difference
    df = _df(found.image_variance, found.repeat_variance, found.units, found.values, tail)
    half = -float(stdtrit(df, tail)) * se
    word = _word(d - half, d + half, margin)
    p_value = min(1.0, 2 * float(stdtr(df, -abs(d) / se)))
    undecided = word == "undecided"
    return Verdict(
        word=word,
        difference=d,
        low=d - half,
        high=d + half,
        se=se,
        df=df,
        p_value=p_value,
        p_adjusted=-math.expm1(comparisons * math.log1p(-p_value)) if p_value < 1 else 1.0,
        detectable=half + float(stdtrit(df, POWER)) * se,
        units=found.units,
        units_factor=_units_factor(found, tail, margin) if undecided else None,
        repeats_help=undecided and _repeats_help(found, tail, margin),
    )


def power(found: Verdict, difference: ArrayLike, *, comparisons: int, factor: float = 1.0) -> NDArray[np.float64]:
    """Compute how often an interval would leave out 0, with `factor` times as many units.

    `P(t > t(1 - a / 2) - |d| / se)`, with se over the root of the factor, and as many degrees of freedom, since more
    units make V_rep no more certain; the other side of the interval hardly adds to it, except near a difference of 0.

    Args:
        found: A verdict that is not `identical`; its standard error is that of studies like it.
        difference: True differences.
        comparisons: C, at least 1.
        factor: How many times as many units, above 0.

    Example:
        >>> verdict = judge(Estimate(0.04, 8e-5, 6.6667e-5, units=84, values=10), comparisons=24)
        >>> bool(np.isclose(power(verdict, verdict.detectable, comparisons=24), POWER))
        True
    """
    df, se = found.df, found.se / math.sqrt(factor)
    tail = -math.expm1(math.log(LEVEL) / comparisons) / 2
    sizes = np.abs(np.asarray(difference, dtype=np.float64)) / se
    return np.asarray(stdtr(df, sizes + float(stdtrit(df, tail))))


def _word(low: float, high: float, margin: float) -> Word:
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    return "equivalent" if -margin < low and high < margin else "undecided"


def _df(image_variance: float, repeat_variance: float, units: float, values: int, tail: float) -> float:
    """Degrees of freedom of the sum of two variances; of one alone where the other is 0.

    `V^2 / (V_img^2 / (m - 1) + V_rep^2 / (K R - 1))`. From fewer than `ENOUGH_VALUES` differences V_rep is often far
    too small by chance, and this is too many: with 3 folds x 1 repeat, and seeds that matter more than images, a study
    of 17 arms without any difference would often call one better or worse. Then t is the mean of the t of both
    variances, weighted by them, and these are its degrees of freedom.

    Source: Satterthwaite 1946; Cochran and Cox 1957, "Experimental designs", section 4.14. When to take which is from
        simulation, `benchmarks/few_trainings.py`.
    """
    share = repeat_variance / (image_variance + repeat_variance)
    between = (units - 1, values - 1)
    if values >= ENOUGH_VALUES or share in (0, 1) or between[0] == between[1]:
        return 1 / ((1 - share) ** 2 / between[0] + share**2 / between[1])
    of_images, of_repeats = (float(stdtrit(df, tail)) for df in between)
    wanted = (1 - share) * of_images + share * of_repeats

    def beyond(df: float) -> float:
        return float(stdtrit(df, tail)) - wanted

    fewest, most = min(between), max(between)
    if beyond(fewest) >= 0 or beyond(most) <= 0:  # one of the variances hardly counts
        return float(between[round(share)])
    return float(brentq(beyond, fewest, most))


def _repeats_help(found: Estimate, tail: float, margin: float) -> bool:
    half = -float(stdtrit(found.units - 1, tail)) * math.sqrt(found.image_variance)
    return _word(found.difference - half, found.difference + half, margin) != "undecided"


def _units_factor(found: Estimate, tail: float, margin: float) -> float:
    """Solve for the number of units that decides: both variances fall as its inverse.

    It shows the difference where t(1 - a / 2) + t(power) standard errors are below |D|, and equivalence where
    t(1 - a / 2) + t((1 + power) / 2) standard errors are below margin - |D|.
    """
    size = abs(found.difference)

    def lacking(factor: float) -> float:
        se = math.sqrt(found.variance / factor)
        df = _df(found.image_variance, found.repeat_variance, factor * found.units, found.values, tail)
        needed = [float(stdtrit(df, power)) - float(stdtrit(df, tail)) for power in (POWER, (1 + POWER) / 2)]
        return min(needed[0] * se - size, needed[1] * se - (margin - size))

    return math.inf if lacking(MOST) > 0 else float(brentq(lacking, 1.0, MOST))
