"""Scales, round ticks and axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from counterpoise.report.charts.svg import label, line

Scale = Callable[[float], float]
"""A function from a value to a coordinate."""


def linear(domain: tuple[float, float], span: tuple[float, float]) -> Scale:
    """Return the function from values to coordinates; values outside the domain are clipped to it.

    Example:
        >>> to_x = linear((0, 1), (100, 300))
        >>> to_x(0.5), to_x(2.0)
        (200.0, 300.0)
    """
    (low, high), (start, end) = domain, span

    def scale(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low) if high > low else 0.5
        return float(start + share * (end - start))

    return scale


def nice_ticks(low: float, high: float, target: int = 4, *, whole: bool = False) -> list[float]:
    """Return round values that span [low, high], about `target` steps of 1, 2 or 5 times a power of ten.

    Args:
        low: Smallest value to show.
        high: Largest value to show. If it equals `low`, the range is extended by half of it on both sides.
        target: Approximate number of steps.
        whole: Whether to use whole numbers only, as for epochs.

    Returns:
        Ascending ticks; the first is at most `low` and the last at least `high`.

    Example:
        >>> nice_ticks(0, 1)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        >>> nice_ticks(0.3, 0.3)
        [0.1, 0.2, 0.3, 0.4, 0.5]
    """
    if low > high:
        low, high = high, low
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = 0.5 * max(abs(low), 1e-6) if low else 0.5
        low, high = low - pad, high + pad
    raw = (high - low) / target
    power = 10.0 ** math.floor(math.log10(raw))
    steps = [factor * power for factor in (1, 2, 5, 10)]
    if whole:
        steps = [step for step in steps if step >= 1] or [1.0]
    step = min(steps, key=lambda candidate: abs(math.log(candidate / raw)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def write_power(value: float) -> str:
    """Write a very small or large value with mantissa and exponent.

    Example:
        >>> write_power(1e-7), write_power(2.5e-5)
        ('1e-7', '2.5e-5')
    """
    mantissa, exponent = f"{value:.4e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Write ticks with the same number of decimals: the fewest that show their exact values.

    Example:
        >>> tick_texts([0.0, 0.25, 0.5])
        ['0', '0.25', '0.50']
        >>> tick_texts([0.0, 5e-5, 1e-4])
        ['0', '5e-5', '1e-4']
    """
    biggest = max((abs(tick) for tick in ticks), default=0.0)
    if biggest and not 1e-3 <= biggest < 1e7:
        return ["0" if tick == 0 else write_power(tick) for tick in ticks]
    decimals = next(
        d for d in range(17) if d == 16 or all(abs(round(t, d) - t) < 1e-10 + 1e-9 * biggest for t in ticks)
    )
    return ["0" if tick == 0 else f"{tick:,.{decimals}f}".replace("-", "−") for tick in ticks]


def axes(
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    left: float,
    right: float,
    top: float,
    bottom: float,
    *,
    x_label: str = "",
    y_label: str = "",
    x_domain: tuple[float, float] | None = None,
    y_texts: Sequence[str] | None = None,
    flush: bool = False,
) -> tuple[str, Scale, Scale]:
    """Draw grid lines, tick labels and axis titles. The outer ticks are the domain of the scales.

    Args:
        x_ticks: Ascending values on the horizontal axis, at least one.
        y_ticks: Ascending values on the vertical axis; empty for no axis.
        left: Left edge of the plot, in units of the viewBox, like the other edges.
        right: Right edge.
        top: Upper edge.
        bottom: Lower edge.
        x_label: Title under the horizontal axis.
        y_label: Title above the vertical axis, horizontal.
        x_domain: Ends of the horizontal axis, if they are not ticks. Ticks beyond them are left out.
        y_texts: Labels of the vertical ticks; None for their values.
        flush: Whether to keep the outer labels of the horizontal axis between `left` and `right`.

    Returns:
        The drawing, the scale of x values, and the scale of y values.
    """
    low, high = x_domain or (x_ticks[0], x_ticks[-1])
    x_ticks = [tick for tick in x_ticks if low <= tick <= high]
    to_x = linear((low, high), (left, right))
    to_y = linear((y_ticks[0], y_ticks[-1]) if len(y_ticks) else (0, 1), (bottom, top))
    drawn = []
    for tick, written in zip(y_ticks, y_texts or tick_texts(y_ticks), strict=True):
        drawn.append(line(left, to_y(tick), right, to_y(tick), "axis" if tick == y_ticks[0] else "hair"))
        drawn.append(label(left - 6, to_y(tick) + 4, written, size=12, anchor="end", class_="muted"))
    for i, (tick, written) in enumerate(zip(x_ticks, tick_texts(x_ticks), strict=True)):
        x, anchor = to_x(tick), "middle"
        if len(y_ticks):
            drawn.append(line(x, bottom, x, bottom + 4, "axis"))
        else:
            drawn.append(line(x, top, x, bottom, "hair"))
        if flush and i in (0, len(x_ticks) - 1):
            anchor = "start" if i == 0 else "end"
        drawn.append(label(x, bottom + 17, written, size=12, anchor=anchor, class_="muted"))
    if x_label:
        drawn.append(label((left + right) / 2, bottom + 35, x_label, size=12, anchor="middle", class_="muted"))
    if y_label:
        drawn.append(label(2, top - 12, y_label, size=12, class_="muted", max_width=right - 2))
    return "".join(drawn), to_x, to_y
