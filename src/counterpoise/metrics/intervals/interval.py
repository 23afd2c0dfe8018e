"""What an interval is, and the checks that its methods share."""

from __future__ import annotations

from typing import NamedTuple


class Interval(NamedTuple):
    """A confidence interval, or the reason why there is none.

    Attributes:
        low: Lower end, in the unit of the figure; NaN without an interval.
        high: Upper end.
        reason: Why there is no interval, as a clause such as "fewer than 2 units have the class"; empty where there is
            one.
    """

    low: float
    high: float
    reason: str = ""


def missing(reason: str) -> Interval:
    """Say why there is no interval.

    Example:
        >>> missing("fewer than 2 units have the class")
        Interval(low=nan, high=nan, reason='fewer than 2 units have the class')
    """
    return Interval(float("nan"), float("nan"), reason)


def tail(level: float) -> float:
    """Return the probability outside each end of an interval of a level in (0, 1).

    Raises:
        ValueError: The level is out of range.

    Example:
        >>> round(tail(0.95), 3)
        0.025
    """
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}; expected a number between 0 and 1, such as 0.95")
    return (1 - level) / 2
