"""The part of the report page that shows where the classes go, from the labels to what one epoch draws."""

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
"""Of many classes, so many stand beside the long tail."""
REASONS = 20
"""So many reasons for leaving rows out are listed."""


def class_counts(facts: Facts) -> Part:
    """Show where the classes go, from the labels to what one epoch draws."""
    draws, images, prior = facts.prior.drawn_counts, facts.split_counts, facts.prior
    columns: list[tuple[str, Sequence[int], int]] = [("labels", facts.classes.counts, facts.classes.images)]
    columns += [(split, images[split].tolist(), facts.split_totals[split]) for split in ("train", "val", "test")]
    columns.append(("drawn per epoch", draws, prior.drawn_total))
    order = facts.shown[:RAREST] if facts.folded else facts.shown
    shown = [facts.names[index] for index in order]
    stages = [Stage(name, [counts[index] for index in order], total) for name, counts, total in columns]
    alt = "; ".join(
        f"{stage.name}: " + ", ".join(f"{n} {c}" for n, c in zip(shown, stage.counts, strict=True)) for stage in stages
    )
    title, focus = f"Images of each {facts.words.noun} through the stages", order.index(facts.positive)

    def table(scale: str) -> str:
        return counts_through_stages(
            shown, stages, title=title, alt=alt, scale="share" if scale == "share" else "log", focus=focus
        )

    charts = (
        {f"All {facts.label_count}, the most frequent first": _long_tail(facts), "The rarest": table("log")}
        if facts.folded
        else {"Share of each stage": table("share"), "Number, on a logarithmic scale": table("log")}
    )
    own = facts.classes.counts[facts.positive]
    before, after = own / facts.classes.images, draws[facts.positive] / max(prior.drawn_total, 1)
    joint = "and" if abs(after - before) < max(0.005, 0.1 * before) else "but"
    text = (
        f"{quote(facts.positive_name)} {facts.words.has_share} {write_prevalence(before)} of the images, {joint} "
        f"{write_prevalence(after)} of what one epoch of training draws: {write_count(draws[facts.positive])} of "
        f"{counted(prior.drawn_total, 'draw')}. {write_count(images['test'][facts.positive])} of its images are kept "
        "for the test."
    )
    return Part(
        "classes",
        "Where the classes go",
        (text, _remarks(facts)),
        as_markup(charts),
        f"The rarest: {quote(facts.positive_name)} and others; a bar is as long as the logarithm of the number."
        if facts.folded
        else "",
        short="Classes",
        folds=_every_class(facts, columns) + _left_out(facts),
    )


def _every_class(facts: Facts, columns: Sequence[tuple[str, Sequence[int], int]]) -> tuple[Fold, ...]:
    """Fold the counts of all of many classes."""
    if not facts.folded:
        return ()
    rows = tuple(
        (name, *(write_count(counts[index]) for _, counts, _ in columns)) for index, name in enumerate(facts.names)
    )
    head = (facts.words.noun, *(name for name, _, _ in columns))
    return (Fold(f"All {facts.label_count}", (Table("Images, and draws of one epoch.", head, rows),)),)


def _long_tail(facts: Facts) -> str:
    """Draw the number of images over the rank of the class."""
    ranks = np.argsort([-count for count in facts.classes.counts], kind="stable")
    at = [float(rank) for rank in range(1, len(ranks) + 1)]
    lines = [
        Line("labels", [float(facts.classes.counts[index]) for index in ranks], at, series=0),
        Line("drawn", [float(facts.prior.drawn_counts[index]) for index in ranks], at, series=1),
        Line("test", [float(facts.split_counts["test"][index]) for index in ranks], at, series=6),
    ]
    rank = int(np.flatnonzero(ranks == facts.positive)[0]) + 1
    counts = sorted(facts.classes.counts, reverse=True)
    alt = f"Images over the rank of the {facts.words.noun}: from {counts[0]} down to {counts[-1]}, logarithmically. "
    alt += f"{quote(facts.positive_name)} is number {rank}."
    title = f"Images of {facts.label_count} by rank"
    return line_chart(
        lines, title=title, alt=alt, x_label="rank", y_label="images", mark=rank, mark_name="that matters:", log=True
    )


def _remarks(facts: Facts) -> str:
    remarks = []
    if facts.prior.train_total != facts.split_totals["train"]:
        remarks.append(
            f"Draws are of tiles; the {counted(facts.split_totals['train'], 'training image')} gave "
            f"{counted(facts.prior.train_total, 'tile')}."
        )
    if facts.words.shares_remark:
        remarks.append(facts.words.shares_remark)
    if unused := facts.split_totals["unused"]:
        remarks.append(f"{counted(unused, 'image is', 'images are')} in no split.")
    if not len(facts.rejected):
        remarks.append("Every row of the raw labels became an image.")
    if found := facts.card.pixels.found:
        remarks.append(f"Pixel values: {found}.")
    return " ".join(remarks)


def _left_out(facts: Facts) -> tuple[Fold, ...]:
    """Fold the reasons for which rows of the raw labels became no image."""
    count = len(facts.rejected)
    if not count:
        return ()
    grouped = Counter(zip(facts.rejected["reason"], facts.rejected["kind"], strict=True))
    rows = tuple((reason, kind, write_count(n)) for (reason, kind), n in grouped.most_common(REASONS))
    caption = "Left out of the data, by reason"
    caption += f"; the {REASONS} most frequent of {len(grouped)}." if len(grouped) > REASONS else "."
    table = Table(caption, ("reason", "kind", "rows"), rows, 2)
    return (Fold(f"{counted(count, 'row')} of the raw labels became no image", (table,)),)
