"""SVG primitives for `charts`: elements, text that fits, points and intervals. They set no colours."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Sequence

import numpy as np

EM = 0.6
"""Mean width of a character in font sizes. It is large enough for the widest system font."""

SERIES = 7
"""Number of CSS classes for series, `s0` to `s6`, that have a colour in the style sheet."""


def finite(value: float | None) -> float | None:
    """Return the value as a float, or None if it is missing, NaN or infinite.

    Example:
        >>> finite(0.5), finite(float("nan")), finite(None)
        (0.5, None, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def escape(text: str) -> str:
    """Escape a text for XML, and drop characters that XML 1.0 does not allow.

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
        ValueError: if the value is NaN or infinite, which would make the drawing invalid.

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
        name: The tag.
        content: The children, already escaped.
        attributes: Strings (escaped here) or finite numbers in units of the viewBox.

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
    """Estimate the width of a text, in the unit of its font size. East Asian wide characters count as one em.

    Example:
        >>> round(text_width("abc", 10), 1), round(text_width("日本", 10), 1)
        (18.0, 20.0)
    """
    return size * sum(
        0.0 if unicodedata.combining(c) else 1.0 if unicodedata.east_asian_width(c) in "WF" else EM for c in text
    )


def shorten(text: str, width: float, size: float) -> str:
    """Shorten a text that is wider than `width` and end it with an ellipsis.

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
    """Break a name after a space, underscore, hyphen or slash into at most two lines, each shortened to `width`.

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
    """Draw a text at its baseline, shortened to `max_width`. The tooltip of a shortened text has its full length.

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
    """Draw a rectangle; a negative width counts as zero."""
    return el("rect", x=x, y=y, width=max(width, 0), height=max(height, 0), rx=radius, class_=class_)


def marker(
    x: float, y: float, radius: float, series: int, *, shape: int = 0, class_: str = "mark", tip: str = ""
) -> str:
    """Draw a point of a series. Shapes 0 to 3 are circle, diamond, square and triangle; then they repeat."""
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


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions apart by at least `gap`, without changing their order, within [low, high] if they fit.

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


def svg(
    width: float,
    height: float,
    body: Sequence[str],
    *,
    title: str,
    alt: str,
    kind: str,
    min_width: float = 0,
    max_width: float | None = None,
) -> str:
    """Wrap a drawing into an `<svg>` that fills its column, up to a quarter more than its own width.

    Args:
        width: Width of the viewBox.
        height: Height of the viewBox.
        body: Elements, in order of drawing.
        title: Short name, also the tooltip.
        alt: Text alternative for readers who cannot see the chart.
        kind: Name of the chart, used as a CSS class.
        min_width: Smallest width in CSS px; on narrower screens the chart scrolls.
        max_width: Largest width in CSS px; None for 1.25 times `width`, 0 for no limit.

    Returns:
        The chart as a string without line breaks.
    """
    limits = {"max-width": 1.25 * width if max_width is None else max_width, "min-width": min_width}
    style = ";".join(f"{name}:{num(limit)}px" for name, limit in limits.items() if limit)
    return el(
        "svg",
        el("title", escape(title) or "chart") + "".join(body),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {num(width)} {num(height)}",
        width="100%",
        **({"style": style} if style else {}),
        class_=f"chart {kind}",
        role="img",
        aria_label=alt or title or "chart",
    )
