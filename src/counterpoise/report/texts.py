"""How the report writes numbers and names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROPER_NAMES = {" f1": " F1", "roc auc": "ROC AUC", "matthews": "Matthews correlation", "brier": "Brier"}
"""What a figure is called in words, where that is not its key of `metrics.json`."""


def finite(value: float | None) -> float | None:
    """Return the value as a float, or None if it is missing, NaN or infinite.

    Example:
        >>> finite(0.5), finite(float("nan")), finite(None)
        (0.5, None, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def write_value(value: float | None, digits: int = 2) -> str:
    """Write a figure with fixed decimals, or "n/a".

    Example:
        >>> write_value(0.4286), write_value(float("nan")), write_value(-0.05)
        ('0.43', 'n/a', '−0.05')
    """
    known = finite(value)
    if known is None:
        return "n/a"
    written = f"{known:.{digits}f}"
    if float(written) == 0:
        written = written.removeprefix("-")
    return written.replace("-", "−")


def write_count(count: float) -> str:
    """Write a whole number, with a separator for thousands.

    Example:
        >>> write_count(508), write_count(2624), write_count(224000)
        ('508', '2,624', '224,000')
    """
    if not math.isfinite(count):
        return "n/a"
    return f"{count:,.0f}"


def figure_name(name: str) -> str:
    """Write the name of a figure of `metrics.json` as in a sentence.

    Example:
        >>> figure_name("macro_f1"), figure_name("roc_auc"), figure_name("balanced_accuracy")
        ('macro F1', 'ROC AUC', 'balanced accuracy')
    """
    written = name.replace("_", " ")
    for plain, proper in PROPER_NAMES.items():
        written = written.replace(plain, proper)
    return written


def capitalized(text: str) -> str:
    """Begin a text with a capital letter, and leave its other letters unchanged.

    Example:
        >>> capitalized("macro F1")
        'Macro F1'
    """
    return text[:1].upper() + text[1:]


def write_share(share: float) -> str:
    """Write a share as a percentage. Only exactly 0 is written as 0 %, and only exactly 1 as 100 %.

    Example:
        >>> write_share(0.041), write_share(0.001), write_share(0.999), write_share(1.0)
        ('4 %', '<1 %', '>99 %', '100 %')
    """
    if 0 < share < 0.01:
        return "<1 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"


def write_prevalence(share: float) -> str:
    """Write the share of a class as a percentage with two significant digits, which rare classes need.

    Example:
        >>> write_prevalence(0.0457), write_prevalence(0.5), write_prevalence(0.0004), write_prevalence(1.0)
        ('4.6 %', '50 %', '0.04 %', '100 %')
    """
    percent = 100 * share
    if not math.isfinite(percent):
        return "n/a"
    if percent == 0 or percent >= 9.95:
        return f"{percent:.0f} %" if percent < 99.5 or percent >= 100 else ">99 %"
    decimals = 1 - math.floor(math.log10(percent))
    written = f"{percent:.{decimals}f}"
    return f"{written.rstrip('0').rstrip('.')} %"


def shown(name: str) -> str:
    """Return the name, or "(unnamed)" if it is blank."""
    return name if name.strip() else "(unnamed)"


@dataclass(frozen=True)
class PointEstimate:
    """A figure with its interval.

    Attributes:
        value: The point estimate; None or NaN if it is undefined.
        low: Lower end of the interval; None or NaN if there is none.
        high: Upper end of the interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> PointEstimate:
        """Read a value with its interval from a row of a table. An undefined value gets no interval."""
        value = finite(row["value"])
        return cls(value) if value is None else cls(value, row["low"], row["high"])

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval; None if one is missing."""
        low, high = finite(self.low), finite(self.high)
        return None if low is None or high is None else (low, high)

    @property
    def ends(self) -> tuple[float, float, float]:
        """The value and both ends of the interval; NaN for what is missing."""
        nothing = float("nan")
        low, high = self.interval or (nothing, nothing)
        return nothing if self.value is None else float(self.value), low, high

    def overlaps(self, other: PointEstimate) -> bool:
        """Say whether the intervals of two figures overlap; so they do if one is unknown.

        Example:
            >>> PointEstimate(0.4, 0.3, 0.5).overlaps(PointEstimate(0.6, 0.5, 0.7))
            True
        """
        one, two = self.interval, other.interval
        return one is None or two is None or (one[0] <= two[1] and two[0] <= one[1])

    @property
    def text(self) -> str:
        """The figure as printed.

        Example:
            >>> PointEstimate(0.43, 0.24, 0.63).text, PointEstimate(None).text
            ('0.43 [0.24, 0.63]', 'n/a')
        """
        interval = self.interval
        written = write_value(self.value)
        if interval is not None:
            written += f" [{write_value(interval[0])}, {write_value(interval[1])}]"
        return written
