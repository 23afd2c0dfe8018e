"""The parts of the report: a heading, text, charts and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup

from counterpoise.report.charts.render import Drawing
from counterpoise.report.facts import SHOWN_CLASSES, Facts, quote
from counterpoise.report.scene_pictures import Picture

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Table:
    """A table of strings. The first `text_columns` columns hold words, the others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1


@dataclass(frozen=True)
class Fold:
    """Tables that are hidden until the reader opens them."""

    summary: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Part:
    """One part of the report.

    Attributes:
        anchor: Its HTML id.
        heading: Its heading, and its name in the menu.
        text: Paragraphs above or beside the figure.
        charts: Its charts.
        caption: Text below the charts.
        row: Neighbours with the same value share a row on a wide screen; empty for a separate row.
        tables: Tables below the caption.
        folds: Folded tables below the others.
        controls: Inputs that redraw the charts, as markup; they are shown where scripts run.
        pictures: Rows of pictures below all else; those of a row belong together.
        closed: Whether the reader has to open it.
    """

    anchor: str
    heading: str
    text: tuple[str, ...]
    charts: tuple[Drawing, ...] = ()
    caption: str = ""
    row: str = ""
    tables: tuple[Table, ...] = ()
    folds: tuple[Fold, ...] = ()
    controls: Markup | None = None
    pictures: tuple[tuple[Picture, ...], ...] = ()
    closed: bool = False


def drawn(*charts: alt.TopLevelMixin) -> tuple[Drawing, ...]:
    """Start to draw charts."""
    return tuple(map(Drawing, charts))


def rows(parts: Sequence[Part]) -> list[tuple[Part, ...]]:
    """Group neighbours that share a row."""
    keyed = [(part.row or part.anchor, part) for part in parts]
    return [tuple(part for _, part in group) for _, group in groupby(keyed, key=lambda pair: pair[0])]


def folded_classes(
    facts: Facts, caption: str, head: tuple[str, ...], cells: Mapping[int, tuple[str, ...]]
) -> tuple[Fold, ...]:
    """Put the classes that charts leave out into a folded table.

    Args:
        facts: The artifacts of the run.
        caption: Caption of the table.
        head: Names of its columns after the first.
        cells: Maps the index of a class to the cells of its row.
    """
    rest = facts.folded
    if not rest:
        return ()
    table = Table(caption, (facts.words.noun, *head), tuple((facts.names[k], *cells[k]) for k in rest))
    return (Fold(f"The other {facts.count_classes(len(rest))}", (table,)),)


def shown_classes(facts: Facts) -> str:
    """Say which classes a chart shows, if it does not show all."""
    if not facts.folded:
        return ""
    return f" Shown: {quote(facts.positive_name)} and the rarest in test, {SHOWN_CLASSES} {facts.words.nouns} in all."
