"""What a verdict says in a sentence; no sentence says more than its interval."""

from __future__ import annotations

import math

from counterpoise.study.verdicts import NoVerdict, Verdict

DIGITS = 3
MOST_DIGITS = 8
"""More digits are written only where an end would round to the other side of 0 or of the margin, and at most these."""
WRITTEN_FACTOR = 10
"""More times as many images are not written as a number."""


def sentence(found: Verdict | NoVerdict, margin: float) -> str:
    """Say in a sentence what a study found of an arm.

    Args:
        found: Of the arm.
        margin: That the verdict was found with.

    Example:
        >>> sentence(NoVerdict("8 independent images of the class are too few; at least 10 are needed"), 0.05)
        'no verdict: 8 independent images of the class are too few; at least 10 are needed'
    """
    if isinstance(found, NoVerdict):
        return f"no verdict: {found.reason}"
    if found.word == "identical":
        return "identical: every image counts the same as with the control"
    where = f"the interval {interval(found.low, found.high, margin)}"
    if found.word == "equivalent":
        return f"equivalent: {where} is inside ±{margin:g}"
    if found.word == "undecided":
        return f"undecided: {where} holds both no difference and one of {margin:g} or more; {to_decide(found)}"
    inside = -margin < found.low and found.high < margin
    small = f", and is inside ±{margin:g}" if inside else ""
    return f"{found.word}: {where} leaves out 0{small}"


def interval(low: float, high: float, margin: float) -> str:
    """Write an interval with so many digits that neither end rounds to the other side of 0 or of the margin.

    Example:
        >>> interval(0.0000657, 0.0799343, 0.05)
        '[0.0001, 0.0799]'
    """
    for digits in range(DIGITS, MOST_DIGITS + 1):
        ends = [float(f"{end:.{digits}f}") for end in (low, high)]
        if all(
            _side(end, m) == _side(shown, m)
            for end, shown in zip((low, high), ends, strict=True)
            for m in (-margin, 0.0, margin)
        ):
            break
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def to_decide(found: Verdict) -> str:
    """Say what would decide an undecided arm, if the difference is as estimated.

    Args:
        found: An undecided arm.
    """
    factor = found.units_factor
    assert factor is not None, "only an undecided verdict has a factor"
    if factor > WRITTEN_FACTOR:
        many = f"more than {WRITTEN_FACTOR} times"
    else:
        many = f"about {math.ceil(10 * factor) / 10 if factor < 2 else math.ceil(factor)} times"
    repeats = "more repeats may help" if found.repeats_help else "more repeats alone are unlikely to"
    return f"{many} as many images of this class would decide it if the difference is as measured, {repeats}"


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)
