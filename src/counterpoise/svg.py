"""SVG primitives for `charts`: elements, text that fits, scales and ticks. Strings only, no colours."""

import html
import math
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

Scale = Callable[[float], float]

EM = 0.6
"""Mean width of a character in font sizes; generous, so that the widest of the system fonts still fits."""

SERIES = 7
"""Number of series classes, `s0` to `s6`, that the style sheet colours."""


def finite(value: float | None) -> float | None:
    """Return the value as a float, or None where it is missing, NaN or infinite.

    Example:
        >>> finite(0.5), finite(float("nan")), finite(None)
        (0.5, None, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def escape(text: str) -> str:
    """Escape a text for XML, and drop the characters that XML 1.0 cannot hold at all.

    Example:
        >>> escape('a < "b"' + chr(0))
        'a &lt; &quot;b&quot;'
    """
    kept = (
        c for c in text if c in "\t\n\r" or (c >= " " and not 0xD800 <= ord(c) <= 0xDFFF and c not in "\ufffe\uffff")
    )
    return html.escape("".join(kept), quote=True)


def num(value: float) -> str:
    """Write a coordinate with at most two decimals.

    Raises:
        ValueError: the value is NaN or infinite, which would make the drawing invalid.

    Example:
        >>> num(12.0), num(1 / 3)
        ('12', '0.33')
    """
    if not math.isfinite(value):
        raise ValueError(f"a coordinate is {value}; expected a finite number; test with finite() before drawing")
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def el(name: str, content: str = "", /, **attributes: str | float) -> str:
    """Write one element; `class_` and `stroke_width` become `class` and `stroke-width`.

    Args:
        name: Tag.
        content: Children, already escaped.
        attributes: Texts (escaped here) or finite numbers in units of the viewBox.

    Returns:
        The element as a string.

    Example:
        >>> el("rect", x=1.5, class_="bar s0")
        '<rect x="1.5" class="bar s0"/>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value) if isinstance(value, str) else num(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text_width(text: str, size: float) -> float:
    """Estimate the width of a text, in the unit of its font size; East Asian wide characters count one em.

    Example:
        >>> round(text_width("abc", 10), 1), round(text_width("日本", 10), 1)
        (18.0, 20.0)
    """
    return size * sum(
        0.0 if unicodedata.combining(c) else 1.0 if unicodedata.east_asian_width(c) in "WF" else EM for c in text
    )


def shorten(text: str, width: float, size: float) -> str:
    """Cut a text that is wider than `width` and end it with an ellipsis.

    Example:
        >>> shorten("functional", 36, 10)
        'funct…'
    """
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap(text: str, width: float, size: float) -> list[str]:
    """Break a name after a space, underscore, hyphen or slash into at most two lines, each cut to `width`.

    Example:
        >>> wrap("probably_functional", 72, 11)
        ['probably_', 'functional']
    """
    if text_width(text, size) <= width:
        return [text]
    breaks = [i + 1 for i, c in enumerate(text[:-1]) if c in " _-/" and text_width(text[: i + 1], size) <= width]
    if not breaks:
        return [shorten(text, width, size)]
    return [text[: breaks[-1]].rstrip(" "), shorten(text[breaks[-1] :], width, size)]


