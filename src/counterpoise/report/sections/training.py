"""The parts of the report page that say what the model was given: class counts, and training curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from counterpoise.report.charts.lines import Line, line_chart
from counterpoise.report.charts.stages import Stage, counts_through_stages
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_count, write_prevalence, write_value
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.layout import Fold, Part, Table, drawn

RAREST = 8
"""Of many classes, so many stand beside the long tail."""
REASONS = 20
"""So many reasons for leaving rows out are listed."""


def stages(facts: Facts) -> Part:
    """Show where the classes go, from the labels to what one epoch draws."""
    draws, images, prior = facts.prior.drawn_counts, facts.images, facts.prior
    columns: list[tuple[str, Sequence[int], int]] = [("labels", facts.classes.counts, facts.classes.images)]
    columns += [(split, images[split].tolist(), facts.totals[split]) for split in ("train", "val", "test")]
    columns.append(("drawn per epoch", draws, prior.drawn_total))
    order = facts.order[0][:RAREST] if facts.order[1] else facts.order[0]
    shown = [facts.names[index] for index in order]
    made = [Stage(name, [counts[index] for index in order], total) for name, counts, total in columns]
    alt = "; ".join(
        f"{stage.name}: " + ", ".join(f"{n} {c}" for n, c in zip(shown, stage.counts, strict=True)) for stage in made
    )
    title, focus = f"Images of each {facts.noun} through the stages", order.index(facts.positive)

    def table(scale: str) -> str:
        return counts_through_stages(
            shown, made, title=title, alt=alt, scale="share" if scale == "share" else "log", focus=focus
        )

    charts = (
        {f"All {facts.label_count}, the most frequent first": _long_tail(facts), "The rarest": table("log")}
        if facts.order[1]
        else {"Share of each stage": table("share"), "Number, on a logarithmic scale": table("log")}
    )
    own = facts.classes.counts[facts.positive]
    before, after = own / facts.classes.images, draws[facts.positive] / max(prior.drawn_total, 1)
    joint = "and" if abs(after - before) < max(0.005, 0.1 * before) else "but"
    verb = "is on" if facts.many else "is"
    text = (
        f"{quote(facts.positive_name)} {verb} {write_prevalence(before)} of the images, {joint} "
        f"{write_prevalence(after)} of what one epoch of training draws: {write_count(draws[facts.positive])} of "
        f"{counted(prior.drawn_total, 'draw')}. {write_count(images['test'][facts.positive])} of its images are kept "
        "for the test."
    )
    return Part(
        "classes",
        "Where the classes go",
        (text, _remarks(facts)),
        drawn(charts),
        f"The rarest: {quote(facts.positive_name)} and others; a bar is as long as the logarithm of the number."
        if facts.order[1]
        else "",
        short="Classes",
        folds=_every_class(facts, columns) + _left_out(facts),
    )


def _every_class(facts: Facts, columns: Sequence[tuple[str, Sequence[int], int]]) -> tuple[Fold, ...]:
    """Fold the counts of all of many classes."""
    if not facts.order[1]:
        return ()
    rows = tuple(
        (name, *(write_count(counts[index]) for _, counts, _ in columns)) for index, name in enumerate(facts.names)
    )
    head = (facts.noun, *(name for name, _, _ in columns))
    return (Fold(f"All {facts.label_count}", (Table("Images, and draws of one epoch.", head, rows),)),)


def _long_tail(facts: Facts) -> str:
    """Draw the number of images over the rank of the class."""
    ranks = np.argsort([-count for count in facts.classes.counts], kind="stable")
    at = [float(rank) for rank in range(1, len(ranks) + 1)]
    lines = [
        Line("labels", [float(facts.classes.counts[index]) for index in ranks], at, series=0),
        Line("drawn", [float(facts.prior.drawn_counts[index]) for index in ranks], at, series=1),
        Line("test", [float(facts.images["test"][index]) for index in ranks], at, series=6),
    ]
    rank = int(np.flatnonzero(ranks == facts.positive)[0]) + 1
    counts = sorted(facts.classes.counts, reverse=True)
    alt = f"Images over the rank of the {facts.noun}: from {counts[0]} down to {counts[-1]}, logarithmically. "
    alt += f"{quote(facts.positive_name)} is number {rank}."
    title = f"Images of {facts.label_count} by rank"
    return line_chart(
        lines, title=title, alt=alt, x_label="rank", y_label="images", mark=rank, mark_name="that matters:", log=True
    )


def _remarks(facts: Facts) -> str:
    remarks = []
    if facts.prior.train_total != facts.totals["train"]:
        remarks.append(
            f"Draws are of tiles; the {counted(facts.totals['train'], 'training image')} gave "
            f"{counted(facts.prior.train_total, 'tile')}."
        )
    if facts.many:
        remarks.append(f"An image bears several {facts.nouns}, so that shares add up to more than 100 %.")
    if unused := facts.totals["unused"]:
        remarks.append(f"{counted(unused, 'image is', 'images are')} in no split.")
    if not len(facts.rejected):
        remarks.append("Every row of the raw labels became an image.")
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


def training(facts: Facts) -> Part:
    """Show the curves of training."""
    curves = facts.curves
    epochs = (curves["step"] + 1).tolist() if "step" in curves else list(range(1, len(curves) + 1))

    def chart(columns: list[str], title: str, *, log: bool = False) -> str:
        lines = [
            Line(_series(column), curves[column].tolist(), epochs, series=_COLOURS.get(column)) for column in columns
        ]
        alt = f"{title} over {counted(len(epochs), 'epoch')}. " + " ".join(
            f"{line.name}: {_number(line.y[0])} in the first, {_number(line.y[-1])} in the last." for line in lines
        )
        return line_chart(lines, title=title, alt=alt, mark=facts.best_epoch, mark_name="kept: epoch", log=log)

    losses = [column for column in ("train/loss", "val/loss") if column in curves]
    watched = [name for name in map(str, curves) if name.startswith("val/") and name != "val/loss"]
    made: dict[str, str] = {}
    if losses:
        made["Loss"] = chart(losses, "Loss")
    if watched:
        made["Watched on validation"] = chart(watched, "Figures on validation")
    if "learning_rate" in curves:
        rates = curves["learning_rate"]
        positive = rates[rates > 0]
        log = len(positive) > 0 and float(positive.max() / positive.median()) > 10
        made["Learning rate"] = chart(["learning_rate"], "Learning rate", log=log)
    text = f"Training with loss “{facts.card.loss}” took {counted(len(epochs), 'epoch')}"
    text += f"; the weights of epoch {facts.best_epoch} were kept." if facts.best_epoch is not None else "."
    if len(losses) == 2:
        row = curves.iloc[-1 if facts.best_epoch is None else min(facts.best_epoch, len(curves)) - 1]
        text += f" There the loss is {write_value(row['train/loss'])} on train and {write_value(row['val/loss'])} on "
        text += "validation."
    dropout = (", with dropout", ", without") if facts.card.dropout else ("", "")
    caption = f"Loss on train is measured during the epoch{dropout[0]}; on validation after it{dropout[1]}."
    return Part("training", "Training", (text,), drawn(made), caption if len(losses) == 2 else "")


_COLOURS = {"train/loss": 6, "val/loss": 0, "learning_rate": 0}


def _series(column: str) -> str:
    name = {"train/loss": "train", "val/loss": "validation"}.get(column, column.removeprefix("val/"))
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    known = finite(value)
    return "n/a" if known is None else f"{known:.3g}"
