"""Text that fits: widths by a table of no font, so that a chart has the same bytes on every machine."""

from __future__ import annotations

import unicodedata

EM = 0.6
"""Mean width of a character in font sizes. It is large enough for the widest system font."""


def text_width(text: str, size: float = 12) -> float:
    """Estimate the width of a text, in the unit of its font size. East Asian wide characters count as one em.

    Example:
        >>> round(text_width("abc", 10), 1), round(text_width("日本", 10), 1)
        (18.0, 20.0)
    """
    return size * sum(
        0.0 if unicodedata.combining(c) else 1.0 if unicodedata.east_asian_width(c) in "WF" else EM for c in text
    )


def shorten(text: str, width: float, size: float = 12) -> str:
    """Shorten a text that is wider than `width`: an ellipsis replaces its middle, since many names differ at the end.

    Example:
        >>> shorten("probably_functional_7", 72, 10)
        'probably_…_7'
    """
    if text_width(text, size) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        end = kept // 4
        cut = text[: kept - end].rstrip() + "…" + text[len(text) - end :].lstrip()
        if text_width(cut, size) <= width:
            return cut
    return "…"


def wrap(text: str, width: float, size: float = 12) -> list[str]:
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
