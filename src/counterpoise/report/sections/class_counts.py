"""The section of the report that counts each class from the labels to the samples of one epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from counterpoise.report.charts.lines import Line, line_chart
from counterpoise.report.charts.stages import Stage, counts_through_stages
from counterpoise.report.charts.texts import write_count, write_prevalence
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.parts import Fold, Part, Table, as_markup

RAREST = 8
"""With many classes, the number of rarest ones shown beside the long tail."""
REASONS = 20
"""Largest number of reasons for which rows were left out in the table."""


def class_counts(facts: Facts) -> Part:
    """Count the images of each class from the labels to the samples of one epoch."""
    draws, images, prior = facts.prior.drawn_counts, facts.split_counts, facts.prior
    columns: list[tuple[str, Sequence[int], int]] = [("labels", facts.classes.counts, facts.classes.images)]
    columns += [(split, images[split].tolist(), facts.split_totals[split]) for split in ("train", "val", "test")]
    columns.append(("samples per epoch", draws, prior.drawn_total))
    order = facts.shown[:RAREST] if facts.folded else facts.shown
    shown = [facts.names[index] for index in order]
    stages = [Stage(name, [counts[index] for index in order], total) for name, counts, total in columns]
    alt = "; ".join(
        f"{stage.name}: " + ", ".join(f"{n} {c}" for n, c in zip(shown, stage.counts, strict=True)) for stage in stages
    )
    title, focus = f"Images per {facts.words.noun} at each stage", order.index(facts.positive)

    def table(scale: str) -> str:
        return counts_through_stages(
            shown, stages, title=title, alt=alt, scale="share" if scale == "share" else "log", focus=focus
        )

    charts = (
        {f"{facts.all_classes}, the most frequent first": _long_tail(facts), "The rarest": table("log")}
        if facts.folded
        else {"Share at each stage": table("share"), "Number, on a logarithmic scale": table("log")}
    )
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
        as_markup(charts),
        f"The rarest: {quote(facts.positive_name)} and others. Bars have a logarithmic scale." if facts.folded else "",
        short="Images",
        folds=_every_class(facts, columns) + _left_out(facts),
    )


def _every_class(facts: Facts, columns: Sequence[tuple[str, Sequence[int], int]]) -> tuple[Fold, ...]:
    """Put the counts of all classes into a folded table, if there are many."""
    if not facts.folded:
        return ()
    rows = tuple(
        (name, *(write_count(counts[index]) for _, counts, _ in columns)) for index, name in enumerate(facts.names)
    )
    head = (facts.words.noun, *(name for name, _, _ in columns))
    return (Fold(facts.all_classes, (Table("Images, and samples of one epoch.", head, rows),)),)


def _long_tail(facts: Facts) -> str:
    """Draw the number of images against the rank of the class."""
    ranks = np.argsort([-count for count in facts.classes.counts], kind="stable")
    at = [float(rank) for rank in range(1, len(ranks) + 1)]
    lines = [
        Line("labels", [float(facts.classes.counts[index]) for index in ranks], at, series=0),
        Line("samples", [float(facts.prior.drawn_counts[index]) for index in ranks], at, series=1),
        Line("test", [float(facts.split_counts["test"][index]) for index in ranks], at, series=6),
    ]
    rank = int(np.flatnonzero(ranks == facts.positive)[0]) + 1
    counts = sorted(facts.classes.counts, reverse=True)
    alt = f"Images against the rank of the {facts.words.noun}: from {counts[0]} to {counts[-1]}, logarithmic axis. "
    alt += f"{quote(facts.positive_name)} has rank {rank}."
    title = f"Images of {facts.label_count} by rank"
    mark_name = f"the {facts.words.noun} that matters: rank"
    return line_chart(
        lines, title=title, alt=alt, x_label="rank", y_label="images", mark=rank, mark_name=mark_name, log=True
    )


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
