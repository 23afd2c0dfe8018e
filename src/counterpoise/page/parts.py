"""What a part of the report page is: a heading, sentences computed from the facts, a figure, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from counterpoise.page.facts import SHOWN_CLASSES, Facts, counted, quote

EMPTY = Markup()


@dataclass(frozen=True)
class Table:
    """A table of texts; the first `text_columns` columns are words, the others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1


@dataclass(frozen=True)
class Part:
    """One part of the page.

    Attributes:
        anchor: Its id.
        heading: Its heading.
        text: Paragraphs above the figure.
        charts: Panels of the figure; empty for none.
        caption: Below the figure.
        beside: Whether the figure, a single chart, stands beside the paragraphs on a wide screen.
        tables: Below the caption.
        folded: What the fold holds, such as "The other 40 classes"; empty for no fold.
        folded_charts: Panels inside the fold.
        folded_tables: Tables inside the fold.
    """

    anchor: str
    heading: str
    text: tuple[str, ...]
    charts: Markup = EMPTY
    caption: str = ""
    beside: bool = False
    tables: tuple[Table, ...] = ()
    folded: str = ""
    folded_charts: Markup = EMPTY
    folded_tables: tuple[Table, ...] = ()


def folded(part: Part, facts: Facts, panels: Callable[[Sequence[int]], Markup]) -> Part:
    """Fold the panels of the more frequent of many classes away, and say so."""
    rest = facts.order[1]
    if not rest:
        return part
    caption = f"{part.caption} Shown: {quote(facts.positive_name)} and the rarest, {SHOWN_CLASSES} classes in all."
    fold = f"The other {counted(len(rest), 'class', 'classes')}"
    return Part(part.anchor, part.heading, part.text, part.charts, caption, folded=fold, folded_charts=panels(rest))


def panel(chart: str) -> Markup:
    """Wrap the only chart of a figure."""
    return Markup(f'<div class="panel">{chart}</div>')
