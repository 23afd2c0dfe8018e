"""The section of the report that counts each class from the labels to the samples of one epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from counterpoise.report.charts.lines import Axis, Mark, lines
from counterpoise.report.charts.stages import counts_by_stage
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Fold, Part, Table, drawn
from counterpoise.report.texts import write_count, write_prevalence

if TYPE_CHECKING:
    import altair as alt

Column = tuple[str, Sequence[int], int]
"""A stage, the number of images of each class, and of all images."""

RAREST = 8
"""With many classes, the number of rarest ones shown beside the long tail."""
REASONS = 20
"""Largest number of reasons for which rows were left out in the table."""


def class_counts(facts: Facts) -> Part:
    """Count the images of each class from the labels to the samples of one epoch."""
    draws, images, prior = facts.prior.drawn_counts, facts.split_counts, facts.prior
    columns: list[Column] = [("labels", facts.classes.counts, facts.classes.images)]
    columns += [(split, images[split].tolist(), facts.split_totals[split]) for split in ("train", "val", "test")]
    columns.append(("samples per epoch", draws, prior.drawn_total))
    if facts.folded:
        charts = [_long_tail(facts), _stages(facts, columns, "log", "Images of the rarest at each stage")]
    else:
        charts = [
            _stages(facts, columns, "share", "Share at each stage"),
            _stages(facts, columns, "log", "Images at each stage, on a logarithmic scale"),
        ]
    own = facts.classes.counts[facts.positive]
    before, after = own / facts.classes.images, draws[facts.positive] / max(prior.drawn_total, 1)
    joint = " and" if abs(after - before) < max(0.005, 0.1 * before) else ", but"
    text = (
        f"{quote(facts.positive_name)} {facts.words.has_share} {write_prevalence(before)} of the images{joint} "
        f"{write_prevalence(after)} of the samples of one epoch: {write_count(draws[facts.positive])} of "
        f"{write_count(prior.drawn_total)}. In test: {facts.test_support.text}."
    )
    return Part(
        "classes",
        f"Images per {facts.words.noun}",
        (text, _remarks(facts)),
        drawn(*charts),
        f"The rarest: {quote(facts.positive_name)} and others. Bars have a logarithmic scale." if facts.folded else "",
        closed=True,
        folds=_every_class(facts, columns) + _left_out(facts),
    )


def _stages(facts: Facts, columns: Sequence[Column], scale: Literal["share", "log"], title: str) -> alt.LayerChart:
    """Draw the counts of each class, or of the rarest, at each stage."""
    import pandas as pd

    order = list(facts.shown[:RAREST] if facts.folded else facts.shown)
    names = [facts.names[k] for k in order]
    counts = pd.DataFrame({stage: np.array(counts)[order] for stage, counts, _ in columns}, index=names)
    description = f"{title}. " + "; ".join(
        f"{stage}: " + ", ".join(f"{name} {count}" for name, count in zip(names, column, strict=True))
        for stage, column in counts.items()
    )
    totals = [total for *_, total in columns]
    return counts_by_stage(
        counts, totals=totals, scale=scale, focus=facts.positive_name, title=title, description=description
    )


def _every_class(facts: Facts, columns: Sequence[Column]) -> tuple[Fold, ...]:
    """Put the counts of all classes into a folded table, if there are many."""
    if not facts.folded:
        return ()
    rows = tuple(
        (name, *(write_count(counts[index]) for _, counts, _ in columns)) for index, name in enumerate(facts.names)
    )
    head = (facts.words.noun, *(name for name, _, _ in columns))
    return (Fold(facts.all_classes, (Table("Images, and samples of one epoch.", head, rows),)),)


def _long_tail(facts: Facts) -> alt.LayerChart:
    """Draw the number of images against the rank of the class."""
    import pandas as pd

    ranks = np.argsort([-count for count in facts.classes.counts], kind="stable")
    table = pd.concat(
        [
            pd.DataFrame(
                {"series": name, "x": range(1, len(ranks) + 1), "y": np.array(counts, float)[ranks], "color": color}
            )
            for name, counts, color in (
                ("labels", facts.classes.counts, "focus"),
                ("samples", facts.prior.drawn_counts, "validation"),
                ("test", facts.split_counts["test"], "compare"),
            )
        ],
        ignore_index=True,
    )
    rank = int(np.flatnonzero(ranks == facts.positive)[0]) + 1
    counts = sorted(facts.classes.counts, reverse=True)
    text = f"Images against the rank of the {facts.words.noun}: from {counts[0]} to {counts[-1]}, logarithmic axis. "
    text += f"{quote(facts.positive_name)} has rank {rank}."
    mark = Mark(rank, f"the {facts.words.noun} that matters: rank {rank}")
    title = f"{facts.all_classes}, the most frequent first"
    x, y = Axis("rank", whole=True), Axis("images", log=True)
    return lines(table, x=x, y=y, title=title, description=text, mark=mark)


def _remarks(facts: Facts) -> str:
    remarks = []
    if facts.prior.train_total != facts.split_totals["train"]:
        remarks.append(
            f"Samples are tiles: the {counted(facts.split_totals['train'], 'training image')} were cut into "
            f"{counted(facts.prior.train_total, 'tile')}."
        )
    if facts.words.shares_remark:
        remarks.append(facts.words.shares_remark)
    if unused := facts.split_totals["unused"]:
        remarks.append(f"{counted(unused, 'image is', 'images are')} in no split.")
    if not len(facts.rejected):
        remarks.append("No row of the raw labels was left out.")
    if found := facts.card.pixels.found:
        remarks.append(f"Pixel values: {found}.")
    return " ".join(remarks)


def _left_out(facts: Facts) -> tuple[Fold, ...]:
    """List in a folded table why rows of the raw labels were left out."""
    count = len(facts.rejected)
    if not count:
        return ()
    grouped = Counter(zip(facts.rejected["reason"], facts.rejected["kind"], strict=True))
    rows = tuple((reason, kind, write_count(n)) for (reason, kind), n in grouped.most_common(REASONS))
    caption = "Left out of the data, by reason"
    caption += f"; the {REASONS} most frequent of {len(grouped)}." if len(grouped) > REASONS else "."
    table = Table(caption, ("reason", "kind", "rows"), rows, 2)
    return (Fold(f"{counted(count, 'row')} of the raw labels {'was' if count == 1 else 'were'} left out", (table,)),)
