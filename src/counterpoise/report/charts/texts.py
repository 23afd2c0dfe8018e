"""How the report writes numbers and names."""

from __future__ import annotations

import math

from counterpoise.report.charts.svg import finite


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
