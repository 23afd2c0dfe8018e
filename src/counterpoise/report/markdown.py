"""How the model card and the comment of a pull request write tables, names and figures in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from counterpoise.report.texts import PointEstimate, finite

SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~]")
"""Characters that mean something to Markdown within a line."""
LONGEST_NAME = 60
"""Characters of a name that are shown."""
LONGEST_VALUE = 120
"""Characters of a parameter's value that are shown."""


def code(text: object, longest: int = LONGEST_NAME) -> str:
    r"""Write a name or value as code that means nothing to Markdown, not even in a table.

    Example:
        >>> code("a|b"), code("new\nline"), code("a`b"), code("")
        ('`a\\|b`', '`new line`', '`` a`b ``', '` `')
    """
    words = " ".join(str(text).split())
    words = words if len(words) <= longest else f"{words[: longest - 1]}…"
    words = words.replace("|", r"\|")
    if "`" not in words:
        return f"`{words or ' '}`"
    fence = "``"
    while fence in words:
        fence += "`"
    return f"{fence} {words} {fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table, whose first column is text and whose other columns are numbers."""
    dashes = ["---", *["---:"] * (len(head) - 1)]
    return [_row(head), _row(dashes), *map(_row, rows)]


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """Hide lines behind a title that opens them."""
    return ["<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>"]


def estimate(value: float | None, interval: tuple[float, float] | None) -> str:
    """Write a figure with three decimals and its interval.

    Example:
        >>> estimate(0.5714, (0.3402, 0.7818)), estimate(21, None), estimate(None, None)
        ('0.571 [0.340, 0.782]', '21', 'n/a')
    """
    known = finite(value)
    if known is None:
        return "n/a"
    if isinstance(value, int):
        return f"{value:,}"
    ends = PointEstimate(known, *(interval or (None, None))).interval
    return f"{known:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def plain(text: object) -> str:
    r"""Write text so that it means nothing to Markdown or HTML.

    Example:
        >>> plain("a_b <i>"), plain("new\nline | x")
        ('a\\_b \\<i\\>', 'new line \\| x')
    """
    return SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))


def quoted(text: str) -> list[str]:
    """Quote lines of text, such as those of a licence."""
    return [f"> {plain(line)}".rstrip() + ("  " if line.strip() else "") for line in text.strip().splitlines()]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
