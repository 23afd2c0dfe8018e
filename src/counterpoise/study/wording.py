"""What a verdict says in a sentence; no sentence says more than its interval."""

from __future__ import annotations

import math

from counterpoise.study.verdicts import NoVerdict, Verdict

DIGITS = 3
MOST_DIGITS = 17
"""More digits are written only where an end would round to the other side of 0 or of the margin, and at most these."""
WRITTEN_FACTOR = 10
"""More times as many images are not written as a number."""
OF_CLASS = "images of this class"


def sentence(found: Verdict | NoVerdict, margin: float, images: str = OF_CLASS) -> str:
    """Say in a sentence what a study found of an arm.

    Args:
        found: Of the arm.
        margin: That the verdict was found with.
        images: Those of which more would decide what is undecided; empty to say nothing of it.

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
        decided = f"; {to_decide(found, images)}" if images else ""
        return f"undecided: {where} holds both no difference and one of {margin:g} or more{decided}"
    inside = -margin < found.low and found.high < margin
    small = f", and is inside ±{margin:g}" if inside else ""
    return f"{found.word}: {where} leaves out 0{small}"


def interval(low: float, high: float, margin: float) -> str:
    """Write an interval with so many digits that neither end rounds to the other side of 0 or of the margin.

    Example:
        >>> interval(0.0000657, 0.0799343, 0.05)
        '[0.0001, 0.0799]'
    """
    digits = digits_of(low, high, margin)
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def with_interval(found: Verdict, margin: float) -> str:
    """Write a difference with its sign and its interval, with as many digits as `interval`.

    Example:
        >>> nan = math.nan
        >>> with_interval(Verdict("better", 0.04, 6.57e-5, 0.0799, nan, nan, nan, nan, nan, 84, None, False), 0.05)
        '+0.0400 [0.0001, 0.0799]'
    """
    written = signed(found.difference, digits_of(found.low, found.high, margin))
    return f"{written} {interval(found.low, found.high, margin)}"


def signed(value: float, digits: int) -> str:
    """Write a number with its sign; what rounds to 0 has none.

    Example:
        >>> signed(0.04, 3), signed(-0.0001, 3)
        ('+0.040', '0.000')
    """
    written = f"{value:+.{digits}f}"
    return written if float(written) else written.lstrip("+-")


def digits_of(low: float, high: float, margin: float, least: int = DIGITS) -> int:
    """Count the decimals, at least so many, with which no end rounds to the other side of 0 or of the margin."""
    for digits in range(least, MOST_DIGITS):
        ends = [float(f"{end:.{digits}f}") for end in (low, high)]
        if all(
            _side(end, m) == _side(shown, m)
            for end, shown in zip((low, high), ends, strict=True)
            for m in (-margin, 0.0, margin)
        ):
            return digits
    return MOST_DIGITS


def to_decide(found: Verdict, images: str = OF_CLASS) -> str:
    """Say what would decide an undecided arm, if the difference is as estimated.

    Args:
        found: An undecided arm.
        images: Of which more are needed.
    """
    factor = found.units_factor
    assert factor is not None, "only an undecided verdict has a factor"
    if factor > WRITTEN_FACTOR:
        many = f"more than {WRITTEN_FACTOR} times"
    else:
        many = f"about {math.ceil(10 * factor) / 10 if factor < 2 else math.ceil(factor)} times"
    repeats = "more repeats may help" if found.repeats_help else "more repeats alone are unlikely to"
    return f"{many} as many {images} would decide it in 4 of 5 cases if the difference is as measured, {repeats}"


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)