def label(
    x: float,
    y: float,
    content: str,
    *,
    size: float = 13,
    anchor: str = "start",
    class_: str = "",
    max_width: float = math.inf,
    rotate: float = 0,
) -> str:
    """Write a text at its baseline, cut to `max_width`; a cut text keeps its full length as a tooltip.

    Args:
        x: Anchor point.
        y: Baseline.
        content: The text, not yet escaped.
        size: Font size.
        anchor: "start", "middle" or "end".
        class_: Classes of the style sheet, such as "muted", "strong", "halo".
        max_width: Longest width allowed, in units of the viewBox.
        rotate: Degrees, clockwise, about the anchor point.

    Returns:
        One `<text>` element.
    """
    shown = shorten(content, max_width, size)
    tip = el("title", escape(content)) if shown != content else ""
    attributes: dict[str, str | float] = {"x": x, "y": y, "font_size": size}
    if anchor != "start":
        attributes["text_anchor"] = anchor
    if class_:
        attributes["class_"] = class_
    if rotate:
        attributes["transform"] = f"rotate({num(rotate)} {num(x)} {num(y)})"
    return el("text", tip + escape(shown), **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """Draw a straight line."""
    return el("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rect(x: float, y: float, width: float, height: float, class_: str, radius: float = 0) -> str:
    """Draw a rectangle; a width below zero is drawn as zero."""
    return el("rect", x=x, y=y, width=max(width, 0), height=max(height, 0), rx=radius, class_=class_)


def marker(
    x: float, y: float, radius: float, series: int, *, shape: int = 0, class_: str = "mark", tip: str = ""
) -> str:
    """Draw a point of a series; shapes 0 to 3 are circle, diamond, square and triangle, then they repeat."""
    classes = f"{class_} s{series % SERIES}"
    inside = el("title", escape(tip)) if tip else ""
    if shape % 4 == 0:
        return el("circle", inside, cx=x, cy=y, r=radius, class_=classes)
    corners = {
        1: [(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
        2: [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        3: [(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)],
    }[shape % 4]
    points = " ".join(f"{num(x + dx * radius)},{num(y + dy * radius)}" for dx, dy in corners)
    return el("polygon", inside, points=points, class_=classes)


def whisker(x1: float, y1: float, x2: float, y2: float, series: int, cap: float = 4) -> str:
    """Draw an interval, horizontal or vertical, with a cap at each end."""
    classes = f"whisker s{series % SERIES}"
    (dx, dy) = (0.0, cap) if y1 == y2 else (cap, 0.0)
    return (
        line(x1, y1, x2, y2, classes)
        + line(x1 - dx, y1 - dy, x1 + dx, y1 + dy, classes)
        + line(x2 - dx, y2 - dy, x2 + dx, y2 + dy, classes)
    )


def linear(domain: tuple[float, float], span: tuple[float, float]) -> Scale:
    """Return the map from values to coordinates; values outside the domain stay on its edge.

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
        high: Largest value to show; where it equals `low`, the range is opened by half of it on both sides.
        target: Number of steps wished for.
        whole: Only whole numbers, as for epochs.

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
    """Write a very small or large value as mantissa and exponent.

    Example:
        >>> write_power(1e-7), write_power(2.5e-5)
        ('1e-7', '2.5e-5')
    """
    mantissa, exponent = f"{value:.4e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Write ticks with the same number of decimals, the fewest that tell them apart exactly.

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


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions apart to at least `gap`, in their order, and inside [low, high] if they fit.

    Example:
        >>> spread([50, 50, 90], 10, 0, 100)
        [45.0, 55.0, 90.0]
    """
    order = [int(i) for i in np.argsort(positions, kind="stable")]
    placed = np.asarray(positions, dtype=float)[order]
    for _ in range(50):
        overlaps = gap - np.diff(placed)
        if not (overlaps > 1e-6).any():
            break
        for i in np.flatnonzero(overlaps > 1e-6).tolist():
            move = max(gap - (placed[i + 1] - placed[i]), 0) / 2
            placed[i] -= move
            placed[i + 1] += move
    for i in range(len(placed)):
        placed[i] = max(placed[i], low if i == 0 else placed[i - 1] + gap)
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], high if i == len(placed) - 1 else placed[i + 1] - gap)
    result = np.empty_like(placed)
    result[order] = placed
    return [float(y) for y in result]


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
    """Draw hairlines, tick labels and axis titles; the outer ticks are the domain of the scales.

    Args:
        x_ticks: Ascending values along the horizontal axis, at least one.
        y_ticks: Ascending values along the vertical axis; empty for none.
        left: Left edge of the plot, in units of the viewBox, as are the others.
        right: Right edge.
        top: Upper edge.
        bottom: Lower edge.
        x_label: Title under the horizontal axis.
        y_label: Title above the vertical axis, written horizontally.
        x_domain: Ends of the horizontal axis where they are not ticks; ticks beyond them are left out.
        y_texts: What to write at the vertical ticks; None writes their values.
        flush: Keep the outer labels of the horizontal axis between `left` and `right`.

    Returns:
        The drawing, the scale from x values to coordinates, and that from y values.
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


def svg(
    width: float, height: float, body: Sequence[str], *, title: str, alt: str, kind: str, min_width: float = 0
) -> str:
    """Wrap a drawing into an `<svg>` that fills its column, up to an eighth more than its own width.

    Args:
        width: Width of the viewBox.
        height: Height of the viewBox.
        body: Elements, in order of drawing.
        title: Short name, also the tooltip.
        alt: Text alternative: what a reader who does not see the chart should know.
        kind: Second class of the element, the name of the chart.
        min_width: CSS px under which the chart does not shrink (its figure then scrolls).

    Returns:
        The chart as a string without line breaks.
    """
    style = f"max-width:{num(width * 1.125)}px" + (f";min-width:{num(min_width)}px" if min_width else "")
    return el(
        "svg",
        el("title", escape(title) or "chart") + "".join(body),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {num(width)} {num(height)}",
        width="100%",
        style=style,
        class_=f"chart {kind}",
        role="img",
        aria_label=alt or title or "chart",
    )
