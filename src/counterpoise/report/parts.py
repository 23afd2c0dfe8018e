"""What a part of the report page is: a heading, sentences computed from the facts, a figure, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from markupsafe import Markup

from counterpoise.report.facts import SHOWN_CLASSES, Facts, quote


@dataclass(frozen=True)
class Table:
    """A table of texts; the first `text_columns` columns are words, the others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1


@dataclass(frozen=True)
class Fold:
    """Tables that open on demand."""

    summary: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Part:
    """One part of the page.

    Attributes:
        anchor: Its id.
        heading: Its heading.
        text: Paragraphs above or beside the figure.
        charts: Heading (may be empty) to SVG.
        caption: Below the figure.
        row: Neighbours with the same name here share a row on a wide screen; empty for a row of its own.
        short: Its name in the list of contents, where the heading is too long.
        tables: Below the caption.
        folds: Below the tables.
    """

    anchor: str
    heading: str
    text: tuple[str, ...]
    charts: Mapping[str, Markup] = field(default_factory=dict)
    caption: str = ""
    row: str = ""
    short: str = ""
    tables: tuple[Table, ...] = ()
    folds: tuple[Fold, ...] = ()


def as_markup(charts: Mapping[str, str]) -> dict[str, Markup]:
    """Say that charts are markup, whose texts are escaped."""
    return {heading: Markup(chart) for heading, chart in charts.items()}


def rows(parts: Sequence[Part]) -> list[tuple[Part, ...]]:
    """Put neighbours that share a row together."""
    keyed = [(part.row or part.anchor, part) for part in parts]
    return [tuple(part for _, part in group) for _, group in groupby(keyed, key=lambda pair: pair[0])]


def folded_classes(
    facts: Facts, caption: str, head: tuple[str, ...], cells: Mapping[int, tuple[str, ...]]
) -> tuple[Fold, ...]:
    """Fold the more frequent of many classes away, as a table.

    Args:
        facts: The run.
        caption: Of the table.
        head: Of its columns after the name.
        cells: For each class index what stands there.
    """
    rest = facts.folded
    if not rest:
        return ()
    table = Table(caption, (facts.words.noun, *head), tuple((facts.names[k], *cells[k]) for k in rest))
    return (Fold(f"The other {facts.count_classes(len(rest))}", (table,)),)


def shown_classes(facts: Facts) -> str:
    """Say which classes a figure shows, where it does not show them all."""
    if not facts.folded:
        return ""
    return f" Shown: {quote(facts.positive_name)} and the rarest, {SHOWN_CLASSES} {facts.words.nouns} in all."
